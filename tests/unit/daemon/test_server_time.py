"""A clock that is wrong is a warning, until an answer says that it is right."""

from __future__ import annotations

from datetime import timedelta

import pytest

from oort.daemon.server_time import ServerTime
from oort.daemon.warnings import Warnings
from oort.policy import wrong_clock


class Told:
    def __init__(self) -> None:
        self.warnings = Warnings()
        self.time = ServerTime(self.warnings)

    def hear(self, api: str = "cloud", **ahead: float) -> list[str]:
        self.time.heard(api, timedelta(**ahead))
        return self.warnings.said()


def test_less_than_a_minute_is_nothing() -> None:
    told = Told()

    assert [] == told.hear(seconds=60) == told.hear(seconds=-60)
    assert {} == told.time.told()


def test_a_clock_that_is_wrong_is_said_and_noted_until_it_is_right() -> None:
    told = Told()

    assert ["2 h 5 min ahead of that of the server cloud" in one for one in told.hear(minutes=125)]
    assert {"cloud": 7500.0} == told.time.told()
    assert [] == told.hear(seconds=1)
    assert {} == told.time.told()


def test_an_answer_without_a_date_changes_nothing() -> None:
    told = Told()
    told.hear(hours=-3)

    told.time.heard("cloud", None)

    assert {"cloud": -10800.0} == told.time.told()


def test_a_difference_that_trembles_is_the_same() -> None:
    told = Told()
    told.hear(seconds=7200)
    told.hear(seconds=7201.3)
    assert {"cloud": 7200.0} == told.time.told()

    told.hear(seconds=7300)
    assert {"cloud": 7300.0} == told.time.told()


def test_each_server_is_told_by_itself_and_a_set_clock_is_not_known() -> None:
    told = Told()
    told.hear("cloud", hours=2)
    assert 2 == len(told.hear("dome", hours=3))

    told.time.forget()

    assert [] == told.warnings.said()
    assert {} == told.time.told()


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (timedelta(minutes=2), "2 min ahead of"),
        (timedelta(minutes=-119), "119 min behind"),
        (timedelta(hours=-5, minutes=-7), "5 h 7 min behind"),
        (timedelta(days=800), "800 days ahead of"),
    ],
)
def test_a_difference_is_said_as_people_say_it(ahead: timedelta, words: str) -> None:
    assert f"this computer's clock is {words} that of the server cloud" == (
        wrong_clock.words("cloud", ahead)
    )
