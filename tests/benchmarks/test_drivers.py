"""Each driver of the benchmarks runs, in its short form, and has something to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import page, sink
from benchmarks.drivers import DRIVERS, NEEDS_NO_SERVER
from benchmarks.options import Options
from benchmarks.results import Goal, Result, Table, keep, read, result_of

if TYPE_CHECKING:
    from pathlib import Path

RESULT = Result(
    title="A thing",
    about="Done once.",
    goals=[Goal("so much", 1.5, must=1.0, aim=2.0), Goal("so little", 0.5, must=None, aim=1.0)],
    tables=[Table(["name", "s"], [["oort", "1.00"]])],
    notes=["Not measured: rclone."],
)


@pytest.mark.nightly
@pytest.mark.linux
@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_runs_in_its_short_form(name: str) -> None:
    if name not in NEEDS_NO_SERVER and (lacks := sink.missing()):
        pytest.skip(lacks)

    result = DRIVERS[name](Options(quick=True))

    assert result.goals
    assert all(len(row) == len(table.header) for table in result.tables for row in table.rows)


def test_what_is_kept_comes_back_the_same(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    keep("thing", RESULT, "a machine", file)
    keep("other", RESULT, "a machine", file)

    assert list(read(file)) == ["thing", "other"]
    assert result_of(read(file)["thing"]) == RESULT


def test_only_what_is_between_the_markers_is_written(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    keep("thing", RESULT, "a machine", file)
    before = f"By hand.\n{page.BEGIN}\nold\n{page.END}\nBy hand too.\n"

    after = page.with_tables(before, read(file))

    assert after.startswith("By hand.\n")
    assert after.endswith("By hand too.\n")
    assert "old" not in after
    assert "| so much | ≤ 1 | ≤ 2 | 1.50 | missed |" in after
    assert "| so little |  | ≤ 1 | 0.50 |  |" in after
    assert "| oort | 1.00 |" in after
    assert "* Not measured: rclone." in after
    assert page.with_tables(after, read(file)) == after


def test_a_page_without_markers_is_left_alone() -> None:
    with pytest.raises(ValueError, match="lacks the lines"):
        page.with_tables("By hand.", {})
