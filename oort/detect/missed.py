"""Counting the files that a scan found and no event announced.

A few are accidents. Many mean that events do not work here (a mount that gives none, a limit that
nobody knows of), and that only frequent scans help.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from oort.policy.version import RelPath

MANY: Final = 5
"""So many within `WINDOW_S` turn a watch to polling."""
WINDOW_S: Final = 3600.0
"""So long without one turns it back."""
GRACE_S: Final = 5.0
"""An event may still be on its way when a scan finds its file (watchdog holds some for 0.5 s)."""

_EMPTY_MOST: Final = 10_000


class MissedEvents:
    """Owned by the intake's thread; all moments are of the monotonic clock."""

    def __init__(self) -> None:
        self.total = 0
        self.is_polling = False
        """Whether there were so many that the watch is to be polled."""
        self._suspects: dict[bytes, float] = {}
        self._recent: deque[float] = deque()
        self._empty: set[bytes] = set()

    def suspect(self, rel_path: RelPath, now: float) -> None:
        """Note a file that a scan found first, though its event should have come."""
        if rel_path not in self._empty:
            self._suspects.setdefault(rel_path, now + GRACE_S)

    def announced(self, rel_path: bytes, *, with_all_below: bool = False) -> None:
        """An event named that path, or the folder above it."""
        self._suspects.pop(rel_path, None)
        self._empty.discard(rel_path)
        if with_all_below:
            below = rel_path + b"/"
            for path in [path for path in self._suspects if path.startswith(below)]:
                del self._suspects[path]

    def announced_empty(self, rel_path: bytes) -> None:
        """An event named a file that had no content yet: whoever finds it later missed nothing."""
        if len(self._empty) >= _EMPTY_MOST:
            self._empty.clear()
        self._empty.add(rel_path)

    def drop_suspects(self) -> None:
        """Forget the files whose events may still come: there is no observer any more."""
        self._suspects.clear()

    def judge(self, now: float) -> int:
        """Count the suspects whose time is over and return how many they were."""
        missed = [path for path, until in self._suspects.items() if until <= now]
        for path in missed:
            del self._suspects[path]
            self._recent.append(now)
        self.total += len(missed)
        while self._recent and now - self._recent[0] >= WINDOW_S:
            self._recent.popleft()
        if len(self._recent) >= MANY:
            self.is_polling = True
        elif not self._recent:
            self.is_polling = False
        return len(missed)

    def next_at(self) -> float | None:
        """Return when `judge` may say something new; None: not by itself."""
        moments = list(self._suspects.values())
        if self.is_polling:
            moments.append(self._recent[-1] + WINDOW_S)
        return min(moments, default=None)
