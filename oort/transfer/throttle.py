"""The bandwidth limit: one token bucket that all workers share.

Bytes are paid for before they go out, in the order in which the workers came, so that a limit is
never exceeded and no worker starves. The clock that counts is the monotonic one; who waits, waits
on its own stop event, so that a cut need not wait for its turn.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_LOOK_S: Final = 0.2
"""Who waits looks again so often, because the rate may have changed."""

SHORTEST_WAIT_S: Final = 0.001
"""What is nearer than this is now."""

CREDIT_S: Final = 0.25
"""What an idle line may save up, in seconds of the rate: what late wake-ups and the gaps between
small files cost is caught up with, and ten seconds never carry more than 2.5 % too much."""


class StopSignal(Protocol):
    """The two methods of `threading.Event` that waiting needs."""

    def is_set(self) -> bool:
        """Tell whether to stop."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Wait; True as soon as it is time to stop."""
        ...


class TokenBucket:
    """A rate in bytes a second; None is unlimited, 0 is a pause. Any thread may call anything."""

    def __init__(self, rate: float | None, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        # All below is guarded by the lock. `_allowed` grows with time, `_asked` with demand:
        # a block may go out once everything up to its own end is allowed.
        self._rate = rate
        self._looked_at = monotonic()
        self._allowed = 0.0
        self._asked = 0.0

    @property
    def rate(self) -> float | None:
        """The rate in force."""
        return self._rate

    def set_rate(self, rate: float | None) -> None:
        """Change the rate; who waits is asked to wait by the new one within 0.2 s."""
        with self._lock:
            self._advance()
            self._rate = rate

    def take(self, count: int, stop: StopSignal) -> bool:
        """Wait until `count` bytes may go out; False where `stop` came first."""
        with self._lock:
            self._advance()
            if self._rate is None:
                return True
            # An idle line saves up next to nothing: a limit is no monthly allowance.
            self._asked = max(self._asked, self._allowed - CREDIT_S * self._rate) + count
            end = self._asked
        while True:
            wait_s = self._until(end)
            if wait_s <= 0.0:
                return True
            if stop.wait(wait_s):
                self._give_back(end, count)
                return False

    def _until(self, end: float) -> float:
        with self._lock:
            self._advance()
            if self._rate is None or self._allowed >= end:
                return 0.0
            if self._rate <= 0.0:
                return LONGEST_LOOK_S
            wait_s = (end - self._allowed) / self._rate
            return 0.0 if wait_s < SHORTEST_WAIT_S else min(wait_s, LONGEST_LOOK_S)

    def _give_back(self, end: float, count: int) -> None:
        with self._lock:
            if self._asked == end:  # those who came later count on what lies before them
                self._asked -= count

    def _advance(self) -> None:
        now = self._monotonic()
        passed, self._looked_at = max(0.0, now - self._looked_at), now
        if self._rate is None:
            self._allowed = self._asked  # nothing that went out freely is owed
        else:
            self._allowed += self._rate * passed
