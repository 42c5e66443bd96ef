from __future__ import annotations

import pytest

from oort.daemon.passing import LEAST_BYTES, Rates, largest_to_pass

MB = 1_000_000


def test_behind_large_files_on_a_thin_link_a_small_one_may_pass() -> None:
    assert largest_to_pass([(32 * MB, 30 * MB)] * 4, 1.0 * MB) == 500_000


def test_files_of_about_the_same_size_do_not_pass_each_other() -> None:
    assert largest_to_pass([(200 * MB, 200 * MB), (120 * MB, 110 * MB)], 100.0 * MB) == 30 * MB


def test_on_a_very_thin_link_files_of_a_few_kilobytes_may_still_pass() -> None:
    assert largest_to_pass([(32 * MB, 30 * MB)], 10_000.0) == LEAST_BYTES


@pytest.mark.parametrize(
    ("in_hand", "rate"),
    [
        ([], 1.0 * MB),
        ([(32 * MB, 30 * MB)], 0.0),
        ([(32 * MB, 30 * MB), (32 * MB, 400_000)], 1.0 * MB),
        ([(2 * MB, 2 * MB)] * 4, 100.0 * MB),
        ([(32 * MB, 30 * MB), (20_000, 20_000)], 10_000.0),
        ([(20_000, 20_000)] * 4, 10_000.0),
    ],
    ids=[
        "nothing in hand",
        "nothing moves",
        "one is through soon",
        "all are",
        "one is small",
        "all are small, and slow",
    ],
)
def test_otherwise_it_waits_for_its_turn(in_hand: list[tuple[int, int]], rate: float) -> None:
    assert largest_to_pass(in_hand, rate) is None


def test_the_rate_is_that_of_the_last_seconds() -> None:
    rates = Rates()
    assert rates.bytes_per_s(0.0) == 0.0
    for tenth in range(200):  # ten seconds of 1 MB/s, then ten of nothing
        rates.look(tenth / 10, min(tenth, 100) * MB // 10)
    assert rates.bytes_per_s(19.9) == 0.0
    for tenth in range(200, 300):
        rates.look(tenth / 10, 10 * MB + (tenth - 199) * 2 * MB // 10)
    assert rates.bytes_per_s(29.9) == pytest.approx(2 * MB, rel=0.05)


def test_a_rate_that_falls_silent_counts_as_less_and_less() -> None:
    rates = Rates()
    rates.look(0.0, 0)
    rates.look(1.0, MB)
    assert rates.bytes_per_s(1.0) == pytest.approx(1.0 * MB)
    assert rates.bytes_per_s(10.0) == pytest.approx(0.1 * MB)
