"""How often something is tried, and how long to wait in between; every wait ends when asked to."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from arcsecond.errors import AnswerError, BrokenError, CancelledError, NotReachedError

if TYPE_CHECKING:
    import threading

TRIES: Final = 5
"""How often a file is sent at most, the first time included."""

FIRST_WAIT_S: Final = 1.0
"""The wait doubles after each try; up to a quarter is added by chance, so that not all come at once."""

LONGEST_WAIT_S: Final = 3600.0
"""A server that asks for more than this is not waited for: whoever runs a command comes back later."""

PASSING: Final = frozenset({408, 425, 429})
"""Refusals that are about the moment, as is every 5xx."""

_rng = random.SystemRandom()


def is_passing(error: Exception) -> bool:
    """Tell whether trying again may help: the link or the server was in trouble."""
    if isinstance(error, (BrokenError, NotReachedError)):
        return True
    return isinstance(error, AnswerError) and is_passing_status(error.status)


def is_passing_status(status: int | None) -> bool:
    """Tell whether an HTTP status is about the moment and not about the request."""
    return status is not None and (status in PASSING or status // 100 == 5)  # noqa: PLR2004  # as it is said: 5xx


class Patience:
    """Waits that end at once, with CancelledError, when `stop` is set.

    `outlasts_outages` is for what was begun: a server that cannot be reached is asked again too.
    """

    def __init__(self, stop: threading.Event, *, outlasts_outages: bool = False) -> None:
        self._stop = stop
        self.outlasts_outages = outlasts_outages

    def wait(self, tries: int, retry_after_s: float | None = None) -> None:
        """Wait after `tries` failures; at least as long as the server asked for."""
        seconds = FIRST_WAIT_S * 2 ** (tries - 1) * _rng.uniform(1.0, 1.25)
        self.pause(max(seconds, retry_after_s or 0.0))

    def pause(self, seconds: float) -> None:
        """Wait for exactly `seconds`."""
        if self._stop.wait(seconds):
            raise CancelledError("the upload was stopped")
