"""Holes in the numbers of otherwise equal names: is there an exposure that nobody has seen? Pure.

A camera numbers its files, so a number that is missing between two others is a file that never
came, or that somebody took away. Names are read as people read them: one of the numbers in a name
counts, the others belong to the name. A date, a time or a temperature is no
counter, and names whose numbers are mostly holes count nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Gap:
    """So many numbers are missing between two names."""

    after: str
    before: str
    missing: int


_DATE: Final = r"(?<!\d)(?:19|20)\d\d(?P<d>[-_.]?)(?:0[1-9]|1[0-2])(?P=d)(?:0[1-9]|[12]\d|3[01])"
_TIME: Final = r"(?:[01]\d|2[0-3])(?P<t>[-_.:]?)[0-5]\d(?P=t)(?:[0-5]\d|60)(?:[.,]\d+)?Z?(?!\d)"
_CLOCK: Final = r"(?<!\d)(?:[01]\d|2[0-3])(?P<c>[-:])[0-5]\d(?P=c)[0-5]\d(?!\d)"
_TEMPERATURE: Final = r"(?<=[_ -])-\d{1,3}(?:\.\d{1,2})?(?:C(?![A-Za-z])|(?=[_ ]))"
_PART: Final = re.compile(
    rf"(?P<date>{_DATE})(?:[-_T ]{{0,2}}{_TIME})?"
    rf"|(?P<measured>{_CLOCK}|{_TEMPERATURE})"
    r"|(?P<long>\d{10,})"
    r"|(?P<number>\d+)",
    re.ASCII,
)
"""Numbers, and what looks like some: dates with the time beside them, times, temperatures, seconds
since 1970."""

_MOSTLY_HOLES: Final = 8
"""A series of so many numbers with more holes than steps of one is no count, or a shared one."""
_WRAPS: Final = 3
"""A counter of so many digits, or more, may begin anew: IMG_0001 follows IMG_9999."""
_NEAR_THE_NINES: Final = 10
"""There it lacks less than this part of its range."""


class _Name(NamedTuple):
    """A name in pieces: what stands between the numbers, and the numbers as they are written."""

    text: str
    pieces: tuple[str, ...]
    numbers: tuple[str, ...]


def gaps(names: Iterable[str]) -> list[Gap]:
    """Return the holes in the numbers of the names of one folder, in the order of the names.

    A hole is told by the names at its edges and its length, however long it is; a name that is
    there twice is there once.
    """
    alike: defaultdict[tuple[str, ...], list[_Name]] = defaultdict(list)
    for text in sorted(set(names)):
        name = _read(text)
        if name.numbers:
            alike[name.pieces].append(name)
    found: list[Gap] = []
    for pieces in sorted(alike):
        for series in _series(alike[pieces]):
            found += _holes(series)
    return found


def _read(text: str) -> _Name:
    """Take a name apart at its numbers.

    A date belongs to the name. A time or a temperature does not: each frame has its own.
    """
    pieces, numbers, at = [""], [], 0
    for part in _PART.finditer(text):
        pieces[-1] += text[at : part.start()]
        at = part.end()
        if part["number"]:
            pieces.append("")
            numbers.append(part[0])
        else:
            pieces[-1] += part["date"] or part["long"] or "#"
    pieces[-1] += text[at:]
    return _Name(text, tuple(pieces), tuple(numbers))


class _Written(NamedTuple):
    """A number in its name, and how many digits it has there."""

    name: str
    width: int


def _series(names: Sequence[_Name]) -> list[dict[int, _Written]]:
    """Return the names by the number that counts, one series for each choice of the others.

    The number that takes the most values is the one that counts; of two, the later.
    """
    places = range(len(names[0].numbers))
    counter = max(places, key=lambda place: (len({name.numbers[place] for name in names}), place))
    found: defaultdict[tuple[str, ...], dict[int, _Written]] = defaultdict(dict)
    for name in names:
        number = name.numbers[counter]
        others = name.numbers[:counter] + name.numbers[counter + 1 :]
        found[others].setdefault(int(number), _Written(name.text, len(number)))
    return [found[others] for others in sorted(found)]


def _holes(series: Mapping[int, _Written]) -> list[Gap]:
    numbers = sorted(series)
    steps = list(pairwise(numbers))
    holes = [(low, high) for low, high in steps if high - low > 1]
    if len(numbers) >= _MOSTLY_HOLES and len(holes) * 2 > len(steps):
        return []
    turn = _turn(numbers, {one.width for one in series.values()})
    if turn is not None:
        holes.remove(turn.hole)
    found = [Gap(series[low].name, series[high].name, high - low - 1) for low, high in holes]
    if turn is not None and turn.missing:
        found.append(Gap(series[numbers[-1]].name, series[numbers[0]].name, turn.missing))
    return found


class _Turn(NamedTuple):
    """Where a counter began anew: the hole that is none, and what is missing on the way round."""

    hole: tuple[int, int]
    missing: int


def _turn(numbers: Sequence[int], widths: Collection[int]) -> _Turn | None:
    """Tell whether a counter, all of one width, ran through its nines within these numbers."""
    width = max(widths)
    if len(widths) > 1 or width < _WRAPS or len(numbers) == 1:
        return None
    end = 10**width
    hole = max(pairwise(numbers), key=lambda step: step[1] - step[0])
    first = min(numbers[0], 1)  # some begin anew with 0, others with 1
    missing = (end - 1 - numbers[-1]) + (numbers[0] - first)
    if hole[1] - hole[0] <= end // 2 or missing >= end // _NEAR_THE_NINES:
        return None
    return _Turn(hole, missing)
