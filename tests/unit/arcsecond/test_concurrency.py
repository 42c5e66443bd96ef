"""How many uploads at a time: against links and servers that exist in virtual time only."""

from __future__ import annotations

import pytest

from arcsecond.concurrency import (
    FIRST,
    LONGEST_IN_HAND_S,
    LOST_IN_A_ROW,
    MOST,
    MUCH_TOO_LONG,
    Concurrency,
    Tried,
)
from arcsecond.workrate import LEAST_OVERHEAD, MOST_OVERHEAD, Sizes
from tests.support.simulated_link import (
    DAEMON_TICK_S,
    KB,
    MB,
    Fixed,
    Run,
    World,
    auto,
    best_fixed,
    sizes,
)

MIXED = sizes((20 * KB, 0.9), (2 * MB, 0.1))
LARGE = sizes((32 * MB, 1.0))
PYTHON = {"computing_s": 0.0008, "crowding": 0.05}
"""What a file costs a client whose threads are in each other's way."""

WORLDS = {
    **{f"{ms} ms": World(latency_s=ms / 1000) for ms in (1, 5, 20, 50, 100, 300)},
    **{f"{ms} ms, Python": World(latency_s=ms / 1000, **PYTHON) for ms in (0.2, 1, 5, 50)},
    "50 ms, one in a hundred refused": World(refusal_chance=0.01),
    "300 ms, one in a hundred refused": World(latency_s=0.3, refusal_chance=0.01),
    "three places": World(places=3),
    "ten places": World(places=10),
    "slower under load, 3": World(slows_at=3),
    "slower under load, 8": World(slows_at=8),
    "slower under load, 16": World(slows_at=16),
    "503 above ten": World(refuses_over=10),
    "1 MB/s": World(bytes_per_s=MB),
    "1 MB/s, mixed sizes": World(bytes_per_s=MB, size=MIXED),
    "fast and far, mixed sizes": World(bytes_per_s=1000 * MB, size=MIXED),
    "far, a window each, mixed sizes": World(
        latency_s=0.15, bytes_per_s=20 * MB, each_bytes_per_s=2 * MB, size=MIXED
    ),
}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_it_is_as_fast_as_the_best_number_would_be(world: World, seed: int) -> None:
    """From the 3,000th file and third second on, nine tenths at least of what the best of ten fixed numbers gives."""
    best, _ = best_fixed(world, files=2000, seed=seed)
    run = Run(world, auto(), seed).until(files=3000).until(seconds=3.0)
    began_s = run.now_s
    run.until(files=len(run.finished) + 3000)
    assert run.rate(after_s=began_s) >= 0.9 * best
    assert max(count for _, count in run.counts) <= MOST


SETTLING = {
    "300 ms": World(latency_s=0.3),
    "three places": World(places=3),
    "slower under load": World(slows_at=8),
    "1 MB/s, mixed sizes": World(bytes_per_s=MB, size=MIXED),
    "10 MB/s, large files": World(bytes_per_s=10 * MB, size=LARGE, buffer_bytes=2 * MB),
    "one in a hundred refused": World(latency_s=0.3, refusal_chance=0.01),
}


@pytest.mark.parametrize("world", SETTLING.values(), ids=SETTLING)
def test_it_settles_and_looks_elsewhere_ever_more_rarely(world: World) -> None:
    run = Run(world, auto()).until(seconds=600)
    assert run.changes(after_s=60) <= 14
    assert run.changes(after_s=300) <= 6


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_thousand_small_files_begin_quickly(seed: int) -> None:
    """A quarter more time than with the best number from the beginning, or sixteen throughout."""
    world = World(latency_s=0.05, **PYTHON)
    run = Run(world, auto(), seed, tick_s=DAEMON_TICK_S).until(files=1000)
    sixteen = Run(world, Fixed(16), seed).until(files=1000)
    best = min(Run(world, Fixed(most), seed).until(files=1000).now_s for most in (24, 32))
    assert run.first_at(8) <= 0.5
    assert run.first_at(16) <= 0.8
    assert run.first_at(32) <= 1.1
    assert run.now_s <= sixteen.now_s
    assert run.now_s <= 1.5 * best


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_server_far_away_that_refuses_some_is_used_five_times_as_much_as_by_four(
    seed: int,
) -> None:
    world = World(latency_s=0.1, refusal_chance=0.01)
    run = Run(world, auto(), seed, tick_s=DAEMON_TICK_S).until(files=2000)
    four = Run(world, Fixed(4), seed).until(files=2000)
    assert run.now_s <= four.now_s / 5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_threads_are_in_each_others_way_few_are_found_soon(seed: int) -> None:
    world = World(latency_s=0.0002, **PYTHON)
    run = Run(world, auto(), seed, tick_s=DAEMON_TICK_S).until(files=5000)
    best = min(Run(world, Fixed(most), seed).until(files=5000).now_s for most in (1, 2, 3, 4))
    assert run.counts[-1][1] <= 3
    assert run.now_s <= 1.1 * best


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sixteen_are_not_tried_beside_thirty_two_where_each_brings_its_part(seed: int) -> None:
    run = Run(World(latency_s=0.3), auto(), seed).until(seconds=9)
    assert [count for _, count in run.counts] == [4, 8, 16, 32]


def test_on_a_full_link_large_files_leave_room_for_a_small_one() -> None:
    run = Run(World(bytes_per_s=MB, size=LARGE, buffer_bytes=2 * MB), auto()).until(seconds=900)
    assert max(count for _, count in run.counts) == FIRST
    assert run.counts[-1][1] == 1
    assert run.rate(after_s=200) >= 0.9 * MB


def test_large_files_after_small_ones_are_brought_down_to_what_the_link_carries() -> None:
    run = Run(World(), auto()).until(seconds=30)
    assert run.counts[-1][1] >= 24
    run.world = World(bytes_per_s=10 * MB, size=LARGE)
    run.until(seconds=60)
    in_hand_s = run.counts[-1][1] * 32 * MB / (10 * MB)
    assert in_hand_s <= MUCH_TOO_LONG * LONGEST_IN_HAND_S
    run.until(seconds=400)
    assert run.counts[-1][1] <= 6


def test_a_link_that_becomes_long_is_followed() -> None:
    run = Run(World(latency_s=0.002, **PYTHON), auto()).until(seconds=30)
    assert run.counts[-1][1] <= 8
    run.world = World(latency_s=0.3)
    run.until(seconds=90)
    assert run.counts[-1][1] >= 24


def test_files_that_come_one_by_one_need_no_more_than_the_first_number() -> None:
    run = Run(World(size=LARGE), auto(), demand=lambda now_s: int(now_s / 5)).until(seconds=300)
    assert run.counts == [(0.0, FIRST)]


def test_a_number_on_trial_is_given_up_when_the_files_run_out() -> None:
    run = Run(World(), auto(), demand=lambda now_s: 110 if now_s < 60 else 10**9)
    run.until(seconds=50)
    assert max(count for _, count in run.counts) > run.counts[-1][1]


def test_a_server_that_refuses_much_is_given_less() -> None:
    run = Run(World(latency_s=0.005, refuses_over=3), auto()).until(seconds=60)
    assert run.counts[-1][1] <= 4
    assert run.changes(after_s=20) <= 4


def test_a_server_that_refuses_all_is_not_asked_by_more() -> None:
    run = Run(World(refusal_chance=1.0), auto()).until(seconds=30)
    assert max(count for _, count in run.counts) == FIRST


def test_refusals_that_fewer_do_not_end_do_not_bring_it_to_a_halt() -> None:
    world = World(refusal_chance=0.1)
    run = Run(world, auto()).until(seconds=300)
    fixed, _ = best_fixed(world, files=2000)
    assert run.rate(after_s=60) >= fixed / 3


def test_the_same_happens_each_time() -> None:
    runs = [Run(World(places=10), auto(), seed=7).until(files=3000) for _ in range(2)]
    assert runs[0].counts == runs[1].counts
    assert runs[0].finished == runs[1].finished


@pytest.mark.parametrize("most", [1, 3, 64])
def test_it_asks_for_no_more_than_it_may(most: int) -> None:
    run = Run(World(latency_s=0.3), Concurrency(0.0, most=most)).until(seconds=60)
    assert max(count for _, count in run.counts) == most


def test_while_nothing_gets_through_one_is_enough_and_then_it_begins_anew() -> None:
    number = Concurrency(0.0)
    for _ in range(LOST_IN_A_ROW - 1):
        number.note(20_000, 1.0, Tried.LOST)
    assert number.steer(1.0, moved=0, busy=4, in_hand=80_000) == FIRST
    number.note(20_000, 1.0, Tried.LOST)
    assert number.steer(1.1, moved=0, busy=4, in_hand=80_000) == 1
    assert number.steer(300.0, moved=0, busy=1, in_hand=20_000) == 1
    number.note(20_000, 0.1, Tried.DONE)
    assert number.steer(300.1, moved=20_000, busy=1, in_hand=20_000) == FIRST


def test_connections_that_break_now_and_then_do_not_count() -> None:
    number = Concurrency(0.0)
    for _ in range(100):
        number.note(20_000, 1.0, Tried.LOST)
        number.note(20_000, 1.0, Tried.DONE)
    assert number.steer(1.0, moved=2_000_000, busy=4, in_hand=80_000) >= FIRST


def test_what_a_file_costs_beyond_its_bytes_is_learnt_from_files_of_different_sizes() -> None:
    seen = Sizes()
    for size in (20 * KB, 2 * MB, 500 * KB) * 20:
        seen.add(size, 0.05 + size / (10 * MB))
    assert seen.overhead == pytest.approx(0.05 * 10 * MB, rel=0.01)


def test_what_cannot_be_learnt_stays_within_limits() -> None:
    no_matter, all_matter, alike = Sizes(), Sizes(), Sizes()
    for size in (20 * KB, 2 * MB, 500 * KB) * 20:
        no_matter.add(size, 0.05)
        all_matter.add(size, size / MB)
        alike.add(20 * KB, 0.05)
    assert no_matter.overhead == MOST_OVERHEAD
    assert all_matter.overhead == LEAST_OVERHEAD
    assert alike.overhead == pytest.approx(20 * KB)
