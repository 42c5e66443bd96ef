"""Whatever happens in whatever order: the queue on SQLite does what a small model of it says.

Hypothesis plays detection, workers, people and crashes against a real queue and against the model
below, which knows the rules (`judge`, `decide`, tested by tables of their own) but no database.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select

from oort.policy import state
from oort.policy.outcome import (
    Broken,
    Changed,
    DoubtRemains,
    FileRefused,
    FoundOther,
    FoundSame,
    Gone,
    Interrupted,
    NameReserved,
    NotAllowed,
    NotReached,
    Outcome,
    RootMissing,
    ServerBusy,
    SizeDiffers,
    Stored,
    Unauthorised,
    Unclear,
    Unreadable,
    WatchRefused,
)
from oort.policy.retry import Decision, Facts, Limits, decide
from oort.policy.sighting import Action, KnownRow, Phase, Sighting, judge
from oort.policy.version import FileVersion, RelPath
from oort.queue import orders, reads
from oort.queue.datasets import DatasetKey, KnownDataset
from oort.queue.ends import Ended
from oort.queue.memory import WatchMemory
from oort.queue.models import ATTEMPTS
from oort.queue.moves import StaleRowError
from oort.queue.opening import OpenQueue
from oort.queue.orders import Told, Which
from tests.support.fakes import FakeClock, Longest
from tests.support.rows import ROOT, TONIGHT, WATCH, Row, all_rows, sqlite_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from oort.policy.state import State
    from oort.values import Upload

LIMITS: Final = Limits(base_s=10.0, max_s=100.0, max_attempts=2)
KEY: Final = DatasetKey("cloud", "ada", "", "dome")
HASH: Final = "0" * 64
OUTCOMES: Final[list[Outcome]] = [
    Stored("1", "a.fits", HASH, 10, 201),
    Stored("1", "a.fits", HASH, 10, 201, tags_pending=True),
    FoundSame("1", "a.fits", HASH, unproven=False, ours=True),
    FoundSame("1", "a.fits", HASH, unproven=True, ours=False),
    FoundOther("another file"),
    NameReserved("/data/dome/b.fits", None),
    NameReserved("/data/dome/b.fits", state.NAME_CONFLICT),
    NotReached("refused"),
    Broken("reset", 5, body_complete=False, link_proven=False),
    Broken("reset", 5, body_complete=True, link_proven=True),
    ServerBusy("503", 503),
    ServerBusy("504", 504, keeps_doubt=True, body_complete=True),
    Unclear("204", 204, 10),
    DoubtRemains("asked once", asked_complete=True),
    SizeDiffers(5, 10),
    Unauthorised("401", 401),
    WatchRefused("no dataset", 404),
    FileRefused("no FITS", 422),
    Changed("it grew", 5),
    Gone("gone"),
    RootMissing("no root"),
    Unreadable("EACCES"),
    NotAllowed("excluded"),
    Interrupted("stopping", 5),
]
PATHS: Final = [b"a.fits", b"b.fits", b"night/c.fits", b"bad\xff.fits"]
REMEMBERED: Final = [{}, {"scanned": True}, {"root_dev": 1, "root_ino": 2}, {"baselined": True}]
NIGHTS: Final = [None, TONIGHT, "2026-11-21"]

MEMORY: Final = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  # a private folder in it
"""A thousand commits are to be tested here, not the disk."""

paths = st.sampled_from(PATHS).map(RelPath)
versions = st.builds(FileVersion, paths, st.integers(1, 3), st.integers(1, 2), st.just(7))


@dataclass
class ModelRow:
    """What a row must look like."""

    id: int
    state: State
    version: FileVersion
    night: str | None = None
    dataset_known: bool = False
    attempts: int = 0
    cuts: int = 0
    priority: int = 0
    tried: bool = False
    ask_first: bool = False
    acknowledged: bool = False
    unproven: bool = False
    changed: bool = False
    recheck: bool = False
    tags_pending: bool = False
    due: datetime | None = None

    @property
    def path(self) -> RelPath:
        return self.version.rel_path


@dataclass
class Hand:
    """An upload in a worker's hand."""

    upload: Upload
    state: State
    row: ModelRow


@dataclass
class Model:
    """The rows, oldest first."""

    rows: list[ModelRow] = field(default_factory=list)

    def of(self, path: RelPath) -> list[ModelRow]:
        return [row for row in self.rows if row.path == path]

    def newest(self, path: RelPath) -> ModelRow | None:
        return next(reversed(self.of(path)), None)

    def known(self, path: RelPath) -> KnownRow | None:
        row = self.newest(path)
        if row is None:
            return None
        return KnownRow(
            row.id,
            row.state,
            row.version,
            unproven=row.unproven,
            acknowledged=row.acknowledged,
            ever_stored=any(one.state in state.SAFE for one in self.of(path)),
            tried=row.tried,
            ask_first=row.ask_first,
        )

    def name(self, found: Sequence[Row]) -> None:
        """Give the rows that were born just now the ids that the database gave them.

        In one batch the queue writes rows of one state together, so only the ids of one path tell
        which is older.
        """
        named = {row.id for row in self.rows}
        for born in (row for row in self.rows if row.id == 0):
            path = born.path
            ids = (row.id for row in found if row["rel_path"] == path and row.id not in named)
            born.id = next(ids)
            named.add(born.id)
        self.rows.sort(key=lambda row: row.id)

    def see(self, sighting: Sighting) -> None:
        """Do what `judge` says."""
        version = sighting.version
        row = self.newest(version.rel_path)
        verdict = judge(self.known(version.rel_path), sighting)
        after = verdict.state or state.SETTLING
        if verdict.action in (Action.INSERT, Action.INSERT_CHANGED):
            ask_first = sighting.ask_first
            self.rows.append(ModelRow(0, after, version, sighting.night, ask_first=ask_first))
        elif row is not None:
            self._do(row, sighting, verdict.action, after)

    def _do(self, row: ModelRow, sighting: Sighting, action: Action, after: State) -> None:
        if action is Action.MARK_CHANGED:
            row.changed = True
        elif action is Action.COMPARE:
            row.recheck = True
        elif action is Action.REVISE_CHANGED:
            row.version = sighting.version
        elif action is Action.RENAME:
            self._rename(row, sighting)
        elif action in (Action.REVISE, Action.MOVE):
            row.ask_first = row.ask_first or sighting.ask_first
            row.night = sighting.night or row.night
            row.state, row.due = after, None
            if action is Action.REVISE:
                self._revise(row, sighting)

    def _revise(self, row: ModelRow, sighting: Sighting) -> None:
        row.version = sighting.version
        row.ask_first = row.ask_first or row.tried
        row.attempts = row.cuts = 0
        row.tried = row.acknowledged = row.unproven = row.dataset_known = False
        row.recheck = row.tags_pending = False

    def _rename(self, row: ModelRow, sighting: Sighting) -> None:
        target = sighting.renamed_to
        assert target is not None
        if self.of(target):
            row.state = state.IGNORED
        else:
            row.state = state.SETTLING
            row.version = replace(row.version, rel_path=target)

    def claimable(self, now: datetime, limit: int) -> list[ModelRow]:
        pending = [row for row in self.rows if row.state == state.PENDING]
        due = [row for row in self.rows if row.due is not None and row.due <= now]
        first = sorted(due, key=lambda row: (row.due, row.id))[:limit]
        found = sorted(
            pending + first,
            key=lambda row: (-row.priority, row.night != TONIGHT, row.cuts, row.id),
        )
        return found[:limit]


class QueueMachine(RuleBasedStateMachine):
    """Detection, workers, people and crashes, in any order."""

    template: Path
    looks: int = 0
    """How often the rows of any of its lives were held against the model."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="oort-machine-", dir=MEMORY))
        shutil.copyfile(self.template, self.folder / "oort.db")
        self.clock = FakeClock()
        self.model = Model()
        self.hands: dict[int, Hand] = {}
        self.lost: list[Hand] = []
        self.remembered: tuple[bytes, WatchMemory] = ROOT, WatchMemory()
        self.noted: Any = None
        self.open()

    def open(self) -> None:
        database = sqlite_at(self.folder / "oort.db")
        self.opened = OpenQueue(database, host="", clock=self.clock)
        self.queue = self.opened.queue

    def teardown(self) -> None:
        self.opened.close()
        shutil.rmtree(self.folder)

    # -- detection -------------------------------------------------------------------------------

    @initialize(batch=st.lists(versions, min_size=1, max_size=4, unique_by=lambda v: v.rel_path))
    def first_files(self, batch: list[FileVersion]) -> None:
        self.see([Sighting(version, Phase.SETTLED, "settled") for version in batch])

    @rule(
        batch=st.lists(
            st.builds(
                Sighting,
                versions,
                st.sampled_from([Phase.SEEN, Phase.SETTLED, Phase.TRUNCATED, Phase.GONE]),
                st.just("seen"),
                night=st.sampled_from(NIGHTS),
                dataset_name=st.just("dome"),
                ask_first=st.booleans(),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def see(self, batch: Sequence[Sighting]) -> None:
        self.queue.note(WATCH, ROOT, batch)
        for sighting in batch:
            self.model.see(sighting)
        self.model.name(all_rows(self.opened))

    @rule(path=paths, new_path=paths)
    def rename(self, path: RelPath, new_path: RelPath) -> None:
        row = self.model.newest(path)
        assume(path != new_path and row is not None)
        assert row is not None
        self.see([Sighting(row.version, Phase.RENAMED, "renamed", renamed_to=new_path)])

    @rule(batch=st.lists(versions, max_size=4, unique_by=lambda version: version.rel_path))
    def baseline(self, batch: list[FileVersion]) -> None:
        fresh = [version for version in batch if not self.model.of(version.rel_path)]

        assert self.queue.memory.baseline(WATCH, ROOT, batch) == len(fresh)
        for version in fresh:
            self.model.rows.append(ModelRow(0, state.IGNORED, version, acknowledged=True))
        self.model.name(all_rows(self.opened))
        self.remembered = ROOT, replace(self.memory_of(ROOT), baselined=True)

    def memory_of(self, root: bytes) -> WatchMemory:
        """Return what is remembered of a watch of this folder: one of another begins anew."""
        return self.remembered[1] if self.remembered[0] == root else WatchMemory()

    # -- workers ---------------------------------------------------------------------------------

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        expected = self.model.claimable(self.clock.now(), limit)

        assert self.queue.waits([WATCH], self.clock.now()) == bool(expected)
        uploads = self.queue.claim([WATCH], limit=limit, tonight=TONIGHT)

        assert [upload.id for upload in uploads] == [row.id for row in expected]
        for upload, row in zip(uploads, expected, strict=True):
            assert upload.id not in self.hands, "claimed twice"
            assert upload.attempts == row.attempts
            in_doubt = row.ask_first or row.tried
            row.state = state.CHECKING if in_doubt else state.SYNCING
            if row.dataset_known and not in_doubt:
                row.state, row.tried = state.UPLOADING, True
            assert upload.may_be_stored == (row.tried and row.state != state.UPLOADING)
            row.changed, row.due = False, None
            self.hands[upload.id] = Hand(upload, row.state, row)

    @precondition(lambda self: self.hands)
    @rule(data=st.data(), after=st.sampled_from([state.CHECKING, state.SYNCING, state.UPLOADING]))
    def enter(self, data: st.DataObject, after: State) -> None:
        hand = self.any_hand(data)
        assume(hand.state in (state.CHECKING, state.SYNCING, state.UPLOADING))
        assume(after != hand.state)

        self.queue.enter(hand.upload, hand.state, after, "on its way")

        hand.state = hand.row.state = after
        hand.row.tried = hand.row.tried or after == state.UPLOADING

    @precondition(lambda self: self.hands)
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES))
    def finish(self, data: st.DataObject, outcome: Outcome) -> None:
        hand = self.any_hand(data)
        row = hand.row
        decision = self.decide(hand, outcome)

        changed = self.queue.finish(hand.upload, hand.state, decision, self.ended(outcome)).result()

        assert changed == row.changed
        del self.hands[hand.upload.id]
        row.state, row.tried = decision.state, decision.may_be_stored
        row.attempts += decision.counted
        row.cuts += decision.cut
        row.ask_first = decision.ask_first
        row.unproven = getattr(outcome, "unproven", False)
        row.tags_pending = getattr(outcome, "tags_pending", False)
        row.due = None
        if decision.delay_s is not None:
            row.due = self.clock.now() + timedelta(seconds=decision.delay_s)
        if decision.state.status is not state.Status.NEW:
            row.priority = 0

    @precondition(lambda self: self.lost)
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES))
    def finish_what_was_lost(self, data: st.DataObject, outcome: Outcome) -> None:
        """A worker from before the crash comes too late: nothing of it may be believed."""
        hand = data.draw(st.sampled_from(self.lost))
        decision = self.decide(hand, outcome)

        with pytest.raises(StaleRowError):
            self.queue.finish(hand.upload, hand.state, decision, self.ended(outcome)).result()

    def any_hand(self, data: st.DataObject) -> Hand:
        return self.hands[data.draw(st.sampled_from(sorted(self.hands)))]

    def decide(self, hand: Hand, outcome: Outcome) -> Decision:
        facts = Facts(
            attempts=hand.upload.attempts,
            may_be_stored=hand.upload.may_be_stored or hand.state == state.UPLOADING,
            ask_first=hand.upload.ask_first,
        )
        return decide(outcome, facts, LIMITS, Longest())

    def ended(self, outcome: Outcome) -> Ended:
        return Ended(
            type(outcome).__name__,
            self.clock.now(),
            sha256=getattr(outcome, "sha256", None),
            unproven=getattr(outcome, "unproven", False),
            tags_pending=getattr(outcome, "tags_pending", False),
        )

    # -- what is done when nothing else is --------------------------------------------------------

    @rule()
    def write_the_tags(self) -> None:
        for upload in self.queue.todo(0, 100):
            self.queue.tagged(upload)
            self.row_of(upload.id).tags_pending = False

    @rule(same=st.booleans())
    def compare_what_has_another_time(self, same: bool) -> None:
        for upload in self.queue.todo(0, 100):
            row = self.row_of(upload.id)
            found = replace(row.version, mtime_ns=row.version.mtime_ns + 1)

            self.queue.compared(upload, ROOT, found, same=same)

            row.recheck = False
            if same:
                row.version = found
            elif self.model.newest(row.path) is row:
                self.model.rows.append(ModelRow(0, state.CHANGED, found, row.night))
                self.model.name(all_rows(self.opened))

    def row_of(self, row_id: int) -> ModelRow:
        return next(row for row in self.model.rows if row.id == row_id)

    @invariant()
    def what_is_left_to_do_is_known(self) -> None:
        to_do = {row.id for row in self.model.rows if row.recheck or row.tags_pending}

        assert {upload.id for upload in self.queue.todo(0, 100)} == to_do

    # -- the memory --------------------------------------------------------------------------------

    @rule(root=st.sampled_from([ROOT, b"/data/moved"]), values=st.sampled_from(REMEMBERED))
    def remember(self, root: bytes, values: dict[str, Any]) -> None:
        self.queue.memory.remember(WATCH, root, **values)

        self.remembered = root, replace(self.memory_of(root), **values)

    @rule(value=st.sampled_from([None, True, {"a": 1}]))
    def note(self, value: Any) -> None:
        self.queue.memory.note("paused", value).result()
        self.noted = value

    @invariant()
    def what_was_remembered_is_there(self) -> None:
        root, memory = self.remembered
        assert self.queue.memory.of(WATCH, root) == memory
        assert self.queue.memory.of(WATCH, root + b"-other") == WatchMemory()
        assert self.queue.memory.noted("paused") == self.noted

    @invariant()
    def what_settles_is_found_again(self) -> None:
        settling = [row.version for row in self.model.rows if row.state == state.SETTLING]
        assert Counter(self.queue.settling(WATCH)) == Counter(settling)

    # -- the dataset, the clock, crashes ---------------------------------------------------------

    @rule(fresh=st.booleans())
    def find_the_dataset(self, fresh: bool) -> None:
        self.queue.datasets.keep(KEY, KnownDataset("u-1", None, fresh=fresh), [WATCH])
        for row in self.waiting_for_the_dataset():
            row.dataset_known = True
            row.ask_first = row.ask_first and not fresh

    @rule()
    def lose_the_dataset(self) -> None:
        self.queue.datasets.forget(KEY, [WATCH])
        for row in self.waiting_for_the_dataset():
            row.dataset_known = False

    def waiting_for_the_dataset(self) -> Iterator[ModelRow]:
        named = {row.id for row in all_rows(self.opened) if row["dataset_name"] == "dome"}
        return (
            row
            for row in self.model.rows
            if row.id in named and row.state.status is state.Status.NEW
        )

    @rule(seconds=st.sampled_from([1, 30, 90_000]))
    def let_time_pass(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(hours=st.integers(-3, 3))
    def step_the_clock(self, hours: int) -> None:
        self.clock.step(hours * 3600)
        self.queue.shift_waits(timedelta(hours=hours))
        for row in self.model.rows:
            if row.due is not None:
                row.due += timedelta(hours=hours)

    @rule(hours=st.integers(0, 30))
    def clamp_the_waits(self, hours: int) -> None:
        latest = self.clock.now() + timedelta(hours=hours)
        self.queue.clamp_waits(latest)
        for row in self.model.rows:
            if row.due is not None:
                row.due = min(row.due, latest)
        due = [row.due for row in self.model.rows if row.due is not None]
        assert self.queue.next_due_at([WATCH]) == min(due, default=None)

    @rule()
    def crash(self) -> None:
        """The process ends; another one opens the queue and makes what was in hand a doubt."""
        self.opened.close()
        self.open()

        assert self.queue.recover(wait_s=5) == len(self.hands)
        for hand in self.hands.values():
            sent = hand.state == state.UPLOADING
            hand.row.state, hand.row.tried = state.PENDING, hand.row.tried or sent
            if sent:
                hand.row.state = state.WAITING
                hand.row.due = self.clock.now() + timedelta(seconds=5)
        self.lost += self.hands.values()
        self.hands = {}

    # -- people ----------------------------------------------------------------------------------

    def order(self, which: Which, *, force: bool | None = None) -> Told:
        """Have rows retried (`force` is given) or skipped."""
        now = self.clock.now()
        told: Told = self.queue.change(
            lambda c: (
                orders.skip(c, "", which, now)
                if force is None
                else orders.retry(c, "", which, now, force=force)
            )
        )
        return told

    @rule(path=paths, force=st.booleans())
    def retry(self, path: RelPath, force: bool) -> None:
        row = self.model.newest(path)
        told = self.order(Which((ROOT + b"/" + path,)), force=force)

        refused = row is None or row.state in {state.DONE, *state.IN_HAND}
        refused = refused or (row is not None and row.state == state.SETTLING and not force)
        assert (told.moved, len(told.refused)) == ((0, 1) if refused else (1, 0))
        if row is not None and not refused:
            self.retried(row, force=force)

    @rule()
    def retry_all(self) -> None:
        wrong = [row for row in self.model.rows if row.state.status is state.Status.ERROR]
        newest = [row for row in wrong if self.model.newest(row.path) is row]

        assert self.order(Which(every_error=True), force=False).moved == len(newest)
        for row in newest:
            self.retried(row, force=False)

    def retried(self, row: ModelRow, *, force: bool) -> None:
        was_skipped = row.state.status is state.Status.SKIPPED
        short = row.state in (state.TRUNCATED, state.SETTLING) and not force
        row.state = state.SETTLING if short else state.PENDING
        row.ask_first = row.ask_first or was_skipped
        row.priority, row.acknowledged, row.due = 1, False, None

    @rule(path=paths)
    def skip(self, path: RelPath) -> None:
        row = self.model.newest(path)
        told = self.order(Which((ROOT + b"/" + path,)))

        closed = {state.DONE, state.ALREADY_SYNCED, *state.IN_HAND}
        refused = row is None or row.state in closed
        # What is ignored because its watch was taken away is nobody's word yet.
        refused = refused or (row is not None and row.state == state.IGNORED and row.acknowledged)
        assert (told.moved, len(told.refused)) == ((0, 1) if refused else (1, 0))
        if row is not None and not refused:
            row.state, row.acknowledged, row.due = state.IGNORED, True, None

    @rule()
    def unwatch(self) -> None:
        now = self.clock.now()
        waiting = [row for row in self.model.rows if row.state.status is state.Status.NEW]

        told = self.queue.change(lambda c: orders.let_go(c, "", WATCH, now))
        assert told.moved == len(waiting)
        for row in waiting:
            row.state, row.due = state.IGNORED, None

    # -- what always holds -----------------------------------------------------------------------

    @invariant()
    def the_rows_are_as_the_model_says(self) -> None:
        type(self).looks += 1
        found = all_rows(self.opened)

        assert [_as_model(row.columns) for row in found] == [_plain(row) for row in self.model.rows]
        for row in found:
            self.has_a_history(row.steps, row.state)
        open_paths = Counter(row["rel_path"] for row in found if row.state in state.OPEN)
        assert max(open_paths.values(), default=0) <= 1

    def has_a_history(self, steps: list[tuple[State, str]], now_in: State) -> None:
        walked = [step for step, _ in steps]
        assert walked[0] in state.INITIAL
        assert walked[-1] == now_in
        assert all(cause for _, cause in steps)
        for before, after in pairwise(walked):
            assert before == after or state.may_move(before, after)

    @invariant()
    def the_counts_are_consistent(self) -> None:
        with self.opened.readers.connect() as connection:
            counted = reads.counts(connection, "").get(WATCH, reads.Counts())
            tried = connection.execute(
                select(func.count()).where(ATTEMPTS.c.counted.is_(True))
            ).scalar_one()
        rows = self.model.rows
        assert counted.by_status == Counter(row.state.status.value for row in rows)
        pending = [row for row in rows if row.state in state.OPEN]
        assert counted.pending_files == len(pending)
        assert counted.pending_bytes == sum(row.version.size for row in pending)
        assert sum(row.attempts for row in rows) <= tried

    @invariant()
    def what_is_in_hand_is_in_one_hand(self) -> None:
        in_hand = {row.id for row in self.model.rows if row.state in state.IN_HAND}
        assert in_hand == set(self.hands)


def _plain(row: ModelRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "state": row.state,
        "version": (row.path, row.version.size, row.version.mtime_ns),
        "attempts": row.attempts,
        "cuts": row.cuts,
        "priority": row.priority,
        "may_be_stored": row.tried,
        "ask_first": row.ask_first,
        "acknowledged": row.acknowledged,
        "unproven": row.unproven,
        "next_attempt_at": row.due,
    }


def _as_model(columns: dict[str, Any]) -> dict[str, Any]:
    plain = {
        "state": state.State(
            state.Status(columns["status"]), state.Substatus(columns["substatus"])
        ),
        "version": (columns["rel_path"], columns["size"], columns["mtime_ns"]),
    }
    names = _plain(ModelRow(0, state.PENDING, FileVersion(RelPath(b""), 1, 1, 1)))
    return {name: plain.get(name, columns.get(name)) for name in names}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("lives", [36, pytest.param(400, marks=pytest.mark.soak)])
def test_the_queue_does_what_its_model_says(tmp_path: Path, lives: int) -> None:
    """More than a thousand operations in a day's run, thirty in each life of a queue."""
    template = tmp_path / "template.db"
    OpenQueue(sqlite_at(template), host="", clock=FakeClock()).close()
    machine = type("Machine", (QueueMachine,), {"template": template})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=lives,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
    # Each life is looked at twice before its first operation, and after each.
    assert machine.looks - 2 * lives > 1000
