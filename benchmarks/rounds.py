"""Contenders in turn, A B A B: what they measured, medians, and ratios round by round."""

from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.folder_run import Reading


class Rounds:
    """The readings of each contender, one a round."""

    def __init__(self) -> None:
        self.readings: dict[str, list[Reading]] = {}

    def take(self, contenders: Mapping[str, Callable[[], Reading]], rounds: int) -> Rounds:
        """Let each contender run once a round."""
        for turn in range(rounds):
            for name, run in contenders.items():
                reading = run()
                self.readings.setdefault(name, []).append(reading)
                told = " ".join(f"{key} {value:.3g}" for key, value in reading.items())
                print(f"# round {turn + 1}: {name}: {told}", file=sys.stderr, flush=True)
        return self

    def values(self, name: str, what: str) -> list[float]:
        """Return what a contender measured, in the order of the rounds."""
        return [reading[what] for reading in self.readings[name]]

    def median(self, name: str, what: str) -> float:
        """Return the median of what a contender measured."""
        return statistics.median(self.values(name, what))

    def spread(self, name: str, what: str, *, digits: int = 2) -> str:
        """Return the median with the least and the most."""
        values = self.values(name, what)
        middle = statistics.median(values)
        return f"{middle:.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"

    def ratio(self, of: str, to: str, what: str) -> float:
        """Return the median of the ratios `of`/`to`, each of one round."""
        pairs = zip(self.values(of, what), self.values(to, what), strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)
