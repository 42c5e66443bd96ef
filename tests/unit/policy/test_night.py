"""Which night a file belongs to."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from math import floor
from zoneinfo import ZoneInfo

import pytest
from astropy.time import Time

from oort.policy.night import bounds_of, moment_of, night_of

NOON_NS = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()) * 10**9
HAWAII = -155.4681
SIDING_SPRING = 149.0672
LONGITUDES = sorted({*range(-165, 180, 15), HAWAII, SIDING_SPRING, 179.5} - {-150, 150})
"""Twenty-four around the Earth."""
MOMENT = timedelta(microseconds=1)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]  # year to second


@pytest.mark.parametrize(
    ("moment", "longitude", "night"),
    [
        (utc(2026, 11, 22, 23), 0.0, date(2026, 11, 22)),
        (utc(2026, 11, 23, 3), 0.0, date(2026, 11, 22)),
        (utc(2026, 11, 23, 11, 59, 59), 0.0, date(2026, 11, 22)),
        (utc(2026, 11, 23, 12), 0.0, date(2026, 11, 23)),
        (utc(2026, 11, 23, 10), HAWAII, date(2026, 11, 22)),
        (utc(2026, 11, 23, 10), HAWAII + 360, date(2026, 11, 22)),
        (utc(2026, 11, 23, 10), 149.07, date(2026, 11, 23)),
    ],
)
def test_a_night_runs_from_local_solar_noon_to_noon(
    moment: datetime, longitude: float, night: date
) -> None:
    assert night == night_of(moment, longitude)


@pytest.mark.parametrize("longitude", LONGITUDES)
@pytest.mark.parametrize("hour", range(24))
def test_a_night_is_a_julian_day_of_the_place(longitude: float, hour: int) -> None:
    """The Julian day begins at noon: of Greenwich for JD, of the place for JD plus its longitude.

    The whole days are reckoned by astropy (ERFA), which shares nothing with the product.
    """
    moment = utc(2026, 11, 22, hour, 29, 31)
    of_the_place = Time(moment).jd + longitude / 360

    evening = Time(floor(of_the_place), format="jd").to_datetime().date()

    assert evening == night_of(moment, longitude)


@pytest.mark.parametrize("longitude", LONGITUDES)
@pytest.mark.parametrize("hour", range(24))
def test_a_night_has_the_moments_between_its_ends(longitude: float, hour: int) -> None:
    moment = utc(2026, 11, 22, hour, 29, 31)
    night = night_of(moment, longitude)

    begins, ends = bounds_of(night, longitude)

    assert begins <= moment < ends
    assert timedelta(days=1) == ends - begins
    assert night == night_of(begins, longitude) == night_of(ends - MOMENT, longitude)
    assert night + timedelta(days=1) == night_of(ends, longitude)


@pytest.mark.parametrize(
    ("site", "longitude", "begins"),
    [
        ("Mauna Kea, Hawaii", -155.4681, utc(2026, 11, 22, 22, 21, 52)),
        ("Cerro Paranal", -70.4045, utc(2026, 11, 22, 16, 41, 37)),
        ("Greenwich", 0.0, utc(2026, 11, 22, 12)),
        ("Siding Spring", 149.0672, utc(2026, 11, 22, 2, 3, 43)),
    ],
)
def test_the_night_of_an_observatory_begins_at_its_mean_noon(
    site: str, longitude: float, begins: datetime
) -> None:
    """By hand: four minutes of time for each degree."""
    found, _ = bounds_of(date(2026, 11, 22), longitude)

    assert abs(found - begins) < timedelta(seconds=1), site


def test_a_night_in_a_time_zone_has_the_hours_of_its_clock() -> None:
    brussels = ZoneInfo("Europe/Brussels")  # the clock goes back on 2026-10-25, at 01:00 UTC

    assert bounds_of(date(2026, 10, 24), None, brussels) == (
        utc(2026, 10, 24, 10),
        utc(2026, 10, 25, 11),
    )


def test_without_a_longitude_the_time_zone_counts() -> None:
    morning = utc(2026, 11, 23, 10)

    assert date(2026, 11, 22) == night_of(morning, None, ZoneInfo("Pacific/Honolulu"))
    assert date(2026, 11, 23) == night_of(morning, None, ZoneInfo("Australia/Sydney"))
    assert date(2026, 11, 22) == night_of(morning, float("nan"), ZoneInfo("Pacific/Honolulu"))


@pytest.mark.parametrize("moment", [utc(1, 1, 1), utc(9999, 12, 31, 23, 59, 59)])
def test_the_ends_of_the_calendar_have_a_night(moment: datetime) -> None:
    for longitude in (HAWAII, None):
        night = night_of(moment, longitude)
        begins, ends = bounds_of(night, longitude)
        assert begins <= ends


@pytest.mark.parametrize(
    ("header", "moment"),
    [
        ({"DATE-OBS": "2026-11-22T03:14:15.25"}, "2026-11-22T03:14:15.250000+00:00"),
        ({"DATE-OBS": "2026-11-22T03:14:15Z"}, "2026-11-22T03:14:15+00:00"),
        ({"DATE-OBS": " 2026-11-22 03:14 "}, "2026-11-22T03:14:00+00:00"),
        ({"DATE-OBS": "2026-11-22T23:59:60"}, "2026-11-23T00:00:00+00:00"),
        ({"DATE-OBS": "2026-11-22", "TIME-OBS": "03:14:15"}, "2026-11-22T03:14:15+00:00"),
        ({"DATE-OBS": "2026-11-22", "UT": "3:14:15.5"}, "2026-11-22T03:14:15.500000+00:00"),
        ({"DATE-OBS": "22/11/98", "UT": "03:14:15"}, "1998-11-22T03:14:15+00:00"),
        ({"DATE-OBS": "22/11/26"}, "1926-11-22T00:00:00+00:00"),
        ({"DATE-OBS": "2025-01-02"}, "2025-01-02T00:00:00+00:00"),
        ({"DATE-BEG": "2026-11-22T03:14:15"}, "2026-11-22T03:14:15+00:00"),
        ({"MJD-OBS": "61366.5"}, "2026-11-22T12:00:00+00:00"),
        ({"MJD-OBS": "6.13665D4"}, "2026-11-22T12:00:00+00:00"),
        ({"DATE-OBS": "2026-13-22", "MJD-OBS": "61366.5"}, "2026-11-22T12:00:00+00:00"),
        (
            {"DATE-OBS": "2026-11-20", "DATE-BEG": "2026-11-21T01:02:03"},
            "2026-11-21T01:02:03+00:00",
        ),
    ],
)
def test_the_header_says_when(header: dict[str, str], moment: str) -> None:
    assert moment == moment_of(header, 0).isoformat()


def test_a_date_alone_gives_way_to_an_mtime_of_the_same_day() -> None:
    assert utc(2026, 11, 22, 12) == moment_of({"DATE-OBS": "2026-11-22"}, NOON_NS)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"DATE-OBS": ""},
        {"DATE-OBS": "yesterday"},
        {"DATE-OBS": "0000-00-00T00:00:00"},
        {"DATE-OBS": "2026-11-31T00:00:00"},
        {"DATE-OBS": "31/02/99"},
        {"DATE-OBS": "٢٠٢٦-11-22T00:00:00"},
        {"DATE-BEG": "2026-11-22T25:00:00", "TIME-OBS": "03:00:00"},
        {"MJD-OBS": "nan"},
        {"MJD-OBS": "1e300"},
        {"MJD-OBS": "-inf"},
        {"UT": "03:14:15"},
    ],
)
def test_nonsense_is_passed_over_and_the_mtime_counts(header: dict[str, str]) -> None:
    assert utc(2026, 11, 22, 12) == moment_of(header, NOON_NS)


def test_an_impossible_mtime_is_no_reason_to_fail() -> None:
    assert moment_of({}, 10**30) == utc(1970, 1, 1)
    assert moment_of({}, -(10**30)) == utc(1970, 1, 1)
