"""Detection of one watch: hints and scans in, settled files out. One thread a watch.

The thread owns everything here: the observer, the scan that runs, the table of files that settle,
and what is on its way into the queue. It works in small steps, so that a scan of a hundred
thousand files holds up neither an event nor a file that is due, and waits on one event when there
is nothing to do. What the folder stands on is watched by `oort.detect.ground`, what events say is
followed in `oort.daemon.events`.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog

from oort.daemon.admission import Admission, Candidate
from oort.daemon.events import Events
from oort.daemon.intake_news import IntakeNews
from oort.detect.bounds import Bounds, Glances
from oort.detect.familiar import Familiar
from oort.detect.ground import Footing, Ground
from oort.detect.hints import HintKind, HintQueue
from oort.detect.inspector import Inspector
from oort.detect.missed import MissedEvents
from oort.detect.observing import Observing
from oort.detect.scanner import SLICE
from oort.detect.scans import Scans
from oort.detect.settling import Settling
from oort.detect.silence import SILENT_S, Silence
from oort.policy.paths import Rules
from oort.policy.settle import Patience
from oort.values import RelPath

if TYPE_CHECKING:
    from datetime import datetime

    from oort.clock import Clock
    from oort.daemon.intake_values import Callbacks, DetectionQueue, IntakeOptions, Neighbours
    from oort.detect.mounts import RootIdentity
    from oort.detect.scanner import Scan
    from oort.detect.scans import Slice
    from oort.values import Watch

DEGRADED_S: Final = 60.0
"""Between two scans where events do not cover everything."""

_UNJUDGED_MOST: Final = 20_000
"""So many files wait for their quiet time: a scan pauses. Bounds the memory of a first scan."""
_FAILURE_S: Final = 5.0
_SLICE_OF_A_SHARE: Final = 50


class Intake:
    """Detection of one watch: `start` once, then `begin_stop` and `stop`.

    `first_scan`: no scan of this watch came to its end yet, so what lies there may be at the
    server already. `root_identity` is what `on_root` told last, before a restart. Methods down to
    `reconfigure` may be called from any thread, the others belong to the intake's own.
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
        self._clock = clock
        self._tell = callbacks
        self._prefix = os.fsencode(watch.path.as_posix()).rstrip(b"/") + b"/"
        self._log = structlog.get_logger("oort.intake").bind(watch=watch.name)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"intake-{watch.name}", daemon=True)
        self._scan_asked = threading.Event()
        self._changes: deque[tuple[Watch, IntakeOptions, Neighbours]] = deque()
        self._followed: deque[RelPath] = deque()

        self._disk = Silence(clock.monotonic)
        self._ground = Ground(
            watch.path, root_identity, name=watch.name, on_identity=self._remember_root
        )
        self._hints = HintQueue(self._wake.set)
        self._observing = Observing(
            watch.path, self._hints, name=watch.name, monotonic=clock.monotonic
        )
        self._missed = MissedEvents()
        self._unreadable: frozenset[bytes] = frozenset()
        """Places that the last scan could not look at."""
        self._familiar = Familiar()
        self._scans = Scans(clock, self._interval_s, self._familiar)
        self._glances = Glances()
        self._inspector = Inspector(watch.name, self._wake.set)
        self._take_options(watch, options, neighbours)
        self._settling = Settling(
            self._bounds,
            self._patience,
            self._inspector,
            self._glances,
            check_structure=watch.check_structure,
            root_is_healthy=self._ground.absence_counts,
        )
        root = self._prefix.rstrip(b"/") or b"/"
        self._admission = Admission(
            watch.name,
            root,
            queue=queue,
            settling=self._settling,
            missed=self._missed,
            familiar=self._familiar,
            callbacks=callbacks,
            first_scan=first_scan,
        )
        self._events = Events(
            watch.name,
            self._prefix,
            hints=self._hints,
            observing=self._observing,
            missed=self._missed,
            ground=self._ground,
            scans=self._scans,
            settling=self._settling,
            admission=self._admission,
            glances=self._glances,
            bounds=self._bounds,
            polling=watch.polling,
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
        """Whether its threads run: its own, and the one for files that must be read to their end."""
        return self._thread.is_alive() and self._inspector.is_alive

    @property
    def is_silent(self) -> bool:
        """Whether the thread has hung for long in something that it asked of the watch's disk."""
        return self._thread.is_alive() and self._disk.is_silent

    def request_scan(self) -> None:
        """Have everything scanned, as soon as the last scan's cost allows."""
        self._scan_asked.set()
        self._wake.set()

    def look_again(self, rel_path: bytes) -> None:
        """Have one path looked at, as if an event had named it; its row, if it settles, followed."""
        self._followed.append(RelPath(rel_path))
        self._hints.put(self._prefix + rel_path, HintKind.CREATED)

    def distrust(self) -> None:
        """Have the next scan ask of every file: rows were moved by a person's word."""
        self._familiar.forget_all()

    def reconfigure(self, watch: Watch, options: IntakeOptions, neighbours: Neighbours) -> None:
        """Take other options of the same folder; another folder is another intake."""
        self._changes.append((watch, options, neighbours))
        self._wake.set()

    # -- the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._wake.clear()
                try:
                    wait_s = self.step()
                except Exception:  # noqa: BLE001  # a watch must outlive whatever one file does to it
                    self._log.exception("intake.failed", again_s=_FAILURE_S)
                    self._disk.answered()
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
        now = self._disk.begin()
        self._ground.begin_step()
        self._glances.begin()
        self._take_requests(now)
        if self._disk.take_hang():
            self._ground.doubt()
        self._check_ground(now)
        if self._ground.missing is None:
            self._events.observe(now)
            self._ask(now)  # what could not be asked before comes first
            takes_more = self._admission.takes_more
            if takes_more:
                self._events.take(now)
            self._admission.look_at_due(now, self._disk.answered)
            if takes_more and self._settling.unjudged < _UNJUDGED_MOST:
                self._scan(now)
            self._ask(now)
        with self._disk.elsewhere():
            self._admission.tell(now)
        self._publish()
        self._disk.answered()
        return max(0.0, self._next_moment(now) - self._clock.monotonic())

    def _ask(self, now: float) -> None:
        with self._disk.elsewhere():
            self._admission.ask(now)

    def _next_moment(self, now: float) -> float:
        """Return when there is something to do, on the monotonic clock."""
        moments = [self._ground.due_at, self._admission.tells_at()]
        if self._ground.missing is None:
            moments += [
                self._admission.asks_at(),
                self._settling.next_due_at(),
                self._events.next_at(),
            ]
            if self._admission.takes_more:
                moments.append(now if self._events.has_hints else None)
                if self._settling.unjudged < _UNJUDGED_MOST:
                    moments.append(self._scans.next_at())
        return min(moment for moment in moments if moment is not None)

    # -- options ---------------------------------------------------------------------------------

    def _take_requests(self, now: float) -> None:
        if self._changes:
            before = self._watch, self._options, self._neighbours, self._patience
            while self._changes:
                self._take_options(*self._changes.popleft())
            self._follow_options(*before, now=now)
        while self._followed:
            self._admission.follow(self._followed.popleft())
        if self._scan_asked.is_set():
            self._scan_asked.clear()
            self._scans.want_full(now)

    def _take_options(self, watch: Watch, options: IntakeOptions, neighbours: Neighbours) -> None:
        self._watch = watch
        self._options = options
        self._neighbours = neighbours
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
            network=self._ground.is_network,
            truncated_after_s=self._options.truncated_after_s,
        )

    def _follow_options(
        self,
        watch: Watch,
        options: IntakeOptions,
        neighbours: Neighbours,
        patience: Patience,
        *,
        now: float,
    ) -> None:
        """Do what the change since these options asks for, and no more.

        config.toml is edited for many reasons: a file that settles keeps the time for which it has
        been quiet, and everything is scanned only where another file may belong to the watch.
        """
        self._hand_on_options()
        has_other_files = neighbours != self._neighbours or _names(watch) != _names(self._watch)
        if has_other_files:
            self._familiar.forget_all()
            self._admission.give(self._neighbours.given)
            self._scans.begin_anew(now)
        elif (options, watch.polling) != (self._options, self._watch.polling):
            self._scans.replan(now)
        if (
            has_other_files
            or patience != self._patience
            or watch.check_structure != self._watch.check_structure
        ):
            self._settling.look_anew(now)

    def _hand_on_options(self) -> None:
        self._events.bounds = self._bounds
        self._events.polling = self._watch.polling
        self._admission.kin = self._neighbours.kin
        self._settling.bounds = self._bounds
        self._settling.patience = self._patience
        self._settling.check_structure = self._watch.check_structure

    # -- the ground ------------------------------------------------------------------------------

    def _check_ground(self, now: float) -> None:
        match self._ground.look(now):
            case Footing.MISSING:
                self._stand_still()
            case Footing.ARRIVED:
                self._arrive(now)
            case Footing.SAME:
                pass

    def _remember_root(self, identity: RootIdentity) -> None:
        with self._disk.elsewhere():
            self._tell.on_root(identity)

    def _stand_still(self) -> None:
        """Do nothing until the folder is back: its rows stay as they are."""
        self._scans.drop()
        self._admission.drop_offers()
        self._events.forget()

    def _arrive(self, now: float) -> None:
        """Begin with the folder that is there now."""
        self._scans.slice_entries = _SLICE_OF_A_SHARE if self._ground.is_network else SLICE
        self._events.forget()
        self._hand_on_options()
        self._familiar.forget_all()
        self._admission.give(self._neighbours.given)
        self._settling.restart(now)
        self._scans.arrive(now)

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
        self.news = self.news.after_scan(scan, began_at)
        self._log.debug("watch.scanned", files=scan.files, folders=scan.folders)
        first, self._admission.first_scan = self._admission.first_scan, False
        self._admission.follow_all()
        with self._disk.elsewhere():
            self._tell.on_scanned(first)

    def _interval_s(self) -> float:
        """Return how long after a scan's end the next one is due, in seconds."""
        if self._events.why_polling() is not None:
            return self._options.poll_s
        if self._observing.shortfall is not None:
            return min(DEGRADED_S, self._options.rescan_s)
        return self._options.rescan_s

    # -- what status shows -----------------------------------------------------------------------

    def _publish(self) -> None:
        """Replace the news where they are no longer true."""
        news = self.news.as_it_is(
            missing=self._ground.missing,
            has_scanned=self._scans.has_scanned,
            polling=self._events.why_polling(),
            shortfall=self._observing.shortfall,
            missed_events=self._missed.total,
        )
        if news != self.news:
            self.news = news


def _names(watch: Watch) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Return the options that say which of the files in its folder are a watch's."""
    return watch.include, watch.exclude, watch.follow_symlinks
