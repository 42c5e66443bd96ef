"""What was measured, as it is kept: benchmarks/results.json, from which the page's tables are made."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE: Final = Path(__file__).with_name("results.json")


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure that has to be reached, or that is aimed for."""

    what: str
    reached: float
    must: float | None
    aim: float | None = None
    unit: str = ""
    """Empty for a ratio."""
    more_is_better: bool = False
    digits: int = 2

    @property
    def is_met(self) -> bool:
        """Whether it is as it must be."""
        if self.must is None:
            return True
        return self.reached >= self.must if self.more_is_better else self.reached <= self.must


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a heading."""

    header: list[str]
    rows: list[list[str]]


@dataclass(frozen=True, slots=True)
class Result:
    """What one driver has to say."""

    title: str
    about: str
    """What was done, in a sentence or two."""
    goals: list[Goal] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was left out, and why; what to keep in mind."""


def read(file: Path = FILE) -> dict[str, dict[str, Any]]:
    """Return what was measured so far, by the driver's name."""
    if not file.exists():
        return {}
    kept: dict[str, dict[str, Any]] = json.loads(file.read_text())
    return kept


def keep(name: str, result: Result, machine: str, file: Path = FILE) -> None:
    """Keep what a driver measured in place of what it had measured before."""
    kept = read(file)
    kept[name] = {"machine": machine, **asdict(result)}
    file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def in_order(kept: dict[str, dict[str, Any]], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what was kept in the order of the names; what has no name any more is left out."""
    return {name: kept[name] for name in names if name in kept}


def result_of(kept: dict[str, Any]) -> Result:
    """Return what was kept as a value."""
    return Result(
        title=kept["title"],
        about=kept["about"],
        goals=[Goal(**goal) for goal in kept["goals"]],
        tables=[Table(**table) for table in kept["tables"]],
        notes=kept["notes"],
    )
