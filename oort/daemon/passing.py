"""Which files pass others: a new small one does not wait for large ones on a thin link.

While all workers are busy with files that take long, small files are sent beside them, one at a
time, by a thread that counts as none of the number. They take their share of the link for a moment.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

RATE_OVER_S: Final = 5.0
LOOK_EVERY_S: Final = 0.05
SOON_S: Final = 1.0
"""What is through within this time is waited for."""
PASSES_IN_S: Final = 0.5
"""A file may pass if the link carries it in this time."""
SHARE: Final = 0.25
"""It is no larger than this share of any in hand: equals wait for their turn."""
LEAST_BYTES: Final = 64 * 1024
"""So small a one always may, and what is no larger than a few of these is passed by none."""


class Rates:
    """How fast bytes went out in the last seconds, from their sum, looked at now and then."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()

    def look(self, now: float, total: int) -> None:
        """Take in how many bytes went out so far."""
        if self._looks and now - self._looks[-1][0] < LOOK_EVERY_S:
            return
        self._looks.append((now, total))
        while len(self._looks) > 1 and now - self._looks[1][0] >= RATE_OVER_S:
            self._looks.popleft()

    def bytes_per_s(self, now: float) -> float:
        """Return the rate; 0.0 while nothing is known."""
        if not self._looks:
            return 0.0
        (began, before), (_, total) = self._looks[0], self._looks[-1]
        return (total - before) / max(now - began, LOOK_EVERY_S)


def largest_to_pass(in_hand: Sequence[tuple[int, int]], bytes_per_s: float) -> int | None:
    """Return how large a file may be that passes those in hand: of each its size, and what is left.

    None where one of them is small itself or through soon, or where nothing moves: then it waits
    for its turn.
    """
    if not in_hand or bytes_per_s <= 0:
        return None
    smallest, least_left = (min(numbers) for numbers in zip(*in_hand, strict=True))
    largest = min(max(LEAST_BYTES, int(bytes_per_s * PASSES_IN_S)), int(smallest * SHARE))
    is_soon = least_left * len(in_hand) / bytes_per_s < SOON_S
    return None if is_soon or largest < LEAST_BYTES else largest
