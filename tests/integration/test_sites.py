"""Where the telescopes stand: asked of a real server, remembered, followed by the nights of rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from oort.daemon.gate import Gate
from oort.daemon.sites import AGAIN_S, NOTE, Sites
from oort.queue import nights
from oort.remote import Remote
from oort.values import Watch
from tests.support.attempts import API, log_in
from tests.support.fakes import FakeClock, Shortest
from tests.support.rows import all_rows, settle, version

if TYPE_CHECKING:
    from oort.queue.opening import OpenQueue
    from tests.support.sandbox import Sandbox

ALIAS = "rehearsal-05"
LONGITUDE = -70.4045
NOON_THERE = datetime(2026, 11, 22, 16, 41, 37, tzinfo=UTC)


class Place:
    """A watch with a telescope, and what is known of where that stands."""

    def __init__(self, opened: OpenQueue, *, telescope: str | None = ALIAS) -> None:
        self.opened = opened
        self.clock = FakeClock()
        self.gate = Gate(self.clock, Shortest(), on_change=lambda: None)
        self.sites = Sites(opened.queue, self.gate, self.clock)
        self.watches = [Watch("dome", Path("/data/dome"), api=API, telescope=telescope)]

    @property
    def is_due(self) -> bool:
        return self.sites.is_due(self.watches)

    @property
    def longitude(self) -> float | None:
        return self.sites.longitude_of("dome")

    def ask(self) -> None:
        self.sites.run(self.watches, remote_at)

    def nights(self) -> dict[str, str]:
        return {row["path_text"]: row["night"] for row in all_rows(self.opened)}


def remote_at(api: str) -> Remote:
    return Remote(api, connect_timeout_s=5, read_timeout_s=5)


@pytest.fixture
def place(opened: OpenQueue, lasting_sandbox: Sandbox) -> Place:
    lasting_sandbox.clear()
    lasting_sandbox.forget_requests()
    log_in(lasting_sandbox)
    return Place(opened)


def test_a_telescope_is_asked_for_once(place: Place, lasting_sandbox: Sandbox) -> None:
    assert place.is_due
    assert place.longitude is None

    place.ask()
    place.clock.advance(AGAIN_S)
    place.ask()

    assert LONGITUDE == place.longitude
    assert not place.is_due
    assert {f"/telescopes/{ALIAS}/"} == {
        request["path"] for request in lasting_sandbox.requests("GET", "telescopes")
    }


def test_what_was_told_outlives_a_restart_without_the_server(place: Place) -> None:
    place.ask()
    place.opened.writer.run(lambda _: None)

    again = Place(place.opened)

    assert LONGITUDE == again.longitude


def test_a_watch_without_a_telescope_asks_nothing(place: Place, lasting_sandbox: Sandbox) -> None:
    bare = Place(place.opened, telescope=None)

    assert not bare.is_due
    bare.ask()
    assert [] == lasting_sandbox.requests()


def test_a_telescope_that_is_taken_from_a_watch_counts_no_more(place: Place) -> None:
    place.ask()
    place.watches = [Watch("dome", Path("/data/dome"), api=API)]
    assert place.is_due

    place.ask()

    assert place.longitude is None
    assert not place.is_due
    place.opened.writer.run(lambda _: None)
    assert {} == place.opened.queue.memory.noted(NOTE)


@pytest.mark.parametrize("rule", [{"status": 500}, {"status": 403}, {"status": 401}])
def test_a_question_that_fails_says_nothing_of_the_link_and_is_asked_again(
    place: Place, lasting_sandbox: Sandbox, rule: dict[str, int]
) -> None:
    lasting_sandbox.rule(path="telescopes", **rule)

    place.ask()

    assert place.longitude is None
    assert not place.is_due
    assert place.gate.link(API).is_online
    lasting_sandbox.clear()
    place.clock.advance(AGAIN_S)
    assert place.is_due
    place.ask()
    assert LONGITUDE == place.longitude


def test_while_the_link_is_down_nothing_is_asked(place: Place) -> None:
    place.gate.failed(API, "no route to host")

    assert not place.is_due


def test_rows_that_were_there_before_belong_to_the_night_of_the_place(place: Place) -> None:
    """Seen while the server was away, and filed by the time zone of a machine that says UTC."""
    before, after = "2026-11-22T16:30:00", "2026-11-22T16:50:00"
    for name, moment in (("before.fits", before), ("after.fits", after)):
        settle(place.opened, version(name), night="2026-11-22", header={"DATE-OBS": moment})
    settle(place.opened, version("other.fits"), watch="shed", night="1999-01-01")

    place.ask()

    assert {
        "before.fits": "2026-11-21",
        "after.fits": "2026-11-22",
        "other.fits": "1999-01-01",
    } == place.nights()


def test_rows_are_looked_at_twice_because_some_were_on_their_way(place: Place) -> None:
    place.ask()
    settle(
        place.opened,
        version("late.fits"),
        night="2026-11-22",
        header={"DATE-OBS": "2026-11-22T16:30:00"},
    )

    place.clock.advance(AGAIN_S)
    place.ask()

    assert {"late.fits": "2026-11-21"} == place.nights()


def test_what_another_telescope_took_keeps_its_night(place: Place) -> None:
    place.ask()
    place.clock.advance(AGAIN_S)
    place.ask()
    settle(place.opened, version("old.fits"), night="1999-01-01")
    place.watches = [Watch("dome", Path("/data/dome"), api=API, telescope="rehearsal-astrograph")]

    place.ask()

    assert LONGITUDE == place.longitude
    assert {"old.fits": "1999-01-01"} == place.nights()


def test_many_rows_are_renamed_in_small_steps(opened: OpenQueue) -> None:
    names = [version(f"{n}.fits") for n in range(25)]
    settle(opened, *names, night="2026-11-22", header={"DATE-OBS": "2026-11-22T16:30:00"})
    steps, after_id = [], 0
    while after_id is not None:
        count, after_id = opened.queue.change(
            lambda c, after=after_id: nights.rename_nights(
                c, "", "dome", LONGITUDE, after_id=after, most=10
            )
        )
        steps.append(count)

    assert [10, 10, 5] == steps
    assert {"2026-11-21"} == {row["night"] for row in all_rows(opened)}


def test_the_site_tells_where_its_telescope_does_not(lasting_sandbox: Sandbox) -> None:
    lasting_sandbox.clear()
    log_in(lasting_sandbox)
    (site, *_) = lasting_sandbox.get("/observingsites/", key=lasting_sandbox.access_key).json()
    made = lasting_sandbox.send(
        "POST",
        "/telescopes/",
        {"name": "Nameless", "observing_site": site["uuid"]},
        key=lasting_sandbox.access_key,
    ).json()
    assert not made["coordinates"]
    remote = remote_at(API)

    assert LONGITUDE == remote.longitude_deg(made["uuid"], None)
    assert remote.longitude_deg("no-such-telescope", None) is None
    remote.close()
