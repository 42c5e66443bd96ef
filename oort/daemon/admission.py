"""From what was found on the disk to what the queue is told, and only that.

A file is asked of the queue once, in batches; what the queue knows as it is costs no more. What it
does not know settles, and what comes of that goes to the queue through the outbox. While the queue
is away everything stays here, and nothing new is taken.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from oort.daemon.outbox import Outbox
from oort.errors import QueueError
from oort.policy import state
from oort.policy.sighting import FOLLOWS_A_RENAME, Phase, Sighting, concerns, has_ended
from oort.values import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oort.daemon.intake_values import Callbacks, DetectionQueue
    from oort.detect.familiar import Familiar
    from oort.detect.missed import MissedEvents
    from oort.detect.settling import Settling
    from oort.policy.nesting import Kin
    from oort.policy.sighting import KnownRow
    from oort.values import FileVersion, RelPath

ASK_AGAIN_S: Final = 2.0
ASK_AGAIN_MOST_S: Final = 30.0

_LOOKS_A_STEP: Final = 200
_SENT_HEADERS: Final = frozenset({Phase.SEEN, Phase.SETTLED, Phase.TRUNCATED})


class Candidate(NamedTuple):
    """A file that is there: the queue must be asked whether it concerns it."""

    version: FileVersion
    cause: str
    closed: bool = False
    """An event said that its writer closed it."""
    should_have_been_told: bool = False
    """If it is new, an event should have named it before."""


class _Rename(NamedTuple):
    before: RelPath
    after: RelPath
    version: FileVersion


class Admission:
    """Owned by the intake's thread."""

    def __init__(
        self,
        watch: str,
        root: bytes,
        *,
        queue: DetectionQueue,
        settling: Settling,
        missed: MissedEvents,
        familiar: Familiar,
        callbacks: Callbacks,
        first_scan: bool,
    ) -> None:
        self._watch = watch
        self._root = root
        self._queue = queue
        self._settling = settling
        self._missed = missed
        self._familiar = familiar
        self._tell = callbacks
        self.first_scan = first_scan
        """No scan came to its end yet: what is found may be at the server already."""
        self.kin: Sequence[Kin] = ()
        """Other watches that may have stored a file; may be replaced at any time."""
        self._log = structlog.get_logger("oort.intake").bind(watch=watch)
        self._outbox = Outbox(self._note, watch=watch)
        self._candidates: list[Candidate] = []
        self._renames: list[_Rename] = []
        self._followed: list[RelPath] = []
        self._ways: tuple[tuple[bytes, str], ...] = ()
        """The ways to other watches' files, and the watches' names; a longer one comes later."""
        self._given: list[tuple[bytes, str]] = []
        """Those below which something may wait that is to be put aside."""
        self._gives_at = 0.0
        self._resumed = False
        self._not_before = 0.0
        self._failures = 0

    @property
    def takes_more(self) -> bool:
        """Whether more may be offered: what was offered before has been asked and told."""
        return not (self._candidates or self._renames or self._outbox.is_full)

    def offer(self, candidate: Candidate) -> None:
        """Have a file asked of the queue; one that settles already is looked at instead."""
        self._candidates.append(candidate)

    def offer_rename(self, before: RelPath, after: RelPath, version: FileVersion) -> None:
        """A file has another name now; `version` is what lies under the new one."""
        self._renames.append(_Rename(before, after, version))

    def follow(self, rel_path: RelPath) -> None:
        """Have a row that came back to settling looked after, whether its file is there or not."""
        self._followed.append(rel_path)

    def follow_all(self) -> None:
        """Have every row that settles looked after, as after a start: none may be left alone."""
        self._resumed = False

    def give(self, ways: Sequence[tuple[bytes, str]]) -> None:
        """Have what waits below each way put aside: the watch of that name sends it.

        To be called when the bounds leave those files out: what was seen before is told first.
        """
        self._ways = tuple(sorted(ways))
        self._given = list(self._ways)
        for way, _ in ways:
            self._settling.forget_below(way)

    def _gives_away(self, rel_path: RelPath) -> bool:
        """Tell whether another watch sends a file: then what waits of it is put aside once more."""
        ways = [one for one in self._ways if rel_path.startswith(one[0])]
        if ways and ways[-1] not in self._given:
            self._given.append(ways[-1])
        return bool(ways)

    def drop_offers(self) -> None:
        """Forget what was not asked yet: the watched folder is not there."""
        self._candidates.clear()
        self._renames.clear()

    def look_at_due(self, now: float, progress: Callable[[], None]) -> None:
        """Look at the settling files whose moment has come; `progress` is called after each look."""
        self._settling.take_inspected(now)
        for _ in range(_LOOKS_A_STEP):
            rel_path = self._settling.take_due(now)
            if rel_path is None:
                break
            sighting = self._settling.look(rel_path, now)
            progress()
            if sighting is not None:
                self._send(sighting)

    def ask(self, now: float) -> None:
        """Ask the queue about what was offered, and let settle what concerns it."""
        if now < self._not_before:
            return
        try:
            if not self._resumed:
                self._resume(now)
            if self._candidates or self._renames or self._followed:
                self._ask(now)
            self._failures = 0
        except QueueError as error:
            self._failures += 1
            delay = min(ASK_AGAIN_MOST_S, ASK_AGAIN_S * 2 ** min(self._failures - 1, 10))
            self._not_before = now + delay
            self._log.warning("queue.away", reason=str(error), again_s=delay)

    def tell(self, now: float) -> None:
        """Bring to the queue what waits for it."""
        if self._outbox.flush(now):
            self._tell.on_settled()
        self._hand_over(now)

    def asks_at(self) -> float | None:
        """Return when `ask` has something to do."""
        asks = not self._resumed or self._candidates or self._renames or self._followed
        return self._not_before if asks else None

    def tells_at(self) -> float | None:
        """Return when `tell` has something to do."""
        if self._given and not self._outbox:
            return self._gives_at
        return self._outbox.next_at()

    def _hand_over(self, now: float) -> None:
        """Put aside what waits of other watches' files, once all is told that was seen before."""
        while self._given and not self._outbox and now >= self._gives_at:
            way, other = self._given[-1]
            try:
                moved = self._queue.hand_over(self._watch, way, other)
            except QueueError as error:
                self._gives_at = now + ASK_AGAIN_S
                self._log.warning("queue.away", reason=str(error), again_s=ASK_AGAIN_S)
                return
            self._given.pop()
            if moved:
                self._log.info("watch.handed_over", to=other, files=moved)

    def _resume(self, now: float) -> None:
        """Take up what was settling when the daemon ended, also what is gone since."""
        for version in self._queue.settling(self._watch):
            if version.rel_path not in self._settling and not self._gives_away(version.rel_path):
                self._settling.add(version, now, closed=False, ask_first=self.first_scan)
        self._resumed = True

    def _ask(self, now: float) -> None:
        paths = {candidate.version.rel_path for candidate in self._candidates}
        paths |= {rename.before for rename in self._renames} | set(self._followed)
        known = self._queue.known(self._watch, sorted(paths), self.kin)
        renames, self._renames = self._renames, []
        candidates, self._candidates = self._candidates, []
        followed, self._followed = self._followed, []
        for rename in renames:
            self._take_rename(rename, known.get(rename.before))
        for candidate in candidates:
            self._take(candidate, known.get(candidate.version.rel_path), now)
        for rel_path in followed:
            self._take_back(rel_path, known.get(rel_path), now)

    def _take_back(self, rel_path: RelPath, row: KnownRow | None, now: float) -> None:
        """Let a row settle as it is known: no event and no scan names a file that is gone."""
        if row is None or row.state != state.SETTLING or self._gives_away(rel_path):
            return
        if rel_path not in self._settling:
            self._settling.add(row.version, now, closed=False, ask_first=self.first_scan)

    def _take(self, candidate: Candidate, row: KnownRow | None, now: float) -> None:
        version = candidate.version
        if self._gives_away(version.rel_path):
            return  # seen before it was another watch's
        if version.rel_path in self._settling:
            self._settling.hint(version.rel_path, now, closed=candidate.closed)
            return
        if not concerns(row, version):
            if has_ended(row):
                self._familiar.learn(version)
            return
        self._familiar.forget(version.rel_path)
        if candidate.should_have_been_told and row is None:
            self._missed.suspect(version.rel_path, now)
        self._settling.add(version, now, closed=candidate.closed, ask_first=self.first_scan)
        if row is None or row.state != state.SETTLING or row.version != version:
            self._send(Sighting(version, Phase.SEEN, candidate.cause, ask_first=self.first_scan))

    def _take_rename(self, rename: _Rename, row: KnownRow | None) -> None:
        """Let a row that was not sent yet follow its file to the new name."""
        before = self._settling.version_of(rename.before)
        if before is None and row is not None and row.state in FOLLOWS_A_RENAME:
            before = row.version
        if before is None or before.inode != rename.version.inode:
            return  # nothing waits for it, or there is a new file of the old name
        self._settling.forget(rename.before)
        words = f"renamed to {printable(rename.after)}"
        self._send(Sighting(before, Phase.RENAMED, words, renamed_to=rename.after))

    def _send(self, sighting: Sighting) -> None:
        """Add what the header means, and keep the sighting until the queue has it."""
        if sighting.phase in _SENT_HEADERS:
            night, dataset = self._describe(sighting)
            if sighting.phase is Phase.SEEN:
                dataset = None  # the header is not read yet
            sighting = replace(sighting, night=night, dataset_name=dataset)
        self._outbox.add(sighting)

    def _describe(self, sighting: Sighting) -> tuple[str | None, str | None]:
        try:
            return self._tell.describe(sighting.version, sighting.header)
        except Exception:  # noqa: BLE001  # what a header says must not hold its file back
            self._log.exception("file.not_described", path=printable(sighting.version.rel_path))
            return None, None

    def _note(self, sightings: Sequence[Sighting]) -> None:
        self._queue.note(self._watch, self._root, sightings)
