"""Rows as the daemon makes them: seen, settled, claimed, ended. For tests with a real queue."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from oort.clock import SystemClock
from oort.policy import state
from oort.policy.outcome import FileRefused, FoundOther, FoundSame, Gone, ServerBusy, Stored
from oort.policy.retry import Facts, Limits, decide
from oort.policy.sighting import Phase, Sighting
from oort.policy.state import State, Status, Substatus
from oort.policy.version import FileVersion, RelPath
from oort.queue import orders
from oort.queue.database import Database
from oort.queue.ends import Ended
from oort.queue.models import TRANSITIONS, UPLOADS

if TYPE_CHECKING:
    from pathlib import Path

    from oort.policy.outcome import Outcome
    from oort.queue.opening import OpenQueue
    from oort.values import Upload

ROOT = b"/data/dome"
WATCH = "dome"
TONIGHT = "2026-11-22"
STORED = Stored("1", "a.fits", "0" * 64, 2880, 201)
REFUSED = FileRefused("the server wants no such file", 422)
BUSY = ServerBusy("503 Service Unavailable", 503, retry_after_s=3600.0)
GONE = Gone("it is not there any more")
OTHER = FoundOther("another file of that name is there")
SAME = FoundSame("1", "a.fits", "0" * 64, unproven=False)
_ENDINGS: dict[State, Outcome] = {
    state.DONE: STORED,
    state.CHANGED: STORED,
    state.ALREADY_SYNCED: SAME,
    state.FAILED: REFUSED,
    state.NAME_CONFLICT: OTHER,
    state.FILE_GONE: GONE,
    state.WAITING: BUSY,
}


def sqlite_at(file: Path) -> Database:
    """Return the queue that an SQLite file is."""
    return Database.at(f"sqlite:///{file}")


def version(path: str | bytes, size: int = 2880, mtime_ns: int = 1) -> FileVersion:
    """Return a version of a file."""
    raw = path.encode() if isinstance(path, str) else path
    return FileVersion(RelPath(raw), size, mtime_ns, 7)


def note(
    opened: OpenQueue,
    phase: Phase,
    *seen: FileVersion,
    watch: str = WATCH,
    root: bytes = ROOT,
    **more: Any,
) -> None:
    """Tell the queue that detection saw these files."""
    sightings = [Sighting(one, phase, phase.name.lower(), **more) for one in seen]
    opened.queue.note(watch, root, sightings)


def settle(
    opened: OpenQueue, *seen: FileVersion, watch: str = WATCH, root: bytes = ROOT, **more: Any
) -> None:
    """Have files seen, and seen quiet: they wait to be sent."""
    for phase in (Phase.SEEN, Phase.SETTLED):
        note(opened, phase, *seen, watch=watch, root=root, **more)


def claim(
    opened: OpenQueue, limit: int = 1000, *, watches: tuple[str, ...] = (WATCH,)
) -> list[Upload]:
    """Take what waits."""
    return opened.queue.claim(watches, limit=limit, tonight=TONIGHT)


def end(opened: OpenQueue, upload: Upload, outcome: Outcome, *, attempts: int = 0) -> None:
    """Have an attempt end with an outcome, as a worker does."""
    facts = Facts(upload.attempts + attempts, upload.may_be_stored, upload.body_complete)
    decision = decide(outcome, facts, Limits(), random.Random(1))
    ended = Ended(
        type(outcome).__name__,
        SystemClock().now(),
        getattr(outcome, "bytes_sent", 0),
        sha256=getattr(outcome, "sha256", None),
    )
    opened.queue.finish(upload, upload.state, decision, ended).result()


def row_in(
    opened: OpenQueue, path: str, wanted: State, *, watch: str = WATCH, root: bytes = ROOT
) -> int:
    """Bring a new row into a state by the ways that the product has; return its id."""
    seen = version(path)
    if wanted == state.SETTLING:
        note(opened, Phase.SEEN, seen, watch=watch, root=root)
    elif wanted == state.TRUNCATED:
        note(opened, Phase.TRUNCATED, seen, watch=watch, root=root)
    else:
        settle(opened, seen, watch=watch, root=root)
    outcome = _ENDINGS.get(wanted)
    if outcome is not None:
        (upload,) = claim(opened, watches=(watch,))
        end(opened, upload, outcome)
    if wanted == state.CHANGED:
        settle(opened, version(path, 5760, 2), watch=watch, root=root)
    if wanted in state.IN_HAND:
        claim(opened, watches=(watch,))
    if wanted == state.IGNORED:
        now = SystemClock().now()
        opened.queue.change(lambda c: orders.let_go(c, "", watch, now))
    return newest(opened, path).id


class Row:
    """A row as the database has it."""

    def __init__(self, columns: dict[str, Any], steps: list[tuple[State, str]]) -> None:
        self.columns = columns
        self.steps = steps
        """(state, cause) of its history, oldest first."""

    @property
    def id(self) -> int:
        """Its id."""
        return int(self.columns["id"])

    @property
    def state(self) -> State:
        """Its state."""
        return State(Status(self.columns["status"]), Substatus(self.columns["substatus"]))

    def __getitem__(self, column: str) -> Any:
        return self.columns[column]


def all_rows(opened: OpenQueue) -> list[Row]:
    """Return every row with its history, oldest first."""
    with opened.readers.connect() as connection:
        found = connection.execute(select(UPLOADS).order_by(UPLOADS.c.id)).mappings().all()
        steps: dict[int, list[tuple[State, str]]] = {row["id"]: [] for row in found}
        for step in connection.execute(select(TRANSITIONS).order_by(TRANSITIONS.c.id)).mappings():
            after = State(Status(step["status"]), Substatus(step["substatus"]))
            steps[step["upload_id"]].append((after, step["cause"]))
        return [Row(dict(row), steps[row["id"]]) for row in found]


def newest(opened: OpenQueue, path: str) -> Row:
    """Return the newest row of a path below any root."""
    return [row for row in all_rows(opened) if row["rel_path"] == path.encode()][-1]
