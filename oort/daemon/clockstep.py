"""Notices a step of the wall clock: GPS or NTP coming up on a PC whose clock was hours or years off."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from oort.clock import Clock

STEP_S: Final = 2.0
"""A larger difference between the two clocks' progress is a step (design.md §3)."""


class StepWatch:
    """Compares the wall clock's progress with the monotonic clock's; asked about once a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall, self._mono = clock.now(), clock.monotonic()

    def step(self) -> timedelta | None:
        """Return by how much the wall clock stepped since the last call, None where it did not."""
        wall, mono = self._clock.now(), self._clock.monotonic()
        by = self._beyond(wall, mono)
        self._wall, self._mono = wall, mono
        return by

    @property
    def is_pending(self) -> bool:
        """Whether `step` would return a step; any thread may ask."""
        return self._beyond(self._clock.now(), self._clock.monotonic()) is not None

    def _beyond(self, wall: datetime, mono: float) -> timedelta | None:
        by = (wall - self._wall) - timedelta(seconds=mono - self._mono)
        return by if abs(by.total_seconds()) > STEP_S else None
