"""Time spans and numbers of files as people read them; `output.volume` has the bytes."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return a time span."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def files(count: int) -> str:
    """Return `1 file`, `2 files`."""
    return f"{count} file{'' if count == 1 else 's'}"
