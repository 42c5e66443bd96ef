"""A step of the wall clock is noticed, told with its size, and costs no waiting row its turn."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from oort.daemon.clockstep import STEP_S, StepWatch
from oort.daemon.upkeep import Upkeep
from oort.queue.opening import OpenQueue
from oort.settings import Settings
from tests.support.fakes import FakeClock
from tests.support.rows import BUSY, STORED, claim, end, newest, settle, sqlite_at, version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def opened(tmp_path: Path, clock: FakeClock) -> Iterator[OpenQueue]:
    queue = OpenQueue(sqlite_at(tmp_path / "oort.db"), host="", clock=clock)
    yield queue
    queue.close()


@pytest.fixture
def upkeep(opened: OpenQueue, clock: FakeClock, tmp_path: Path) -> Upkeep:
    database = sqlite_at(tmp_path / "oort.db")
    return Upkeep(database, opened.queue, clock, tmp_path / "backups", on_damage=print)


def test_time_that_passes_is_no_step(clock: FakeClock) -> None:
    steps = StepWatch(clock)
    for seconds in (0.0, 1.0, 1.0, 3600.0, 86_400.0):
        clock.advance(seconds)
        assert steps.step() is None


@pytest.mark.parametrize("by_s", [STEP_S + 0.1, -STEP_S - 0.1, 7200, -7200, 9.5e7, -9.5e7])
def test_a_step_is_told_once_with_its_size(clock: FakeClock, by_s: float) -> None:
    steps = StepWatch(clock)
    clock.advance(1.0)
    clock.step(by_s)

    step = steps.step()

    assert step is not None
    assert step.total_seconds() == pytest.approx(by_s, abs=0.001)
    clock.advance(1.0)
    assert steps.step() is None


def test_a_clock_that_is_corrected_a_little_does_not_step(clock: FakeClock) -> None:
    steps = StepWatch(clock)
    for _ in range(100):
        clock.advance(1.0)
        clock.step(0.05)
        assert steps.step() is None


@pytest.mark.parametrize("hours", [-2, 2, 26_000, -26_000])
def test_a_waiting_row_waits_as_long_as_before(
    opened: OpenQueue, upkeep: Upkeep, clock: FakeClock, hours: int
) -> None:
    settle(opened, version("a.fits"))
    end(opened, claim(opened)[0], BUSY)
    clock.advance(3000)

    clock.step(hours * 3600)
    assert upkeep.follow_clock()

    due = newest(opened, "a.fits")["next_attempt_at"]
    assert due - clock.now() == timedelta(seconds=600)
    clock.advance(599)
    assert claim(opened) == []
    clock.advance(2)
    assert len(claim(opened)) == 1


def test_without_a_step_nothing_is_written(
    opened: OpenQueue, upkeep: Upkeep, clock: FakeClock
) -> None:
    before = opened.writer.commits
    for _ in range(5):
        clock.advance(1.0)
        assert not upkeep.follow_clock()

    assert opened.writer.commits == before


def test_a_daemon_that_starts_with_a_clock_from_the_past_waits_a_day_at_most(
    opened: OpenQueue, upkeep: Upkeep, clock: FakeClock
) -> None:
    """It was stopped while the clock was years ahead, so no step could be seen."""
    settle(opened, version("a.fits"))
    end(opened, claim(opened)[0], BUSY)
    clock.step(-3 * 365 * 86_400)

    upkeep.clamp_waits(Settings())

    assert newest(opened, "a.fits")["next_attempt_at"] == clock.now() + timedelta(days=1)


def test_history_outlives_a_clock_that_is_years_ahead_for_a_moment(
    opened: OpenQueue, upkeep: Upkeep, clock: FakeClock
) -> None:
    settle(opened, version("a.fits"))
    end(opened, claim(opened)[0], STORED)
    clock.advance(3600)

    clock.step(3 * 365 * 86_400)
    upkeep.prune(Settings())
    upkeep.prune(Settings())
    clock.advance(3000)
    upkeep.prune(Settings())
    clock.step(-3 * 365 * 86_400)
    upkeep.prune(Settings())
    clock.advance(3601)
    upkeep.prune(Settings())

    assert newest(opened, "a.fits").steps
    clock.advance((Settings().history_days + 1) * 86_400)
    upkeep.prune(Settings())
    assert not newest(opened, "a.fits").steps


def test_a_copy_that_finds_damage_ends_the_daemon(tmp_path: Path, clock: FakeClock) -> None:
    file, told = tmp_path / "oort.db", list[str]()
    queue = OpenQueue(sqlite_at(file), host="", clock=clock)
    settle(queue, *(version(f"{number}.fits") for number in range(500)))
    queue.close()
    with file.open("r+b") as raw:
        raw.seek(8192)
        raw.write(b"\xa5" * 65_536)
    upkeep = Upkeep(
        sqlite_at(file),
        queue.queue,
        clock,
        tmp_path / "backups",
        on_damage=told.append,
    )

    upkeep.copy_queue()

    assert told[0].startswith("the queue is damaged: ")
    assert not list((tmp_path / "backups").iterdir())
