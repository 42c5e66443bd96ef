"""The drawing of a night: files over time, seen against safe."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from oort.report.plot import Plot, plot_of

EVENING = datetime(2026, 11, 22, 17, 3, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def drawn(count: int, every: timedelta = MINUTE, late: timedelta = MINUTE) -> Plot:
    seen = [EVENING + n * every for n in range(count)]
    found = plot_of(seen, [one + late for one in seen])
    assert found is not None
    return found


def corners(path: str) -> list[tuple[int, int]]:
    return [(int(x), int(y)) for x, y in re.findall(r"(\d+) (\d+)", path)]


def test_a_night_without_files_has_no_drawing() -> None:
    assert plot_of([], []) is None


def test_a_line_goes_from_nothing_to_all() -> None:
    plot = drawn(10)

    for path in (plot.seen, plot.safe):
        assert corners(path)[0] == (0, 1000)
        assert corners(path)[-1] == (1000, 0)


def test_lines_only_rise_and_go_on() -> None:
    plot = drawn(1000, every=timedelta(seconds=7), late=timedelta(hours=1))

    for path in (plot.seen, plot.safe):
        points = corners(path)
        assert points == sorted(points, key=lambda point: (point[0], -point[1]))


def test_what_was_safe_is_never_above_what_was_seen() -> None:
    plot = drawn(300, late=timedelta(minutes=20))

    def height(path: str, x: int) -> int:
        return min(y for at, y in corners(path) if at <= x)

    assert all(height(plot.seen, x) <= height(plot.safe, x) for x in range(0, 1001, 50))
    assert height(plot.seen, 100) < height(plot.safe, 100)


def test_a_hundred_thousand_files_make_no_larger_a_drawing() -> None:
    seen = [EVENING + n * timedelta(milliseconds=400) for n in range(100_000)]
    plot = plot_of(seen, seen)

    assert plot is not None
    assert len(plot.seen) < 20_000


def test_one_file_and_files_of_one_moment_can_be_drawn() -> None:
    for plot in (drawn(1, late=timedelta(0)), drawn(5, every=timedelta(0), late=timedelta(0))):
        assert corners(plot.seen)[-1] == (1000, 0)
        assert plot.begins_at < plot.ends_at


def test_files_that_are_not_safe_leave_the_line_below() -> None:
    plot = plot_of([EVENING, EVENING + MINUTE], [EVENING + MINUTE])

    assert plot is not None
    assert corners(plot.safe)[-1] == (1000, 500)


@pytest.mark.parametrize(
    "span",
    [timedelta(seconds=5), timedelta(minutes=7), timedelta(hours=11), timedelta(days=9)],
)
def test_there_are_a_few_marks_of_time_and_all_lie_within(span: timedelta) -> None:
    plot = drawn(100, every=span / 100)

    assert 1 <= len(plot.ticks) <= 8
    assert all(0 <= tick.at <= 100 for tick in plot.ticks)
    assert len({tick.text for tick in plot.ticks}) == len(plot.ticks)


@pytest.mark.parametrize("count", [1, 2, 7, 10, 49, 412, 1000, 99_999])
def test_the_marks_of_number_are_round_and_end_with_all(count: int) -> None:
    plot = plot_of([EVENING + n * MINUTE / 60 for n in range(count)], [])

    assert plot is not None
    levels = [int(level.text.replace(",", "")) for level in plot.levels]
    assert (0, count) == (levels[0], levels[-1])
    assert levels == sorted(set(levels))
    assert len(levels) <= 7
    assert 100 == plot.levels[-1].at


def test_a_clock_that_was_set_back_draws_within_the_frame() -> None:
    plot = plot_of([EVENING], [EVENING - timedelta(hours=1)])

    assert plot is not None
    assert all(0 <= x <= 1000 and 0 <= y <= 1000 for x, y in corners(plot.safe + plot.seen))
