"""Detection of one watch: hints and scans in, settled files out. One thread a watch.

The thread owns everything here: the observer, the scan that runs, the table of files that settle,
and what is on its way into the queue. It works in small steps, so that a scan of a hundred
thousand files holds up neither an event nor a file that is due, and waits on one event when there
is nothing to do. Nothing is concluded from absence while the watched folder itself is in doubt.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from oort.daemon.admission import Admission, Candidate
from oort.daemon.intake_values import (
    Callbacks,
    DetectionQueue,
    IntakeNews,
    IntakeOptions,
    Neighbours,
)
from oort.detect.bounds import Bounds, Folder
from oort.detect.hints import HintKind, HintQueue
from oort.detect.inspector import Inspector
from oort.detect.missed import MissedEvents
from oort.detect.mounts import RootIdentity, RootLook, RootState, is_network, look_at_root
from oort.detect.observing import Observing
from oort.detect.scanner import SLICE
from oort.detect.scans import Scans
from oort.detect.settling import Settling
from oort.policy.paths import Judgement, Rules, Verdict
from oort.policy.settle import Patience
from oort.values import FileVersion, RelPath, printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from oort.clock import Clock
    from oort.detect.hints import Hint
    from oort.detect.scanner import Scan
    from oort.detect.scans import Slice
    from oort.values import Watch

__all__ = [
    "Callbacks",
    "DetectionQueue",
    "Intake",
    "IntakeNews",
    "IntakeOptions",
    "Neighbours",
]

SILENT_S: Final = 20.0
"""A disk that has not answered for so long is a share whose server is gone, or a dying one."""
HEALTH_S: Final = 5.0
"""Between two looks at the watched folder itself."""
MISSING_S: Final = 2.0
"""The same while it is missing."""
DEGRADED_S: Final = 60.0
"""Between two scans where events do not cover everything."""

_HINTS_A_STEP: Final = 500
_UNJUDGED_MOST: Final = 20_000
"""So many files wait for their quiet time: a scan pauses. Bounds the memory of a first scan."""
_FAILURE_S: Final = 5.0
_UNREADABLE_TOLD_MOST: Final = 100
_SLICE_OF_A_SHARE: Final = 50
_COUNTED: Final = (Verdict.HIDDEN, Verdict.EMPTY, Verdict.EXCLUDED, Verdict.OUTSIDE)


class Intake:
    """Detection of one watch: `start` once, then `begin_stop` and `stop`.

    `first_scan`: no scan of this watch came to its end yet, so what lies there may be at the
    server already. `root_identity` is what `on_root` told last, before a restart. Methods down to
    `look_at_root` may be called from any thread, the others belong to the intake's own.
    """

    def __init__(
        self,
        watch: Watch,
        queue: DetectionQueue,
        clock: Clock,
        *,
        options: IntakeOptions,
        neighbours: Neighbours,
        callbacks: Callbacks,
        first_scan: bool,
        root_identity: RootIdentity | None = None,
    ) -> None:
        self.news = IntakeNews()
        self.progressed_at = clock.monotonic()
        """When the thread last finished a piece of a step: it is alive as long as this grows."""
        self._has_hung = False
        """The disk did not answer for long, and does again."""
        self._clock = clock
        self._tell = callbacks
        self._root = watch.path
        self._prefix = os.fsencode(watch.path.as_posix()).rstrip(b"/") + b"/"
        self._log = structlog.get_logger("oort.intake").bind(watch=watch.name)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"intake-{watch.name}", daemon=True)
        self._scan_asked = threading.Event()
        self._changes: deque[tuple[Watch, IntakeOptions, Neighbours]] = deque()
        self._followed: deque[RelPath] = deque()

        self._identity = root_identity
        self._has_arrived = False
        self._missing: str | None = None
        """Why the watched folder is not there, in words."""
        self._health_due = 0.0
        self._is_healthy: bool | None = None
        self._is_network = False

        self._hints = HintQueue(self._wake.set)
        self._taken: deque[Hint] = deque()
        self._observing = Observing(
            watch.path, self._hints, name=watch.name, monotonic=clock.monotonic
        )
        self._missed = MissedEvents()
        self._unreadable: frozenset[bytes] = frozenset()
        """Places that the last scan could not look at."""
        self._asks_queue = False
        """The thread waits for the queue just now, not for the disk of the watch."""
        self._scans = Scans(clock, self._interval_s)
        self._inspector = Inspector(watch.name, self._wake.set)
        self._take_options(watch, options, neighbours)
        self._settling = Settling(
            self._bounds,
            self._patience,
            self._inspector,
            check_structure=watch.check_structure,
            root_is_healthy=self._absence_counts,
        )
        root = self._prefix.rstrip(b"/") or b"/"
        self._admission = Admission(
            watch.name,
            root,
            queue=queue,
            settling=self._settling,
            missed=self._missed,
            callbacks=callbacks,
            first_scan=first_scan,
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def begin_stop(self) -> None:
        """Have the thread end; returns at once."""
        self._stopping.set()
        self._inspector.begin_stop()
        self._wake.set()

    def stop(self, timeout_s: float | None = None) -> bool:
        """End the thread and all that it owns; False where it did not end in time (a dead disk)."""
        self.begin_stop()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def is_silent(self) -> bool:
        """Whether the thread has hung for long in something that it asked of the watch's disk."""
        hangs_s = self._clock.monotonic() - self.progressed_at
        return self._thread.is_alive() and not self._asks_queue and hangs_s > SILENT_S

    def request_scan(self) -> None:
        """Have everything scanned, as soon as the last scan's cost allows."""
        self._scan_asked.set()
        self._wake.set()

    def look_again(self, rel_path: bytes) -> None:
        """Have one path looked at, as if an event had named it; its row, if it settles, followed."""
        self._followed.append(RelPath(rel_path))
        self._hints.put(self._prefix + rel_path, HintKind.CREATED)

    def reconfigure(self, watch: Watch, options: IntakeOptions, neighbours: Neighbours) -> None:
        """Take other options of the same folder; another folder is another intake."""
        self._changes.append((watch, options, neighbours))
        self._wake.set()

    def look_at_root(self) -> RootLook:
        """Look at the watched folder now; `is_healthy` tells whether absence means anything."""
        return look_at_root(self._root, self._identity)

    # -- the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._wake.clear()
                try:
                    wait_s = self.step()
                except Exception:  # noqa: BLE001  # a watch must outlive whatever one file does to it
                    self._log.exception("intake.failed", again_s=_FAILURE_S)
                    self._progress()
                    self._stopping.wait(_FAILURE_S)
                    continue
                if wait_s > 0:
                    self._wake.wait(wait_s)
        finally:
            self.close()

    def close(self) -> None:
        """End the observer and the inspector; the thread does that at its end."""
        self._observing.stop()
        self._inspector.stop()

    def step(self) -> float:
        """Do a little of everything that is due; return how long there is nothing to do, in s.

        The order matters: the ground first, then the observer, so that no scan begins before
        events are on; then hints, files that are due, and a slice of a scan.
        """
        now = self.progressed_at = self._clock.monotonic()
        self._is_healthy = None
        self._take_requests(now)
        if self._has_hung:
            self._has_hung = False
            self._health_due = 0.0
        if now >= self._health_due:
            self._check_root(now)
        if self._missing is None:
            self._observe(now)
            self._ask(now)  # what could not be asked before comes first
            takes_more = self._admission.takes_more
            if takes_more:
                self._take_hints(now)
            self._admission.look_at_due(now, self._progress)
            if takes_more and self._settling.unjudged < _UNJUDGED_MOST:
                self._scan(now)
            self._ask(now)
        with self._at_the_queue():
            self._admission.tell(now)
        self._publish()
        self._progress()
        return max(0.0, self._next_moment(now) - self._clock.monotonic())

    def _ask(self, now: float) -> None:
        with self._at_the_queue():
            self._admission.ask(now)

    @contextmanager
    def _at_the_queue(self) -> Iterator[None]:
        """Let the time of the block be the queue's, which may wait for a full disk of its own."""
        self._progress()
        self._asks_queue = True
        try:
            yield
        finally:
            self.progressed_at = self._clock.monotonic()
            self._asks_queue = False

    def _progress(self) -> None:
        """Note that the disk answers, and whether it took its time."""
        before, self.progressed_at = self.progressed_at, self._clock.monotonic()
        self._has_hung |= self.progressed_at - before > SILENT_S

    def _next_moment(self, now: float) -> float:
        """Return when there is something to do, on the monotonic clock."""
        moments = [self._health_due, self._admission.tells_at()]
        if self._missing is None:
            moments += [
                self._admission.asks_at(),
                self._settling.next_due_at(),
                self._missed.next_at(),
            ]
            if self._admission.takes_more:
                moments.append(now if self._taken or len(self._hints) else None)
                if self._settling.unjudged < _UNJUDGED_MOST:
                    moments.append(self._scans.next_at())
            if self._wants_events:
                moments.append(self._observing.next_at())
        return min(moment for moment in moments if moment is not None)

    # -- options ---------------------------------------------------------------------------------

    def _take_requests(self, now: float) -> None:
        if self._changes:
            while self._changes:
                self._take_options(*self._changes.popleft())
            self._settle_anew(now)
            self._scans.begin_anew(now)
        while self._followed:
            self._admission.follow(self._followed.popleft())
        if self._scan_asked.is_set():
            self._scan_asked.clear()
            self._scans.want_full(now)

    def _take_options(self, watch: Watch, options: IntakeOptions, neighbours: Neighbours) -> None:
        self._watch = watch
        self._options = options
        self._kin = neighbours.kin
        self._given = neighbours.given
        self._bounds = Bounds(
            watch.path,
            Rules(watch.include, watch.exclude),
            follow_symlinks=watch.follow_symlinks,
            never=neighbours.never,
            inner=neighbours.inner,
        )

    @property
    def _patience(self) -> Patience:
        own = self._watch.settle_s
        return Patience(
            settle_s=self._options.settle_s if own is None else own,
            is_set=self._options.settle_is_set or own is not None,
            network=self._is_network,
            truncated_after_s=self._options.truncated_after_s,
        )

    def _settle_anew(self, now: float) -> None:
        self._admission.kin = self._kin
        self._admission.give(self._given)
        self._settling.bounds = self._bounds
        self._settling.patience = self._patience
        self._settling.check_structure = self._watch.check_structure
        self._settling.restart(now)

    # -- the ground ------------------------------------------------------------------------------

    def _check_root(self, now: float) -> None:
        look = self.look_at_root()
        self._is_healthy = look.is_healthy
        if look.state is RootState.MISSING:
            self._health_due = now + MISSING_S
            self._lose_root(look.reason)
            return
        self._health_due = now + HEALTH_S
        if look.identity is not None and look.identity != self._identity:
            if self._identity is not None:
                self._log.warning("watch.taken_over", text="another folder is at its place now")
            self._identity = look.identity
            with self._at_the_queue():
                self._tell.on_root(look.identity)
            self._has_arrived = False
        if not self._has_arrived:
            self._arrive(now)

    def _lose_root(self, reason: str) -> None:
        """Stand still until the folder is back: its rows stay as they are."""
        if self._missing is None:
            self._log.warning("watch.missing", reason=reason)
        self._missing = reason
        self._has_arrived = False
        self._scans.drop()
        self._admission.drop_offers()
        self._forget_events()

    def _arrive(self, now: float) -> None:
        """The folder is there, for the first time, again, or as another one: see what is in it."""
        if self._missing is not None:
            self._log.info("watch.returned")
        self._missing = None
        self._has_arrived = True
        self._is_network = is_network(self._root)
        self._scans.slice_entries = _SLICE_OF_A_SHARE if self._is_network else SLICE
        self._forget_events()
        self._settle_anew(now)
        self._scans.arrive(now)

    def _absence_counts(self) -> bool:
        """Tell whether a file that is not there may be gone; asked of the disk once a step."""
        if self._is_healthy is None:
            self._is_healthy = self.look_at_root().is_healthy
            if not self._is_healthy:
                self._health_due = 0.0
        return self._is_healthy

    # -- events ----------------------------------------------------------------------------------

    @property
    def _wants_events(self) -> bool:
        return not (self._watch.polling or self._is_network)

    def _forget_events(self) -> None:
        self._observing.stop()
        self._hints.clear()
        self._taken.clear()

    def _observe(self, now: float) -> None:
        if not self._wants_events:
            self._observing.stop()
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

    def _take_hints(self, now: float) -> None:
        self._taken.extend(self._hints.take(_HINTS_A_STEP - len(self._taken)))
        while self._taken:
            self._take_hint(self._taken.popleft(), now)

    def _take_hint(self, hint: Hint, now: float) -> None:
        rel_path = self._below(hint.path)
        if rel_path is None:
            self._health_due = 0.0  # it is about the watched folder itself
            return
        if self._bounds.rules.judge_folder(rel_path).verdict is Verdict.HIDDEN:
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
            seen = self._bounds.look_at(rel_path)
        except OSError as error:
            self._log.debug("path.not_readable", path=printable(rel_path), reason=str(error))
            return None  # the next scan tells of it
        if isinstance(seen, Folder):
            self._scans.want_folder(rel_path, now)
        elif isinstance(seen, Judgement) and seen.verdict is Verdict.EMPTY:
            self._missed.announced_empty(rel_path)
        return seen if isinstance(seen, FileVersion) else None

    # -- scans -----------------------------------------------------------------------------------

    def _scan(self, now: float) -> None:
        """Do a slice of the scan that runs or is due, and ask the queue about what it found."""
        began = self._clock.monotonic()
        piece = self._scans.take_slice(self._bounds, now)
        if piece is None:
            return
        self._offer(piece)
        self._ask(now)
        took_s = self._clock.monotonic() - began
        # A scan that hung is no dear one: its next one would come hours later.
        self._scans.worked(took_s if took_s <= SILENT_S else 0.0)
        if piece.ended is not None and piece.began_at is not None:
            self._end_scan(piece.ended, piece.began_at, now)

    def _offer(self, piece: Slice) -> None:
        should_have = piece.events_should_have_told and self._observing.is_up
        for version in piece.found:
            if version.rel_path not in self._settling:
                told = should_have and not self._lay_unseen(version.rel_path)
                self._admission.offer(
                    Candidate(version, "a scan found it", should_have_been_told=told)
                )

    def _lay_unseen(self, rel_path: RelPath) -> bool:
        """Tell whether a file lies where the last scan could not look: no event is missed there."""
        if not self._unreadable:
            return False
        parts = rel_path.split(b"/")
        return any(b"/".join(parts[:n]) in self._unreadable for n in range(len(parts) + 1))

    def _end_scan(self, scan: Scan, began_at: datetime, now: float) -> None:
        self._observing.compare(scan.folders, scan.linked_folders)
        self._unreadable = frozenset(rel_path for rel_path, _ in scan.unreadable)
        self._scans.replan(now)
        self.news = replace(
            self.news,
            left_out={verdict.value: scan.left_out[verdict] for verdict in _COUNTED},
            last_scan_at=began_at,
            unreadable=tuple(
                f"{printable(rel_path) or '.'}: {reason}"
                for rel_path, reason in scan.unreadable[:_UNREADABLE_TOLD_MOST]
            ),
        )
        self._log.debug("watch.scanned", files=scan.files, folders=scan.folders)
        first, self._admission.first_scan = self._admission.first_scan, False
        self._admission.follow_all()
        with self._at_the_queue():
            self._tell.on_scanned(first)

    def _interval_s(self) -> float:
        """Return how long after a scan's end the next one is due, in seconds."""
        if self._polling_reason() is not None:
            return self._options.poll_s
        if self._observing.shortfall is not None:
            return min(DEGRADED_S, self._options.rescan_s)
        return self._options.rescan_s

    # -- what status shows -----------------------------------------------------------------------

    def _publish(self) -> None:
        """Replace the news where they are no longer true."""
        state, reason = self._state()
        news = replace(self.news, state=state, reason=reason, missed_events=self._missed.total)
        if news != self.news:
            self.news = news

    def _state(self) -> tuple[str, str | None]:
        if self._missing is not None:
            return "missing", self._missing
        if not self._scans.has_scanned:
            return "scanning", None
        polling = self._polling_reason()
        if polling is not None:
            return "polling", polling
        return "watching", self._observing.shortfall

    def _polling_reason(self) -> str | None:
        """Say why only scans find new files; None: events do."""
        shortfall = self._observing.shortfall
        if self._watch.polling:
            return "polling is set"
        if self._is_network:
            return "a network file system gives no events"
        if self._missed.is_polling:
            words = f"events are not reliable here: {self._missed.total} were missed"
            return words if shortfall is None else f"{words}; {shortfall}"
        if not self._observing.is_up:
            return self._observing.trouble or "the observer is not up yet"
        return None
