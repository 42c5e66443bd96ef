"""A clock that goes only when a test says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Both clocks of `oort.clock.Clock`, moved by hand."""

    def __init__(self) -> None:
        self._began = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
        self._monotonic = 1000.0
        self.step_of_wall = timedelta()

    def now(self) -> datetime:
        """Return the wall clock."""
        return self._began + timedelta(seconds=self._monotonic - 1000.0) + self.step_of_wall

    def monotonic(self) -> float:
        """Return the monotonic clock, in seconds."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._monotonic += seconds
