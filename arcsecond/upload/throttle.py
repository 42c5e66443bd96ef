"""How many bytes a second may leave: one bucket for all workers."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING

from arcsecond.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

_RATE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([kmg]?)(?:i?b)?(?:/s)?", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def parse_rate(text: str) -> int | None:
    """Return bytes a second for `512k`, `2M`, `1.5M` (1024-based), None for `off`.

    Raises InputError for anything else, and for a rate below 1 kB/s.
    """
    text = text.strip()
    if text.lower() == "off":
        return None
    match = _RATE.fullmatch(text)
    rate = int(float(match[1]) * _FACTORS[match[2].lower()]) if match else 0
    if rate < _FACTORS["k"]:
        raise InputError(f"{text!r} is no rate: give off, or for example 512k, 2M or 1.5M")
    return rate


class Throttle:
    """A token bucket that holds a quarter of a second's worth.

    Blocks are larger than that on a thin link: one is let through on credit, and the next one,
    whoever sends it, waits until it is paid.
    """

    def __init__(
        self, bytes_per_s: int, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.bytes_per_s = bytes_per_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._free_at = monotonic()

    def take(self, count: int, stop: threading.Event) -> None:
        """Wait until `count` more bytes may leave; returns early when `stop` is set."""
        with self._lock:
            now = self._monotonic()
            starts_at = max(self._free_at, now - 0.25)
            self._free_at = starts_at + count / self.bytes_per_s
        if starts_at > now:
            stop.wait(starts_at - now)
