"""A clock of this computer that is wrong, by what the server's answers say. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

WORTH_SAYING: Final = timedelta(seconds=60)
"""What is less is the way of the answer, or matters to nobody."""

_HOUR_MIN: Final = 60
_AS_HOURS: Final = 120
_AS_DAYS_H: Final = 48


def words(api: str, ahead: timedelta) -> str:
    """Say by how much the clock is ahead of a server's, or behind it."""
    way = "ahead of" if ahead > timedelta(0) else "behind"
    return f"this computer's clock is {_length(abs(ahead))} {way} that of the server {api}"


def _length(length: timedelta) -> str:
    minutes = round(length / timedelta(minutes=1))
    if minutes < _AS_HOURS:
        return f"{minutes} min"
    hours, rest = divmod(minutes, _HOUR_MIN)
    return f"{hours} h {rest} min" if hours < _AS_DAYS_H else f"{hours // 24} days"
