"""What events say of one watch, brought on: to the settling files, the admission and the scans.

And how far they are to be trusted: some watches get none, some get not all of them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import structlog

from oort.daemon.admission import Admission, Candidate
from oort.detect.bounds import Folder
from oort.detect.hints import HintKind
from oort.policy.paths import Judgement, Verdict
from oort.values import FileVersion, RelPath, printable

if TYPE_CHECKING:
    from oort.detect.bounds import Bounds, Glances
    from oort.detect.ground import Ground
    from oort.detect.hints import Hint, HintQueue
    from oort.detect.missed import MissedEvents
    from oort.detect.observing import Observing
    from oort.detect.scans import Scans
    from oort.detect.settling import Settling

_HINTS_A_STEP: Final = 500


class Events:
    """Owned by the intake's thread; brings together parts that are the intake's too.

    `prefix`: what the paths of the watch begin with, the last slash included.
    """

    def __init__(
        self,
        watch: str,
        prefix: bytes,
        *,
        hints: HintQueue,
        observing: Observing,
        missed: MissedEvents,
        ground: Ground,
        scans: Scans,
        settling: Settling,
        admission: Admission,
        glances: Glances,
        bounds: Bounds,
        polling: bool,
    ) -> None:
        self._prefix = prefix
        self._hints = hints
        self._observing = observing
        self._missed = missed
        self._ground = ground
        self._scans = scans
        self._settling = settling
        self._admission = admission
        self._glances = glances
        self.bounds = bounds
        """What is a file of this watch; may be replaced at any time, as `polling` may."""
        self.polling = polling
        """The watch does without events."""
        self._log = structlog.get_logger("oort.intake").bind(watch=watch)
        self._taken: deque[Hint] = deque()

    @property
    def are_wanted(self) -> bool:
        """Whether an observer is of any use here."""
        return not (self.polling or self._ground.is_network)

    @property
    def has_hints(self) -> bool:
        """Whether `take` has something to do."""
        return bool(self._taken) or len(self._hints) > 0

    def next_at(self) -> float | None:
        """Return when `observe` has something to do that waits; None: nothing does."""
        if not self.are_wanted:
            return None
        moments = (self._observing.next_at(), self._missed.next_at())
        return min((moment for moment in moments if moment is not None), default=None)

    def why_polling(self) -> str | None:
        """Say why only scans find new files; None: events do."""
        shortfall = self._observing.shortfall
        if self.polling:
            return "polling is set"
        if self._ground.is_network:
            return "a network file system gives no events"
        if self._missed.is_polling:
            words = f"events are not reliable here: {self._missed.total} were missed"
            return words if shortfall is None else f"{words}; {shortfall}"
        if not self._observing.is_up:
            return self._observing.trouble or "the observer is not up yet"
        return None

    def forget(self) -> None:
        """End the observer, and drop what it told: it is about a folder that is not there now."""
        self._observing.stop()
        self._hints.clear()
        self._taken.clear()

    def observe(self, now: float) -> None:
        """See to it that there is an observer where one is of use, and scan for what was missed."""
        if not self.are_wanted:
            self._observing.stop()
            self._missed.drop_suspects()
            if self._hints.take_loss() is not None:
                self._scans.want_full(now)
            return
        if self._observing.ensure(now):
            self._scans.lost_events(now)
        was_polling = self._missed.is_polling
        missed = self._missed.judge(now)
        if missed:
            self._log.info("watch.events_missed", count=missed, total=self._missed.total)
            self._scans.replan(now)
            if not was_polling:  # a disk may have been mounted below: a new observer sees it
                self._observing.renew()

    def take(self, now: float) -> None:
        """Follow a portion of the hints."""
        self._taken.extend(self._hints.take(_HINTS_A_STEP - len(self._taken)))
        while self._taken:
            self._follow(self._taken.popleft(), now)

    def _follow(self, hint: Hint, now: float) -> None:
        rel_path = self._below(hint.path)
        if rel_path is None:
            self._ground.doubt()  # it is about the watched folder itself
            return
        if self.bounds.rules.judge_folder(rel_path).verdict is Verdict.HIDDEN:
            return  # a browser's cache in a watched home: not worth a look at the disk
        is_folder = HintKind.FOLDER in hint.kind
        self._missed.announced(rel_path, with_all_below=is_folder)
        if is_folder:
            self._scans.want_folder(rel_path, now)
            return
        closed = HintKind.CLOSED in hint.kind
        before = None if hint.moved_from is None else self._below(hint.moved_from)
        if before is None and rel_path in self._settling:
            self._settling.hint(rel_path, now, closed=closed)
            return
        version = self._look_at(rel_path, now)
        if version is None:
            return
        if before is not None:
            self._admission.offer_rename(before, rel_path, version)
        self._admission.offer(Candidate(version, "an event named it", closed=closed))

    def _below(self, path: bytes) -> RelPath | None:
        if not path.startswith(self._prefix):
            return None
        return RelPath(path[len(self._prefix) :])

    def _look_at(self, rel_path: RelPath, now: float) -> FileVersion | None:
        """Return the file's version, where it is one to send."""
        try:
            seen = self._glances.look_at(self.bounds, rel_path)
        except OSError as error:
            self._log.debug("path.not_readable", path=printable(rel_path), reason=str(error))
            return None  # the next scan tells of it
        if isinstance(seen, Folder):
            self._scans.want_folder(rel_path, now)
        elif isinstance(seen, Judgement) and seen.verdict is Verdict.EMPTY:
            self._missed.announced_empty(rel_path)
        return seen if isinstance(seen, FileVersion) else None
