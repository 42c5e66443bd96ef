"""The night is long enough for everything that has to happen in it."""

from __future__ import annotations

import pytest

from oort.demo.script import script


@pytest.mark.parametrize("exposures", [1, 2, 3, 6, 12, 1000])
def test_what_breaks_breaks_within_the_night(exposures: int) -> None:
    play = script(exposures)

    assert 1 <= play.cut_at <= play.killed_at <= exposures
    assert 1 <= play.calibration_at <= exposures


def test_the_kill_comes_after_the_outage_in_both_nights() -> None:
    for play in (script(), script(fast=True)):
        assert play.cut_at < play.killed_at < play.exposures
