"""What the daemon tells whoever asks: links, watches, uploads in hand, rate, warnings.

Written into the queue's notes once a second at most, and only what has changed: an idle daemon
writes nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from oort.clock import Clock
    from oort.queue.store import Queue

RATE_WINDOW_S: Final = 30.0
"""The rate that `oort status` shows is the mean over so many seconds."""


@dataclass(slots=True)
class Bulletin:
    """Owned by the job that publishes; `gather` collects what is to be told by name."""

    store: Queue
    clock: Clock
    gather: Callable[[], dict[str, Any]]
    bytes_moved: Callable[[], int]
    _told: dict[str, Any] = field(default_factory=dict)
    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    def publish(self) -> None:
        """Write what has changed since the last time."""
        news = self.gather() | {"rate": self._rate()}
        for name, value in news.items():
            if name not in self._told or self._told[name] != value:
                self._told[name] = value
                self.store.write_note(name, value)

    def _rate(self) -> float:
        """Return bytes per second over the last half minute."""
        now = self.clock.monotonic()
        self._samples.append((now, self.bytes_moved()))
        while len(self._samples) > 2 and now - self._samples[0][0] > RATE_WINDOW_S:  # noqa: PLR2004  # two ends of a window
            self._samples.popleft()
        began, before = self._samples[0]
        took = now - began
        return round((self._samples[-1][1] - before) / took, 1) if took > 0 else 0.0
