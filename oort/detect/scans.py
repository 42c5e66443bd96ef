"""When is which part of a watch scanned: new folders at once, everything every so often.

One scan runs at a time, in slices. One that nobody waits for rests between them, and the next one
of everything starts at least twenty times its predecessor's duration later, so that nobody notices
the scans of a large archive. Duration is work and rest: that a first scan had to wait for the
queue, or for files to settle, does not put off the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from oort.detect.scanner import SLICE, Scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from oort.clock import Clock
    from oort.detect.bounds import Bounds
    from oort.detect.familiar import Familiar
    from oort.policy.version import FileVersion

COST_FACTOR: Final = 20.0
"""The next scan starts at least so many times its predecessor's duration later (design.md §3)."""
AGAIN_S: Final = 2.0
"""Before the next try of a scan whose folder could not be walked."""

_FOLDERS_MOST: Final = 1_000
"""So many new folders wait for their own scan: one of everything is cheaper."""
_REST_SHARE: Final = 2.0
"""A scan that is in no hurry rests twice as long as it works."""
_REST_MOST_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Slice:
    """A piece of a scan: what it found, and the scan itself where that was its end."""

    found: list[FileVersion]
    events_should_have_told: bool = False
    """A file in it that is new was born while the observer was up."""
    ended: Scan | None = None
    """A full scan that came to its end."""
    began_at: datetime | None = None


@dataclass(slots=True)
class _Running:
    scan: Scan
    slices: Iterator[list[FileVersion]]
    began_at: datetime
    is_full: bool
    events_should_have_told: bool
    is_hurried: bool
    took_s: float = 0.0


class Scans:
    """Owned by the intake's thread. `interval_s` is asked at the end of each full scan."""

    def __init__(
        self, clock: Clock, interval_s: Callable[[], float], familiar: Familiar | None = None
    ) -> None:
        self._clock = clock
        self._familiar = familiar
        self._interval_s = interval_s
        self._running: _Running | None = None
        self._folders: dict[bytes, None] = {}
        self._full_due: float | None = 0.0
        self._full_is_urgent = True
        self._may_begin = 0.0
        self._rest_until = 0.0
        self.has_scanned = False
        """Whether a full scan came to its end since the watched folder arrived."""
        self.slice_entries = SLICE
        """Entries that are looked at between two pauses; fewer where a look takes long."""
        self._since_observer = 0

    def arrive(self, now: float) -> None:
        """The folder is there, or there again: see what is in it."""
        self.has_scanned = False
        self.begin_anew(now)

    def begin_anew(self, now: float) -> None:
        """Forget what runs and scan everything; what that finds is nobody's missed event."""
        self._running = None
        self._folders.clear()
        self.lost_events(now)

    def lost_events(self, now: float) -> None:
        """Scan everything, after what runs just now: nobody knows what events would have told."""
        self._since_observer = 0
        self._full_is_urgent = True
        self._plan(now)

    def want_full(self, now: float) -> None:
        """Scan everything, as soon as the last scan's cost allows."""
        self._plan(max(now, self._may_begin))

    def replan(self, now: float) -> None:
        """The interval may be shorter from now on."""
        self._plan(max(now + self._interval_s(), self._may_begin))

    def want_folder(self, rel_path: bytes, now: float) -> None:
        """Scan a new folder at once, unless one above it waits already."""
        parts = rel_path.split(b"/")
        if any(b"/".join(parts[:n]) in self._folders for n in range(1, len(parts) + 1)):
            return
        self._folders[rel_path] = None
        if len(self._folders) > _FOLDERS_MOST:
            self._folders.clear()
            self._plan(now)

    def drop(self) -> None:
        """Forget everything: the watched folder is not there."""
        self._running = None
        self._folders.clear()
        self.has_scanned = False

    def next_at(self) -> float | None:
        """Return when `take_slice` has something to do."""
        if self._running is not None or self._folders:
            return self._rest_until
        return self._full_due

    def take_slice(self, bounds: Bounds, now: float) -> Slice | None:
        """Do a slice of the scan that runs or is due; None: none is."""
        if now < self._rest_until:
            return None
        running = self._running or self._begin(bounds, now)
        if running is None:
            return None
        self._running = None
        try:
            found = next(running.slices, None)
        except BaseException:
            self._plan(now + AGAIN_S)
            raise
        if found is None:
            return self._end(running)
        self._running = running
        return Slice(found, running.events_should_have_told)

    def worked(self, seconds: float) -> None:
        """Count what a slice has cost, the queue's answer included, and rest where nobody waits."""
        running = self._running
        if running is None:
            return
        rest = 0.0 if running.is_hurried else min(_REST_MOST_S, _REST_SHARE * seconds)
        running.took_s += seconds + rest
        self._rest_until = self._clock.monotonic() + rest

    def _begin(self, bounds: Bounds, now: float) -> _Running | None:
        """Start the scan that is due: new folders first, they are small."""
        start = next(iter(self._folders), None)
        is_full = start is None
        if start is not None:
            del self._folders[start]
        elif self._full_due is None or now < self._full_due:
            return None
        else:
            self._full_due = None
            self._full_is_urgent = False
            if self._familiar is not None:
                self._familiar.begin(now)
        scan = Scan(bounds, start=start or b"", slice_=self.slice_entries, familiar=self._familiar)
        return _Running(
            scan,
            iter(scan),
            began_at=self._clock.now(),
            is_full=is_full,
            events_should_have_told=is_full and self._since_observer > 0,
            is_hurried=not is_full or not self.has_scanned,
        )

    def _end(self, running: _Running) -> Slice:
        if not running.is_full:
            return Slice([])
        now = self._clock.monotonic()
        self._may_begin = now + COST_FACTOR * running.took_s
        is_whole = running.scan.start_error is None
        self._plan(now + (self._interval_s() if is_whole else AGAIN_S))
        if self._full_due is not None and not self._full_is_urgent:
            self._full_due = max(self._full_due, self._may_begin)
        if not is_whole:
            return Slice([])
        self.has_scanned = True
        self._since_observer += 1
        return Slice([], ended=running.scan, began_at=running.began_at)

    def _plan(self, at: float) -> None:
        if self._full_due is None or at < self._full_due:
            self._full_due = at
