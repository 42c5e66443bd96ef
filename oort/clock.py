"""The only reader of time: everything else takes `now` as an argument or is given a `Clock`.

Two clocks, never mixed: `now()` is the wall clock (what is recorded and shown), `monotonic()`
is for every wait and every comparison of two moments, because the wall clock of an acquisition
PC steps by hours or years when GPS or NTP comes up.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the daemon needs to know of time."""

    def now(self) -> datetime:
        """Return the wall clock, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds since some fixed moment; never goes back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Return the wall clock, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return `time.monotonic()`."""
        return time.monotonic()
