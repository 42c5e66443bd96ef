"""The tables of docs/performance.md, between its markers; the rest of that page is written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.results import Goal, Result, Table, result_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAGE: Final = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN: Final = "<!-- written by `make bench` from benchmarks/results.json -->"
END: Final = "<!-- end of what `make bench` writes -->"


def write(kept: Mapping[str, dict[str, Any]], page: Path = PAGE) -> None:
    """Write the tables into the page. Raises ValueError where it has no markers."""
    page.write_text(with_tables(page.read_text(), kept))


def with_tables(text: str, kept: Mapping[str, dict[str, Any]]) -> str:
    """Return the page's text with the tables between its markers."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks the lines {BEGIN!r} and {END!r}")
    return f"{before}{begin}\n\n{tables(kept)}\n{end}{after}"


def tables(kept: Mapping[str, dict[str, Any]]) -> str:
    """Return the table of all goals, and then the tables of each driver."""
    goals = [_goal_row(goal) for one in kept.values() for goal in result_of(one).goals]
    header = ["what", "must", "aim", "reached", ""]
    lines = [*_lines(Table(header, goals)), ""]
    for name, one in kept.items():
        lines += [*section(name, result_of(one), one["machine"]), ""]
    return "\n".join(lines)


def section(name: str, result: Result, machine: str) -> Iterator[str]:
    """Yield the lines of what one driver measured."""
    yield f"### {result.title}"
    yield ""
    yield result.about
    yield f"`make bench ONLY={name}`: {machine}."
    for table in result.tables:
        yield ""
        yield from _lines(table)
    if result.notes:
        yield ""
        yield from (f"* {note}" for note in result.notes)


def told(name: str, result: Result, machine: str) -> str:
    """Return what a driver measured as text for a terminal."""
    goals = Table(["what", "must", "aim", "reached", ""], list(map(_goal_row, result.goals)))
    lines = [*section(name, result, machine), "", *(_lines(goals) if result.goals else [])]
    return "\n".join(lines)


def _goal_row(goal: Goal) -> list[str]:
    sign = "≥" if goal.more_is_better else "≤"
    unit = f" {goal.unit}" if goal.unit else ""
    must, aim = (
        "" if bound is None else f"{sign} {bound:g}{unit}" for bound in (goal.must, goal.aim)
    )
    reached = f"{goal.reached:.{goal.digits}f}{unit}"
    return [goal.what, must, aim, reached, "" if goal.is_met else "missed"]


def _lines(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(table.header)} |"
    yield f"|{'---|' * len(table.header)}"
    yield from (f"| {' | '.join(row)} |" for row in table.rows)


if __name__ == "__main__":
    from benchmarks import results
    from benchmarks.drivers import DRIVERS

    write(results.in_order(results.read(), DRIVERS))
