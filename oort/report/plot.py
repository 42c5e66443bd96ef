"""Files over time, seen against safe, as the lines of an SVG. Pure.

The drawing has no size of its own: x and y run from 0 to 1000 and the page stretches it, so that
lines stay lines and words stay readable on paper and on a telephone. Words are the page's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SIDE: Final = 1000
_MOST_POINTS: Final = 500
"""A screen shows no more of them, and a page of a night with 100,000 files stays small."""
_MOST_TICKS: Final = 7
_MOST_LEVELS: Final = 5
_LEAST_SPAN: Final = timedelta(minutes=1)
_STEPS: Final = tuple(
    timedelta(minutes=minutes)
    for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7200, 14400, 43200)
)


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where, in percent from the left or from the bottom, and what it says."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Paths for `d` of SVG's path element, and the marks of both axes."""

    seen: str
    safe: str
    waiting: str
    """The area between the two: what was seen and not yet safe."""
    below_safe: str
    ticks: tuple[Tick, ...]
    levels: tuple[Tick, ...]
    begins_at: datetime
    ends_at: datetime


def plot_of(seen: Sequence[datetime], safe: Sequence[datetime]) -> Plot | None:
    """Return the drawing of a night, None where nothing was seen."""
    if not seen:
        return None
    begins, ends = min(seen), max([*seen, *safe])
    if ends - begins < _LEAST_SPAN:
        middle = begins + (ends - begins) / 2
        begins, ends = middle - _LEAST_SPAN / 2, middle + _LEAST_SPAN / 2
    begins = min(begins, min(safe, default=begins))
    most = len(seen)
    upper, lower = (_corners(_steps(one, begins, ends), most) for one in (seen, safe))
    return Plot(
        seen=_path(upper),
        safe=_path(lower),
        waiting=_path([*upper, *reversed(lower)]) + "Z",
        below_safe=_path([(0, SIDE), *lower, (SIDE, SIDE)]) + "Z",
        ticks=_ticks(begins, ends),
        levels=_levels(most),
        begins_at=begins,
        ends_at=ends,
    )


def _steps(moments: Sequence[datetime], begins: datetime, ends: datetime) -> list[tuple[int, int]]:
    """Return (x, how many until then), at most so many as can be seen apart."""
    span = ends - begins
    counts: dict[int, int] = {}
    for n, moment in enumerate(sorted(moments), start=1):
        counts[round((moment - begins) / span * _MOST_POINTS)] = n
    return [(x * SIDE // _MOST_POINTS, n) for x, n in counts.items()]


def _corners(steps: Sequence[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """Return the corners of a staircase from the lower left; y grows downwards, as SVG's does."""
    corners, y = [(0, SIDE)], SIDE
    for x, count in steps:
        corners.append((x, y))
        y = SIDE - round(count / most * SIDE)
        corners.append((x, y))
    corners.append((SIDE, y))
    return corners


def _path(corners: Sequence[tuple[int, int]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in corners)


def _ticks(begins: datetime, ends: datetime) -> tuple[Tick, ...]:
    span = ends - begins
    step = next((one for one in _STEPS if span / one <= _MOST_TICKS), _STEPS[-1])
    midnight = datetime(begins.year, begins.month, begins.day, tzinfo=UTC)
    first = midnight + -(-(begins - midnight) // step) * step
    shape = (
        "%H:%M"
        if span <= timedelta(days=1)
        else "%d %b"
        if step >= timedelta(days=1)
        else "%d %b %H:%M"
    )
    found: list[Tick] = []
    at = first
    while at <= ends and len(found) <= _MOST_TICKS:
        found.append(Tick(round((at - begins) / span * 100, 2), f"{at:{shape}}"))
        at += step
    return tuple(found)


def _levels(most: int) -> tuple[Tick, ...]:
    """Return whole round numbers from 0 to the greatest, which comes last."""
    step = 1
    while most / step > _MOST_LEVELS:
        step *= 2 if str(step)[0] in "15" else 1
        if most / step > _MOST_LEVELS and str(step)[0] == "2":
            step = step // 2 * 5
    rounds = [n for n in range(0, most, step) if most - n >= step * 0.6] or [0]
    return tuple(Tick(round(n / most * 100, 2), f"{n:,}") for n in (*rounds, most))
