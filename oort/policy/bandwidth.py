"""How fast may uploads be, and when: the words of `bwlimit`, and what they mean at a given time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from typing import Final

ALLOWED: Final = (
    '"off", a rate as "512k" or "1.5M" (bytes/s), or a timetable as "08:00,off 19:00,512k"'
)

_UNITS: Final = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_RATE: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)([bkmg]?)", re.IGNORECASE | re.ASCII)
_CLOCK: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Timetable:
    """What holds from which local time on, ordered; a single entry holds all day."""

    entries: tuple[tuple[time, float | None], ...]

    @property
    def changes(self) -> bool:
        """Whether another rate holds at another time of day."""
        return len(self.entries) > 1

    def rate_at(self, local: time) -> float | None:
        """Return bytes per second at a local time of day: None is no limit, 0.0 is a pause.

        Before the day's first entry, the last one of the day before still holds.
        """
        now = local.replace(tzinfo=None)
        rate = self.entries[-1][1]
        for start, entry in self.entries:
            if start > now:
                break
            rate = entry
        return rate


UNLIMITED: Final = Timetable(entries=((time(0), None),))


def parse(text: str) -> Timetable:
    """Return what `bwlimit = text` means; ValueError where it means nothing."""
    words = text.split()
    if len(words) == 1 and "," not in text:
        return Timetable(entries=((time(0), parse_rate(words[0])),))
    entries = sorted((_parse_entry(word) for word in words), key=lambda entry: entry[0])
    starts = {start for start, _rate in entries}
    if not entries or len(starts) < len(entries):
        raise ValueError(f"must be {ALLOWED}, each time of day once")
    return Timetable(entries=tuple(entries))


def parse_rate(text: str) -> float | None:
    """Return `512k`, `2M`, `1.5M` in bytes per second (1024-based), None for `off`."""
    if text.strip().lower() == "off":
        return None
    match = _RATE.fullmatch(text.strip())
    rate = float(match[1]) * _UNITS[match[2].lower()] if match else 0.0
    if rate < 1:
        raise ValueError(f"must be {ALLOWED}")
    return rate


def _parse_entry(word: str) -> tuple[time, float | None]:
    clock, _comma, rate = word.partition(",")
    match = _CLOCK.fullmatch(clock)
    if match is None:
        raise ValueError(f"must be {ALLOWED}")
    start = time(int(match[1]), int(match[2]))
    return start, 0.0 if rate.lower() == "pause" else parse_rate(rate)
