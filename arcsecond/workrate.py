"""How fast uploads get done, measured so that one number of them can be compared with another.

Bytes alone would not tell: a small file costs a question and an answer whatever its size. So work
is bytes, and for each finished file the bytes that could have gone out in the time that its
question and answer take. How many that are is learnt from the files themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LEAST_OVERHEAD: Final = 16 * 1024.0
USUAL_OVERHEAD: Final = 256 * 1024.0
"""The most that is supposed while all files have about one size, so that nothing can be learnt."""
MOST_OVERHEAD: Final = 64 * 1024 * 1024.0
MEMORY: Final = 0.98
"""Each further file leaves so much of what the ones before it say: the last fifty or so count."""
VARIED: Final = 0.09
"""Sizes whose variance is this share of their mean's square differ enough to learn from."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was got done within some time."""

    files: int
    moved: int
    """Bytes."""
    seconds: float

    def rate(self, overhead: float) -> float:
        """Return work a second, with `overhead` bytes for each file."""
        return (self.moved + overhead * self.files) / self.seconds

    def __add__(self, other: Sample) -> Sample:
        return Sample(
            self.files + other.files, self.moved + other.moved, self.seconds + other.seconds
        )


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of uploads, and how long to look at them: for so many files, within limits."""

    count: int
    files: int
    least_s: float
    longest_s: float
    """Then it ends with fewer files: large ones are seen by their bytes."""


def quick(count: int) -> Measure:
    """Return a measure that tells double from the same."""
    return Measure(count, files=3 * count, least_s=0.1, longest_s=3.0)


def careful(count: int) -> Measure:
    """Return a measure that tells a tenth more from the same."""
    return Measure(count, files=max(6 * count, 60), least_s=0.5, longest_s=6.0)


class Window:
    """A measure being taken, after a time to warm up in which the new number comes about."""

    def __init__(self, measure: Measure, warm_until_s: float, *, is_first: bool = False) -> None:
        self.measure = measure
        self._is_first = is_first  # then it is warm as soon as a file is there
        self.is_warming = True
        self._warm_until_s = warm_until_s
        self._since: tuple[float, int, int] = (0.0, 0, 0)
        self._now: tuple[float, int, int] = (0.0, 0, 0)
        self._busy_s = 0.0
        self._in_hand_s = 0.0

    def again(self, measure: Measure) -> Window:
        """Return a window of the same number that begins where this one ends, warm already."""
        window = Window(measure, self._warm_until_s)
        window.is_warming = False
        window._since = window._now = self._now
        return window

    def look(self, now_s: float, files: int, moved: int, busy: int, in_hand: int) -> None:
        """Take in how far it is; see `Concurrency.steer`."""
        before_s, self._now = self._now[0], (now_s, files, moved)
        if not self.is_warming:
            self._busy_s += busy * (now_s - before_s)
            self._in_hand_s += in_hand * (now_s - before_s)
        elif (now_s >= self._warm_until_s or (self._is_first and files)) and (
            busy <= self.measure.count
        ):
            self.is_warming = False
            self._since = self._now

    @property
    def is_full(self) -> bool:
        """Whether there is enough to judge by."""
        if self.is_warming:
            return False
        sample = self.sample
        enough = sample.files >= self.measure.files and sample.seconds >= self.measure.least_s
        return enough or sample.seconds >= self.measure.longest_s

    @property
    def sample(self) -> Sample:
        """What was got done since it is warm."""
        (from_s, files_before, moved_before), (now_s, files, moved) = self._since, self._now
        return Sample(files - files_before, moved - moved_before, now_s - from_s)

    @property
    def in_use(self) -> float:
        """Which share of the workers had a file, taken over the time."""
        return self._busy_s / (self.measure.count * max(self.sample.seconds, 1e-9))

    @property
    def in_hand(self) -> float:
        """How many bytes' files were in hand, taken over the time."""
        return self._in_hand_s / max(self.sample.seconds, 1e-9)


class Sizes:
    """The line through what the last files weighed and took: so much for each, so much for a byte."""

    def __init__(self) -> None:
        self._files = self._size = self._seconds = self._size_size = self._size_seconds = 0.0

    def add(self, size: int, seconds: float) -> None:
        """Take in a file that got there."""
        self._files = self._files * MEMORY + 1.0
        self._size = self._size * MEMORY + size
        self._seconds = self._seconds * MEMORY + seconds
        self._size_size = self._size_size * MEMORY + size * size
        self._size_seconds = self._size_seconds * MEMORY + size * seconds

    @property
    def typical_s(self) -> float:
        """How long a file takes, on average; 0 before the first."""
        return self._seconds / self._files if self._files else 0.0

    @property
    def overhead(self) -> float:
        """How many bytes could go out in the time that a file takes beyond its bytes."""
        if not self._files:
            return USUAL_OVERHEAD
        size = self._size / self._files
        variance = self._size_size / self._files - size * size
        if variance < VARIED * size * size:
            return min(max(size, LEAST_OVERHEAD), USUAL_OVERHEAD)
        slope = (self._size_seconds / self._files - size * self.typical_s) / variance
        for_each = self.typical_s - slope * size
        if slope * MOST_OVERHEAD <= for_each:
            return MOST_OVERHEAD
        return max(LEAST_OVERHEAD, for_each / slope)
