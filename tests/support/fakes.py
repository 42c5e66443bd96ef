"""Stand-ins for what no test can command: the clock, and chance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EVENING = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)
"""Where the fake wall clock begins: an evening in November."""


class FakeClock:
    """Two clocks that go on only when a test says so; implements `oort.clock.Clock`."""

    def __init__(self, now: datetime = EVENING, monotonic: float = 1000.0) -> None:
        self._now = now
        self._monotonic = monotonic

    def now(self) -> datetime:
        """Return the wall clock."""
        return self._now

    def monotonic(self) -> float:
        """Return the monotonic clock."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass: both clocks go on."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def step(self, seconds: float) -> None:
        """Set the wall clock, as GPS or NTP does; the monotonic clock does not notice."""
        self._now += timedelta(seconds=seconds)


class Longest:
    """Chance that always gives the longest wait."""

    def uniform(self, a: float, b: float, /) -> float:
        """Return the larger of the two."""
        return max(a, b)


class Shortest:
    """Chance that always gives the shortest wait."""

    def uniform(self, a: float, b: float, /) -> float:
        """Return the smaller of the two."""
        return min(a, b)
