"""A machine whose clock says another time than the telescope's: nights go by the place, and by what is right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from oort.policy.night import night_of
from tests.support.files import make_fits
from tests.support.wait import wait_until
from tests.support.wall_clock import WallClock

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

LONGITUDE = -70.4045
"""Of the sandbox's telescopes."""
EVENING = datetime(2026, 11, 22, 23, tzinfo=UTC)


def reported(home: Home, **wanted: Any) -> dict[str, Any]:
    """Wait until the report of that night has these values; return it."""

    def found() -> dict[str, Any] | None:
        document: dict[str, Any] = home.json("report", "--night", "2026-11-22")
        return document if wanted.items() <= document.items() else None

    return wait_until(found, timeout_s=60, what=home.told)


def make_night(folder: Path) -> None:
    """Make a frame before the noon of the place, and one after it."""
    for salt, moment in enumerate(("2026-11-22T16:30:00", "2026-11-22T16:50:00")):
        make_fits(folder / f"frame{salt}.fits", salt=salt, **{"DATE-OBS": moment})


def test_a_night_runs_by_the_telescope_on_a_machine_that_says_utc(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    home.environment["TZ"] = "UTC"
    home.configure()
    folder = tmp_path / "dome"
    make_night(folder)
    home.watch(folder, "--telescope", "rehearsal-05")
    home.start()

    document = reported(home, starts_at="2026-11-22T16:41:37.080Z")
    home.wait_for(OK=2)

    assert "2026-11-23T16:41:37.080Z" == document["ends_at"]
    assert [] == document["warnings"]
    assert "2026-11-21" == home.row("frame0.fits")["night"]
    assert "2026-11-22" == home.row("frame1.fits")["night"]
    assert 1 == home.json("report", "--night", "2026-11-22")["files"]["total"]
    assert 2 == len(sandbox.files())


@pytest.mark.nightly
def test_nights_are_set_right_when_the_server_comes_back(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The files are seen and filed while nobody can tell where the telescope stands."""
    home.environment["TZ"] = "UTC"
    home.configure()
    folder = tmp_path / "dome"
    make_night(folder)
    home.watch(folder, "--telescope", "rehearsal-05")
    sandbox.refuse()
    home.start()
    home.wait_for_link("offline")
    home.wait_for_row("frame0.fits", night="2026-11-22")
    assert ["time zone" in one for one in reported(home)["warnings"]] == [True]

    sandbox.clear()

    home.wait_for_row("frame0.fits", night="2026-11-21")
    home.wait_for(OK=2)
    assert "2026-11-22" == home.row("frame1.fits")["night"]


def test_a_server_that_does_not_tell_keeps_nobody_from_sending(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    home.configure()
    folder = tmp_path / "dome"
    make_night(folder)
    (telescope, *_) = sandbox.telescopes()
    home.watch(folder, "--telescope", telescope["uuid"])
    sandbox.rule(method="GET", path="telescopes", status=500)
    home.start()

    home.wait_for(OK=2)

    moment = datetime(2026, 11, 22, 16, 30, tzinfo=UTC)
    assert night_of(moment, None).isoformat() == home.row("frame0.fits")["night"]
    assert "online" == home.link()["state"]


@pytest.mark.linux
@pytest.mark.parametrize(
    ("step", "words"),
    [
        (timedelta(hours=-5), "clock is 5 h 0 min behind that of the server sandbox"),
        (timedelta(minutes=20), "clock is 20 min ahead of that of the server sandbox"),
    ],
    ids=["5 h behind", "20 min ahead"],
)
def test_a_clock_that_is_wrong_is_said_in_status_and_report(
    home: Home, sandbox: Sandbox, tmp_path: Path, step: timedelta, words: str
) -> None:
    clock = WallClock(tmp_path)
    clock.step(step)
    home.environment |= clock.environment
    home.configure()
    folder = tmp_path / "dome"
    make_fits(folder / "a.fits")
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)

    def said() -> bool:
        return any(words in one for one in home.status()["daemon"]["warnings"])

    wait_until(said, timeout_s=60, what=home.told)
    assert any(words in one for one in home.json("report")["warnings"])
    assert 1 == len(sandbox.files())

    clock.step(-step)  # somebody sets it

    wait_until(lambda: not home.status()["daemon"]["warnings"], timeout_s=60, what=home.told)
    assert [] == home.json("report")["warnings"]
