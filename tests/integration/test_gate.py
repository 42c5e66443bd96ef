"""Which rows may flow: what the links say, what stands against the watches, one trial at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from oort.daemon.gate import Allowance, Gate
from oort.policy.hold import ALIKE
from oort.policy.link import Probe
from oort.policy.outcome import (
    FileRefused,
    NotReached,
    Outcome,
    RootMissing,
    ServerBusy,
    Stored,
    Unauthorised,
    Unreadable,
    WatchRefused,
)
from tests.support.fakes import EVENING, FakeClock, Longest

if TYPE_CHECKING:
    from collections.abc import Iterable

CLOUD = "cloud"
STORED = Stored("1", "a.fits", "0" * 64, 1, 201)
BUSY = ServerBusy("503", 503)
DOWN = NotReached("connection refused")
NO_DATASET = WatchRefused("no such dataset", 404)
FREE = Allowance(free=True)


class World:
    """A gate with a clock, and a count of the times that it said something changed."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.changes = 0
        self.gate = Gate(self.clock, Longest(), on_change=self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def attempt(
        self, outcome: Outcome, upload_id: int = 1, *, watch: str = "dome", api: str = CLOUD
    ) -> Outcome:
        return self.gate.after_attempt(watch, api, upload_id, outcome).outcome

    def allowance(self, watch: str = "dome", api: str = CLOUD) -> Allowance:
        return self.gate.allowance(watch, api)

    def trouble(self, ids: Iterable[int] = (1, 2, 3)) -> None:
        for upload_id in ids:
            self.attempt(BUSY, upload_id)


@pytest.fixture
def world() -> World:
    return World()


def test_what_nothing_stands_against_flows(world: World) -> None:
    assert world.allowance() == FREE
    assert world.changes == 0


# -- links ------------------------------------------------------------------------------------------


def test_while_nothing_answers_no_row_is_tried(world: World) -> None:
    world.attempt(DOWN)
    world.clock.advance(3600)

    assert world.allowance() == Allowance(free=False, trial=False, reason="connection refused")
    assert world.allowance("other") == world.allowance()


def test_the_outage_of_one_server_is_not_the_others(world: World) -> None:
    world.attempt(DOWN)

    assert world.allowance("other", "institute") == FREE


def test_an_outage_is_told_once_however_many_rows_meet_it(world: World) -> None:
    for upload_id in range(30):
        world.attempt(DOWN, upload_id)

    assert world.changes == 1


def test_a_due_link_is_probed_and_flows_again_when_it_answers(world: World) -> None:
    world.attempt(DOWN)
    assert world.gate.due_probes() == []
    world.clock.advance(1)
    assert world.gate.due_probes() == [(CLOUD, Probe.PING)]

    world.gate.failed(CLOUD, "no route")
    assert world.gate.due_probes() == []
    assert world.gate.link(CLOUD).reason == "no route"
    world.clock.advance(2)
    world.gate.answered(CLOUD)

    assert world.allowance() == FREE
    assert world.changes == 2


def test_a_link_that_is_down_for_a_week_is_probed_once_a_minute_and_flows_at_its_end(
    world: World,
) -> None:
    world.attempt(DOWN)
    probes = 0
    for _ in range(7 * 86_400 // 5):
        world.clock.advance(5)
        if world.gate.due_probes():
            probes += 1
            world.gate.failed(CLOUD, "no route")
    assert 7 * 1440 <= probes <= 7 * 1440 + 10
    assert world.changes == 1

    world.clock.advance(60)
    assert world.gate.due_probes() == [(CLOUD, Probe.PING)]
    world.gate.answered(CLOUD)
    assert world.allowance() == FREE


def test_a_refused_key_is_probed_with_the_key(world: World) -> None:
    world.attempt(Unauthorised("401", 401))
    world.clock.advance(60)

    assert world.gate.due_probes() == [(CLOUD, Probe.KEY)]
    assert not world.allowance().trial


def test_a_server_that_goes_away_does_not_make_a_refused_key_good(world: World) -> None:
    world.gate.failed(CLOUD, "the key is refused", unauthorised=True)
    world.clock.advance(60)
    world.gate.failed(CLOUD, "connection refused")

    link = world.gate.link(CLOUD)
    assert link.reason == "the key is refused"
    assert link.probe_at_mono == world.clock.monotonic() + 60


def test_a_new_key_is_tried_at_once(world: World) -> None:
    world.gate.failed(CLOUD, "the key is refused", unauthorised=True)

    world.gate.answered(CLOUD)

    assert world.allowance() == FREE
    assert world.changes == 2


# -- one row as a probe -----------------------------------------------------------------------------


def test_a_server_in_trouble_is_tried_with_one_row_of_one_watch(world: World) -> None:
    world.trouble()
    assert world.gate.link(CLOUD).server_in_trouble
    assert not world.allowance().trial
    world.clock.advance(1)
    assert world.allowance().trial
    assert world.gate.due_probes() == []

    world.gate.begin_trial("dome", CLOUD, 9)

    assert not world.allowance().trial
    assert not world.allowance("other").trial


def test_a_trial_in_vain_is_followed_by_a_later_one(world: World) -> None:
    world.trouble()
    world.clock.advance(1)
    world.gate.begin_trial("dome", CLOUD, 9)

    world.attempt(BUSY, 9)

    assert not world.allowance().trial
    world.clock.advance(2)
    assert world.allowance().trial


def test_a_trial_that_came_to_nothing_makes_room_for_the_next(world: World) -> None:
    world.trouble()
    world.clock.advance(1)
    world.gate.begin_trial("dome", CLOUD, 9)

    world.gate.end_trial(9)

    assert world.allowance().trial


def test_a_row_that_gets_through_lets_everything_flow(world: World) -> None:
    world.trouble()
    world.clock.advance(1)
    world.gate.begin_trial("dome", CLOUD, 9)
    world.attempt(STORED, 9)

    assert world.allowance() == FREE
    assert world.allowance("other") == FREE
    assert not world.gate.link(CLOUD).server_in_trouble


def test_the_third_file_is_counted_and_the_fourth_is_not(world: World) -> None:
    counted = [world.gate.after_attempt("dome", CLOUD, n, BUSY).counts for n in (1, 2, 3, 4, 5)]

    assert counted == [True, True, True, False, False]


def test_a_troubled_server_that_was_away_is_tried_with_a_row_when_it_answers(world: World) -> None:
    world.trouble()
    world.clock.advance(1)
    world.attempt(DOWN, 4)
    world.clock.advance(2)
    assert world.gate.due_probes() == [(CLOUD, Probe.PING)]

    world.gate.answered(CLOUD)

    assert world.allowance().trial
    assert world.gate.due_probes() == []


# -- watches ----------------------------------------------------------------------------------------


def test_a_refused_watch_waits_while_the_others_flow(world: World) -> None:
    world.attempt(NO_DATASET)

    assert world.allowance() == Allowance(free=False, reason="no such dataset")
    assert world.allowance("other") == FREE
    world.clock.advance(5)
    assert world.allowance().trial


def test_one_row_tries_a_refused_watch(world: World) -> None:
    world.attempt(NO_DATASET)
    world.clock.advance(5)
    world.gate.begin_trial("dome", CLOUD, 9)
    assert not world.allowance().trial

    world.attempt(STORED, 9)

    assert world.allowance() == FREE
    assert world.changes == 2


def test_a_watch_with_other_options_begins_anew(world: World) -> None:
    world.attempt(NO_DATASET)

    world.gate.release("dome")

    assert world.allowance() == FREE


def test_the_tenth_alike_refusal_is_told_as_the_watchs(world: World) -> None:
    seen = [world.attempt(FileRefused("quota", 400), n) for n in range(1, ALIKE + 1)]

    assert [type(one) for one in seen] == [FileRefused] * 9 + [WatchRefused]
    assert world.gate.hold("dome").reason == "quota"


def test_a_missing_root_is_not_tried_in_a_circle(world: World) -> None:
    world.attempt(RootMissing("/data is not there"))

    assert world.allowance() == Allowance(free=False, reason="/data is not there")
    world.clock.advance(5)
    assert world.allowance().trial
    world.attempt(Unreadable("EACCES"))
    assert world.allowance() == FREE


def test_what_only_a_person_can_mend_holds_until_it_is_mended(world: World) -> None:
    world.gate.keep_out({"dome": "the key is guest's, this watch is ada's"})
    world.clock.advance(86_400)

    assert world.allowance() == Allowance(
        free=False, reason="the key is guest's, this watch is ada's"
    )
    assert world.gate.standing_reason("dome") is not None
    world.gate.keep_out({})
    assert world.allowance() == FREE
    world.gate.keep_out({})
    assert world.changes == 2


# -- when to look again -----------------------------------------------------------------------------

BOTH = [("dome", CLOUD), ("other", "institute")]


def test_the_next_try_is_the_earliest(world: World) -> None:
    assert world.gate.next_try_in_s(BOTH) is None
    world.attempt(NO_DATASET)
    world.attempt(NO_DATASET)
    for upload_id in (1, 2, 3):
        world.attempt(BUSY, upload_id, watch="other", api="institute")

    assert world.gate.next_try_in_s(BOTH) == 1.0
    world.clock.advance(0.5)
    assert world.gate.next_try_in_s(BOTH) == 0.5
    world.clock.advance(60)
    assert world.gate.next_try_in_s(BOTH) == 0.0


def test_what_is_being_tried_and_what_is_probed_wakes_by_itself(world: World) -> None:
    world.attempt(NO_DATASET)
    world.attempt(DOWN, watch="other", api="institute")
    world.clock.advance(60)
    world.gate.begin_trial("dome", CLOUD, 9)

    assert world.gate.next_try_in_s(BOTH) is None


# -- what status shows ------------------------------------------------------------------------------


def test_an_online_link_has_no_next_attempt(world: World) -> None:
    assert world.gate.told([CLOUD]) == [
        {
            "api": CLOUD,
            "state": "online",
            "since": EVENING,
            "reason": None,
            "next_attempt_at": None,
        }
    ]


def test_an_outage_is_told_with_its_beginning_and_the_next_attempt(world: World) -> None:
    world.clock.advance(10)
    world.attempt(DOWN)

    (told,) = world.gate.told([CLOUD])

    assert told["since"] == EVENING + timedelta(seconds=10)
    assert told["reason"] == "connection refused"
    assert told["next_attempt_at"] == EVENING + timedelta(seconds=11)


def test_what_is_told_does_not_tremble_with_the_clocks(world: World) -> None:
    """What is told is written when it changes: an outage must not cost a commit a second."""
    world.attempt(DOWN)
    before = world.gate.told([CLOUD])
    for _ in range(20):
        world.clock.advance(0.04)
        world.clock.step(0.001)
        assert world.gate.told([CLOUD]) == before


def test_a_probe_that_waits_for_a_file_has_no_time(world: World) -> None:
    world.trouble()
    assert world.gate.told([CLOUD])[0]["next_attempt_at"] is not None

    world.clock.advance(10)

    assert world.gate.told([CLOUD])[0]["next_attempt_at"] is None


def test_a_step_of_the_clock_moves_the_next_attempt_with_it(world: World) -> None:
    world.trouble()
    world.gate.told([CLOUD])

    world.clock.step(7200)

    (told,) = world.gate.told([CLOUD])
    assert told["next_attempt_at"] == EVENING + timedelta(seconds=7201)
