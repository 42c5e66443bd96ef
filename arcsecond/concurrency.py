"""How many uploads at a time: a number that follows the link and the server by itself.

`Concurrency` is told of each attempt that ended and, some ten times a second, how far all of them
are; it answers how many there should be. It has no thread and no clock of its own, and asks
nobody. Why it does what it does: docs/decisions/0014-how-many-at-a-time.md.

It climbs by doubling while that pays, takes the smallest number that is nearly as fast as the
fastest, and holds it. Now and then it looks one step up or down, less often each time that nothing
came of it. A server that says it has too much to do is given less at once; one that says so to one
file in a hundred is not meant.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

from arcsecond.workrate import Measure, Sample, Sizes, Window, careful, quick

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

MOST: Final = 32
FIRST: Final = 4
"""The first number: so many small files at a time cost little anywhere."""
STEPS: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""The numbers that are tried: each a third to a half more than the one before."""

GROWTH: Final = 0.2
"""A climb goes on while the rate grows by this share of what the number grows by."""
ENOUGH: Final = 0.95
"""Of what a climb measured, the smallest number is taken that reaches this share of the best."""
UP_GAIN: Final = 1.08
DOWN_LOSS: Final = 0.97
"""What a later look must show. Between the two lies what noise does, and that changes nothing."""
CHANGED: Final = 0.6
"""A rate that falls to this share, or rises by as much, is that of another link, or other files."""

FIRST_HOLD_S: Final = 10.0
LONGEST_HOLD_S: Final = 300.0
LONGEST_IN_HAND_S: Final = 60.0
"""What is in hand should be over within this time: a new file must not wait for many large ones."""
MUCH_TOO_LONG: Final = 1.5
"""What takes so many times as long makes it fewer at once."""
LONGEST_WARM_UP_S: Final = 2.0
"""So long a new number is given to come about: connections are made, and the kernel takes the
beginnings of large bodies faster than the link carries them."""

OVERLOAD_SHARE: Final = 0.05
OVERLOAD_CHANCE: Final = 3
"""So many refusals beyond the share are needed: one in a hundred does not come to that by chance."""
AFTER_OVERLOAD_S: Final = 60.0
LONGEST_AFTER_OVERLOAD_S: Final = 960.0
HARD_OVERLOAD: Final = 0.25
"""Such a share is answered by half the number, at once."""
HELPED: Final = 0.7
"""A share that did not fall to so much of itself when the number fell is not about the number."""
LEAST_ANSWERS: Final = 20
MOST_ANSWERS: Final = 200
"""The share is that among the last so many answers."""
LOST_IN_A_ROW: Final = 4

IN_USE: Final = 0.75
"""A measure of workers of which more had nothing to do is none."""

_Course: TypeAlias = "Generator[Measure, Sample, None]"


class Tried(Enum):
    """What came of one attempt, as far as the number of uploads goes."""

    DONE = "the server has it"
    OVERLOADED = "429 or 503: the server has too much to do"
    LOST = "the server was not reached, or the connection broke"
    OTHER = "refused for what it is"


class Concurrency:
    """Belongs to one thread at a time; `most` is the largest number that it asks for."""

    def __init__(self, now_s: float, *, most: int = MOST) -> None:
        self.count = min(FIRST, most)
        """How many there should be."""
        self._steps = [*(step for step in STEPS if step < most), most]
        self._now_s = now_s
        self._ceiling = most
        self._ceiling_ends_s = now_s
        self._ceiling_for_s = AFTER_OVERLOAD_S
        self._sizes = Sizes()
        self._files = 0
        self._answers: deque[bool] = deque(maxlen=MOST_ANSWERS)  # of each: was it "too much to do"?
        self._share_before: float | None = None  # of refusals, when there was a cut for them
        self._lost_in_a_row = 0
        self._files_when_broken: int | None = None
        self._in_hand_s = 0.0
        """How long what is in hand took, when it was measured last."""
        self._settled = self.count
        """What is gone back to when a measure comes to nothing."""
        self._window = Window(quick(self.count), now_s)
        self._start(self._climb())

    def note(self, size: int, seconds: float, outcome: Tried) -> None:
        """Take note of an attempt that ended: the file's bytes, and how long it took."""
        if outcome is Tried.LOST:
            self._lost_in_a_row += 1
            return
        self._lost_in_a_row = 0
        if not self._window.is_warming:  # else it may be the answer to a larger number
            self._answers.append(outcome is Tried.OVERLOADED)
        if outcome is Tried.DONE:
            self._files += 1
            self._sizes.add(size, seconds)

    def steer(self, now_s: float, *, moved: int, busy: int, in_hand: int) -> int:
        """Return how many there should be from now on.

        `moved` are the bytes of all bodies so far, `busy` is how many have a file now, `in_hand`
        the bytes of these files.
        """
        self._now_s = now_s
        if now_s >= self._ceiling_ends_s:
            self._ceiling = self._steps[-1]
        if not self._is_broken() and not self._is_overloaded():
            self._window.look(now_s, self._files, moved, busy, in_hand)
            if self._window.is_full:
                self._go_on()
        return self.count

    # -- measuring -------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Let the course go on by what was measured, unless that stands for nothing."""
        window = self._window
        sample = window.sample
        if window.in_use < IN_USE or not sample.moved or (self._answers and all(self._answers)):
            if self.count == self._settled:
                self._window = window.again(window.measure)
            else:
                self._start(self._hold(self._settled))
            return
        self._in_hand_s = window.in_hand * sample.seconds / max(sample.moved, 1)
        if self._in_hand_s > MUCH_TOO_LONG * LONGEST_IN_HAND_S and self.count > 1:
            self._start(self._hold(self._allowed(self.count)))
        else:
            self._take(self._course.send(sample))

    def _start(self, course: _Course) -> None:
        self._course = course
        self._take(next(course))

    def _take(self, measure: Measure) -> None:
        if measure.count == self._window.measure.count and not self._window.is_warming:
            self._window = self._window.again(measure)
            return
        self.count = measure.count
        typical_s = self._sizes.typical_s or LONGEST_WARM_UP_S
        warm_up_s = min(max(typical_s, 0.05), LONGEST_WARM_UP_S)
        self._window = Window(measure, self._now_s + warm_up_s, is_first=not self._files)

    def _rate(self, sample: Sample) -> float:
        return sample.rate(self._sizes.overhead)

    # -- what ends a course ----------------------------------------------------------------------

    def _is_broken(self) -> bool:
        """Go down to one while nothing gets through, and begin anew when something does."""
        if self._files_when_broken is None:
            if self._lost_in_a_row < max(LOST_IN_A_ROW, self.count):
                return False
            self._files_when_broken = self._files
            self.count = 1
        elif self._files > self._files_when_broken:
            self._files_when_broken = None
            self._lost_in_a_row = 0
            self._start(self._climb())
        return True

    def _is_overloaded(self) -> bool:
        """Have fewer, and no more for some time, where the server asks for it."""
        refused, answers = sum(self._answers), len(self._answers)
        share = refused / max(answers, 1)
        if (
            refused <= OVERLOAD_CHANCE + OVERLOAD_SHARE * answers
            or answers < LEAST_ANSWERS
            or self.count == 1
            or (share <= HARD_OVERLOAD and not self._did_help(share))
        ):
            return False
        self._answers.clear()
        self._share_before = share
        fewer = self.count * (0.5 if share > HARD_OVERLOAD else 0.75)
        self._ceiling = max(step for step in self._steps if step <= max(1, fewer))
        self._ceiling_ends_s = self._now_s + self._ceiling_for_s
        self._ceiling_for_s = min(self._ceiling_for_s * 2, LONGEST_AFTER_OVERLOAD_S)
        self._start(self._hold(self._ceiling))
        return True

    def _did_help(self, share: float) -> bool:
        """Tell whether the last cut, if there was one, made the refusals fewer."""
        if self._share_before is None:
            return True
        return len(self._answers) == MOST_ANSWERS and share <= HELPED * self._share_before

    # -- courses: what to measure, and what follows from it --------------------------------------

    def _climb(self) -> _Course:
        """Double while that pays, see what lies below and between, and hold the best."""
        count = self._settled = self._allowed(FIRST)
        measured = {count: (yield quick(count))}
        while (higher := self._allowed(2 * count)) > count:
            measured[higher] = yield quick(higher)
            if not self._pays(measured, count, higher):  # believed when it is seen twice
                measured[higher] += yield quick(higher)
                if not self._pays(measured, count, higher):
                    break
            count = self._settled = higher
        while (lowest := self._enough(measured)) == min(measured) and lowest > 1:
            measured[lowest // 2] = yield careful(lowest // 2)
        best = self._enough(measured)
        for between in self._around(best, measured):
            if between > best or self._may_do(between, best, measured):
                measured[between] = yield careful(between)
        yield from self._hold(self._enough(measured))

    def _hold(self, count: int) -> _Course:
        """Keep a number, and look one step up or down now and then; never ends."""
        hold_s, upward = FIRST_HOLD_S, True
        while True:
            self._settled = count
            base, has_changed = yield from self._wait(count, hold_s)
            if has_changed:
                hold_s = FIRST_HOLD_S
            if self._next(count, upward=upward) is None:
                upward = not upward
            found, steps = count, 0
            while (step := self._next(found, upward=upward)) is not None:
                trial = yield careful(step)
                if self._rate(trial) < self._rate(base) * (UP_GAIN if upward else DOWN_LOSS):
                    break
                found, steps = step, steps + 1
                if upward:
                    base = trial
            if steps <= 1:
                hold_s = min(2 * hold_s, LONGEST_HOLD_S)
            count, upward = found, not upward

    def _wait(self, count: int, hold_s: float) -> Generator[Measure, Sample, tuple[Sample, bool]]:
        """Stay for `hold_s`, or for the first hold only where the rate becomes another one.

        Return what was measured last, and whether the rate changed.
        """
        began_s = self._now_s
        first = yield careful(count)
        last: deque[Sample] = deque([first], maxlen=3)
        has_changed = False
        while self._now_s - began_s < (FIRST_HOLD_S if has_changed else hold_s):
            last.append((yield careful(count)))
            now, before = self._rate(last[-1] + last[-2]), self._rate(first)
            has_changed = has_changed or not CHANGED < now / before < 1 / CHANGED
        base = last.pop()
        if not has_changed:
            base = sum(last, base)
        return base, has_changed

    def _allowed(self, count: int) -> int:
        """Return `count`, or less where the server or the time in hand asks for less."""
        count = min(count, self._ceiling)
        if self._in_hand_s > 0:
            count = min(count, int(self.count * LONGEST_IN_HAND_S / self._in_hand_s))
        return max(1, count)

    def _next(self, count: int, *, upward: bool) -> int | None:
        """Return the number one step up or down, if there may be such a one."""
        if upward:
            higher = min((step for step in self._steps if step > count), default=count)
            return higher if count < higher == self._allowed(higher) else None
        return max((step for step in self._steps if step < count), default=None)

    def _pays(self, measured: Mapping[int, Sample], lower: int, higher: int) -> bool:
        wanted = 1 + GROWTH * (higher / lower - 1)
        return self._rate(measured[higher]) >= wanted * self._rate(measured[lower])

    def _enough(self, measured: Mapping[int, Sample]) -> int:
        """Return the smallest number that is nearly as fast as the fastest."""
        best = max(map(self._rate, measured.values()))
        return min(n for n, sample in measured.items() if self._rate(sample) >= ENOUGH * best)

    def _may_do(self, fewer: int, best: int, measured: Mapping[int, Sample]) -> bool:
        """Tell whether fewer may do as well: not where each further one has brought its part."""
        below = max((n for n in measured if n < best), default=best)
        gained = self._rate(measured[best]) / self._rate(measured[below])
        return fewer / below >= ENOUGH * gained

    def _around(self, best: int, measured: Mapping[int, Sample]) -> list[int]:
        """Return the numbers half way from the best to the measured ones beside it."""
        below = max((n for n in measured if n < best), default=best)
        above = min((n for n in measured if n > best), default=best)
        between = {(best + below) // 2, (best + above + 1) // 2}
        return sorted(between - measured.keys())
