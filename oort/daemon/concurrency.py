"""How many workers there are: as config.toml says, or as many as the link and the server are worth.

With `workers = "auto"` what came of each attempt goes to the client's controller
(`arcsecond/concurrency.py`, which says how it finds the number), and the pool follows it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import structlog

from oort.daemon.passing import Rates, largest_to_pass
from oort.policy.outcome import Broken, NotReached, Outcome, ServerBusy, Stored
from oort.remote import Concurrency, Tried

if TYPE_CHECKING:
    from oort.clock import Clock
    from oort.daemon.workers import Traffic, Workers

log = structlog.get_logger("oort.workers")

LOOK_EVERY_S: Final = 0.05
_TOO_MUCH: Final = frozenset({429, 503})


class NumberOfWorkers:
    """Sets the number of workers, and has it follow what they get done; from any thread."""

    def __init__(self, workers: Workers, traffic: Traffic, clock: Clock) -> None:
        self._workers = workers
        self._traffic = traffic
        self._clock = clock
        self._lock = threading.Lock()  # guards everything below
        self._auto: Concurrency | None = None
        self._wanted = 0
        self._looked_mono = float("-inf")
        self._rates = Rates()
        workers.on_attempt = self._note

    def set(self, wanted: int | str) -> None:
        """Have so many from now on; `auto` begins with a few, or goes on where it is."""
        with self._lock:
            if isinstance(wanted, int):
                self._auto = None
                self._wanted = wanted
            elif self._auto is None:
                self._auto = Concurrency(self._clock.monotonic())
                self._wanted = self._auto.count
            self._workers.resize(self._wanted)

    def may_pass(self) -> int | None:
        """Return how large a file may be that is sent beyond the number; None where none is to be.

        A new small file does not wait for large ones where none of them will be through soon. Only
        with `auto`: who gave a number wants no more.
        """
        with self._lock:
            if self._auto is None:
                return None
            now = self._clock.monotonic()
            self._rates.look(now, self._traffic.total)
            in_hand = [one for one in self._workers.in_hand() if not (one.is_stuck or one.is_aside)]
            large = [(one.upload.size, one.upload.size - one.bytes_sent) for one in in_hand]
            if len(large) < self._wanted:
                return None
            return largest_to_pass(large, self._rates.bytes_per_s(now))

    def follow(self) -> None:
        """Look whether another number is better by now; cheap, for each attempt and each beat."""
        with self._lock:
            now = self._clock.monotonic()
            if now - self._looked_mono < LOOK_EVERY_S:
                return
            self._looked_mono = now
            self._rates.look(now, self._traffic.total)
            if self._auto is not None:
                self._steer(self._auto, now)
            if self._workers.count != self._wanted:  # or there were no threads to be had before
                self._workers.resize(self._wanted)

    def _steer(self, auto: Concurrency, now: float) -> None:
        in_hand = [
            one.upload.size for one in self._workers.in_hand() if not (one.is_stuck or one.is_aside)
        ]
        before, self._wanted = (
            self._wanted,
            auto.steer(now, moved=self._traffic.total, busy=len(in_hand), in_hand=sum(in_hand)),
        )
        if self._wanted != before:
            log.debug("workers.number", count=self._wanted, before=before)

    def _note(self, size: int, seconds: float, outcome: Outcome) -> None:
        with self._lock:
            if self._auto is not None:
                self._auto.note(size, seconds, meaning_of(outcome))
        self.follow()


def meaning_of(outcome: Outcome) -> Tried:
    """Return what an attempt's outcome says about the number of attempts at a time."""
    match outcome:
        case Stored():
            return Tried.DONE
        case ServerBusy(http_status=status) if status in _TOO_MUCH:
            return Tried.OVERLOADED
        case NotReached() | Broken():
            return Tried.LOST
        case _:
            return Tried.OTHER
