"""By how much this computer's clock differs from the server's, as far as its answers have told.

A clock that is wrong makes good certificates look expired or not yet valid, and the answer that would
say so never comes: what an earlier answer said is kept on a clock that nobody sets.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

WORTH_SAYING = timedelta(seconds=60)
"""What is less is the way of the answer, or no cause of anything."""


def this_computers_time() -> datetime:
    """Return what this computer's clock shows, right or wrong."""
    return datetime.now(UTC)  # noqa: TID251  # the clock itself is in question here


class ServerClock:
    """The server's time, from the `Date` of its last answer on; for one thread."""

    def __init__(self) -> None:
        self._date: datetime | None = None
        self._heard_s = 0.0

    def heard(self, date: datetime | None) -> None:
        """Take what an answer said; one that does not say leaves what is known."""
        if date is not None:
            self._date, self._heard_s = date, _steady_s()

    def ahead(self) -> timedelta | None:
        """Return by how much this computer's clock is ahead, less than zero where it is behind.

        None where the server never told its time.
        """
        if self._date is None:
            return None
        theirs = self._date + timedelta(seconds=_steady_s() - self._heard_s)
        return this_computers_time() - theirs

    def difference(self) -> str | None:
        """Return the difference in words, where it is worth saying and known."""
        ahead = self.ahead()
        if ahead is None or abs(ahead) <= WORTH_SAYING:
            return None
        return f"{_in_words(abs(ahead))} {'ahead of' if ahead > timedelta(0) else 'behind'}"


def _steady_s() -> float:
    """Return seconds on a clock that is never set; on Linux one that counts a sleep of the machine."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def _in_words(length: timedelta) -> str:
    if length >= timedelta(days=2):
        return f"{length.days} days"
    minutes = round(length / timedelta(minutes=1))
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004  # as people say it
