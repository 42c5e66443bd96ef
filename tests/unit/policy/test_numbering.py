"""Holes in the numbers of otherwise equal names."""

from __future__ import annotations

import random

import pytest

from oort.policy.numbering import Gap, gaps


def numbered(pattern: str, *numbers: int) -> list[str]:
    return [pattern.format(n) for n in numbers]


def holes(*names: str) -> list[tuple[str, str, int]]:
    return [(gap.after, gap.before, gap.missing) for gap in gaps(names)]


def test_a_hole_is_told_by_the_names_at_its_edges() -> None:
    assert [Gap("M31_0041.fits", "M31_0043.fits", 1)] == gaps(["M31_0043.fits", "M31_0041.fits"])
    assert [] == gaps(["M31_0041.fits", "M31_0042.fits"])
    assert [] == gaps(["M31_0041.fits"]) == gaps([])


def test_the_order_of_the_names_does_not_matter_and_each_counts_once() -> None:
    names = numbered("M31_{:04}.fits", *range(1, 50), *range(52, 90)) * 2
    random.Random(7).shuffle(names)

    assert [Gap("M31_0049.fits", "M31_0052.fits", 2)] == gaps(names)


@pytest.mark.parametrize(
    "names",
    [
        ("a_0999.fits", "a_1000.fits"),
        ("a_9.fits", "a_10.fits"),
        ("a_09.fits", "a_10.fits"),
        ("a_9999.fits", "a_10000.fits"),
        ("a_1.fits", "a_01.fits", "a_002.fits"),
    ],
)
def test_numbers_are_compared_as_numbers(names: tuple[str, ...]) -> None:
    assert [] == holes(*names)


@pytest.mark.parametrize(
    "names",
    [
        ("M31_R_0041.fits", "M31_V_0043.fits"),
        ("M31_0041.fits", "M31_0043.fits.gz"),
        ("M31_0041.fits", "M31_0043.fit"),
        ("M31-0041.fits", "M31_0043.fits"),
        ("M31_0041.fits", "M33_0043.fits"),
        ("dark_60s_001.fits", "dark_60s_002.fits", "dark_300s_001.fits", "dark_300s_002.fits"),
        ("a.fits", "b.fits"),
    ],
)
def test_names_that_are_otherwise_not_equal_have_nothing_to_do_with_each_other(
    names: tuple[str, ...],
) -> None:
    assert [] == holes(*names)


def test_of_several_numbers_the_one_that_changes_most_counts() -> None:
    names = [
        f"dark_{seconds}s_{number:03}.fits" for seconds in (60, 120, 300) for number in (1, 2, 3, 5)
    ]

    assert {1} == {gap.missing for gap in gaps(names)}
    assert [
        ("dark_120s_003.fits", "dark_120s_005.fits", 1),
        ("dark_300s_003.fits", "dark_300s_005.fits", 1),
        ("dark_60s_003.fits", "dark_60s_005.fits", 1),
    ] == holes(*names)
    assert [("f1_r_2.fits", "f3_r_2.fits", 1)] == holes("f1_r_2.fits", "f3_r_2.fits")


def test_a_number_may_stand_anywhere() -> None:
    assert [("0041_M31.fits", "0043_M31.fits", 1)] == holes("0041_M31.fits", "0043_M31.fits")
    assert [("IMAGE.001", "IMAGE.003", 1)] == holes("IMAGE.001", "IMAGE.003")
    assert [("M31.0041.fits", "M31.0043.fits", 1)] == holes("M31.0041.fits", "M31.0043.fits")
    assert [("7", "9", 1)] == holes("7", "9")


def test_a_huge_hole_is_one_line() -> None:
    assert [("a_000000001.fits", "a_500000000.fits", 499_999_998)] == (
        holes("a_000000001.fits", "a_500000000.fits")
    )
    assert [] == holes("a_1.fits", f"a_{10**400}.fits")


def test_a_counter_begins_anew_after_its_nines() -> None:
    around = numbered("IMG_{:04}.CR2", 9998, 9999, 1, 2)

    assert [] == holes(*around)
    assert [] == holes(*around, "IMG_0000.CR2")
    assert [("IMG_9997.CR2", "IMG_0002.CR2", 3)] == holes("IMG_9997.CR2", "IMG_0002.CR2")
    assert [("IMG_0002.CR2", "IMG_0004.CR2", 1)] == holes(*around, "IMG_0004.CR2")


def test_a_counter_that_is_not_near_its_nines_has_a_hole() -> None:
    assert [("a_0002.fits", "a_8000.fits", 7997)] == holes(
        "a_0001.fits", "a_0002.fits", "a_8000.fits"
    )
    assert [("a_01.fits", "a_99.fits", 97)] == holes("a_01.fits", "a_99.fits")
    assert [("a_1.fits", "a_9999.fits", 9997)] == holes("a_1.fits", "a_9999.fits")


@pytest.mark.parametrize(
    "names",
    [
        numbered("M31_202611{:02}.fits", 1, 3, 7),
        numbered("M31_2026-11-{:02}.fits", 1, 3, 7),
        numbered("M31_2026-11-22T21{:02}15.fits", 1, 3, 7),
        numbered("M31_20261122_21{:02}15.fits", 1, 3, 7),
        numbered("M31_202611222130{:02}.fits", 1, 3, 7),
        numbered("M31_21-{:02}-15.fits", 1, 3, 7),
        numbered("M31_21:{:02}:15.fits", 1, 3, 7),
        numbered("M31_17643{:05}.fits", 1, 400, 900),
        numbered("M31_{:06}.fits", *(n * 500 for n in range(1, 20))),
    ],
    ids=lambda names: names[0],
)
def test_dates_and_times_are_no_counters(names: list[str]) -> None:
    assert [] == holes(*names)


def test_a_counter_beside_date_time_and_temperature_is_found() -> None:
    frames = [
        f"M31_2026-11-22_21-{n:02}-3{n % 10}_R_{-9.8 - n % 3 / 10:.2f}_300.00s_{n:04}.fits"
        for n in range(1, 30)
        if n != 17
    ]

    (gap,) = gaps(frames)

    assert 1 == gap.missing
    assert gap.after.endswith("_0016.fits")
    assert gap.before.endswith("_0018.fits")


def test_a_number_after_a_date_counts() -> None:
    names = ("20261122001.fits", "20261122003.fits", "20261123001.fits", "20261123002.fits")

    assert [("20261122001.fits", "20261122003.fits", 1)] == holes(*names)
    assert [("2026-11-22_0041_60s.fits", "2026-11-22_0043_60s.fits", 1)] == holes(
        "2026-11-22_0041_60s.fits", "2026-11-22_0043_60s.fits"
    )


def test_a_counter_that_filters_share_is_no_row_of_holes() -> None:
    """L_0001, R_0002, G_0003, B_0004, L_0005: each filter has every fourth number."""
    names = [f"M31_{'LRGB'[n % 4]}_{n:04}.fits" for n in range(400)]

    assert [] == holes(*names)


def test_odd_names_are_only_names() -> None:
    assert [] == holes("", "²³.fits", "٤٢.fits", "\0.fits", "bad\\xff.fits", "-", "--1", "_-1.5C_")
