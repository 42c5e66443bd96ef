"""What an outcome says about the link, and when it is tried again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oort.policy.link import (
    FIRST_PROBE_S,
    Link,
    LinkState,
    Probe,
    after_attempt,
    answered,
    down,
    refused,
    up,
)
from oort.policy.link import probe_delay_s as delay_s
from oort.policy.outcome import (
    Broken,
    Changed,
    FileRefused,
    FoundOther,
    FoundSame,
    Gone,
    Interrupted,
    NotReached,
    Outcome,
    ServerBusy,
    SizeDiffers,
    Stored,
    Unauthorised,
    Unclear,
    Unreadable,
    WatchRefused,
)
from oort.policy.retry import MAX_RETRY_AFTER_S
from tests.support.fakes import EVENING, FakeClock, Longest

if TYPE_CHECKING:
    import random

MAX_S = 60.0
ONLINE = Link(since=EVENING)
STORED = Stored("1", "a.fits", "0" * 64, 1, 201)


def busy(retry_after_s: float | None = None) -> ServerBusy:
    return ServerBusy("503 Service Unavailable", 503, retry_after_s)


class Story:
    """One link and a clock: what happens is told one attempt after another."""

    def __init__(self, link: Link = ONLINE) -> None:
        self.link = link
        self.clock = FakeClock()

    def attempt(self, outcome: Outcome, upload_id: int = 1) -> Link:
        self.link = after_attempt(
            self.link,
            outcome,
            upload_id=upload_id,
            now=self.clock.now(),
            mono=self.clock.monotonic(),
            max_s=MAX_S,
            rng=Longest(),
        )
        return self.link

    def probe_in_s(self) -> float:
        return self.link.probe_at_mono - self.clock.monotonic()

    def wait_for_probe(self) -> None:
        self.clock.advance(self.probe_in_s())


def offline() -> Story:
    story = Story()
    story.attempt(NotReached("connection refused"))
    return story


def in_trouble() -> Story:
    story = Story()
    for upload_id in (1, 2, 3):
        story.attempt(busy(), upload_id)
    return story


# -- offline ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "outcome",
    [NotReached("no route"), Broken("reset", 10, body_complete=False, link_proven=False)],
    ids=["not reached", "broken"],
)
def test_a_server_that_is_not_reached_takes_the_link_offline(outcome: Outcome) -> None:
    link = Story().attempt(outcome)

    assert link.state is LinkState.OFFLINE
    assert link.probe is Probe.PING
    assert link.reason in ("no route", "reset")
    assert not link.server_in_trouble


def test_a_broken_connection_is_the_files_own_where_the_link_is_proven() -> None:
    story = Story()

    assert story.attempt(Broken("reset", 10, body_complete=False, link_proven=True)) == ONLINE


def test_an_outage_is_probed_ever_more_rarely_up_to_the_longest_wait() -> None:
    story = offline()
    waits = []
    for _ in range(9):
        waits.append(story.probe_in_s())
        story.wait_for_probe()
        story.attempt(NotReached("connection refused"))

    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_an_outage_keeps_its_beginning() -> None:
    story = offline()
    for _ in range(5):
        story.wait_for_probe()
        story.attempt(NotReached("no name"))

    assert story.link.since == EVENING
    assert story.link.reason == "no name"


def test_what_was_in_hand_when_the_link_went_down_says_nothing_new() -> None:
    story = offline()
    before = story.link
    for upload_id in range(2, 32):
        story.attempt(NotReached("connection refused"), upload_id)

    assert story.link == before


def test_a_link_that_answers_is_online_from_that_moment() -> None:
    story = offline()
    story.clock.advance(600)

    link = up(story.link, now=story.clock.now())

    assert link == Link(since=EVENING + timedelta(seconds=600))


@pytest.mark.parametrize(
    "outcome",
    [
        STORED,
        FoundSame("1", "a.fits", None, unproven=True),
        FoundOther("another file"),
        SizeDiffers(1, 2),
        FileRefused("no FITS", 422),
        WatchRefused("no such dataset", 404),
    ],
    ids=lambda outcome: type(outcome).__name__,
)
def test_an_upload_that_was_answered_brings_the_link_up(outcome: Outcome) -> None:
    assert offline().attempt(outcome).is_online


@pytest.mark.parametrize(
    "outcome",
    [Changed("it grew"), Gone("gone"), Unreadable("EACCES"), Interrupted("stopping")],
    ids=lambda outcome: type(outcome).__name__,
)
def test_what_happens_on_this_machine_says_nothing_of_the_link(outcome: Outcome) -> None:
    for story in (Story(), offline(), in_trouble()):
        before = story.link
        assert story.attempt(outcome) == before


# -- unauthorised -----------------------------------------------------------------------------------


def test_a_refused_key_holds_the_link() -> None:
    link = Story().attempt(Unauthorised("401 Unauthorized", 401))

    assert link.state is LinkState.UNAUTHORISED
    assert link.probe is Probe.KEY
    assert link.reason == "401 Unauthorized"


def test_a_refused_key_is_tried_once_in_the_longest_wait() -> None:
    story = Story()
    story.attempt(Unauthorised("401", 401))
    for _ in range(3):
        assert story.probe_in_s() == MAX_S
        story.wait_for_probe()
        story.attempt(Unauthorised("401", 401))

    assert story.link.since == EVENING


@pytest.mark.parametrize(
    "outcome",
    [NotReached("refused"), busy(), Broken("reset", 1, body_complete=True, link_proven=False)],
)
def test_other_troubles_do_not_hide_that_the_key_is_refused(outcome: Outcome) -> None:
    story = Story()
    before = story.attempt(Unauthorised("401", 401))

    for upload_id in (1, 2, 3, 4):
        story.clock.advance(MAX_S)
        assert story.attempt(outcome, upload_id) == before


def test_an_outage_in_which_the_key_is_refused_becomes_unauthorised_anew() -> None:
    story = offline()
    story.clock.advance(300)

    assert story.attempt(Unauthorised("401", 401)).since == EVENING + timedelta(seconds=300)


# -- the server in trouble --------------------------------------------------------------------------


def test_three_files_refused_with_no_success_between_hold_the_link() -> None:
    story = Story()

    assert story.attempt(busy(), 1).is_online
    assert story.attempt(busy(), 2).is_online
    link = story.attempt(busy(), 3)
    assert link.state is LinkState.OFFLINE
    assert link.probe is Probe.ROW
    assert link.server_in_trouble
    assert link.reason == "the server is in trouble: 503 Service Unavailable"


def test_one_file_that_the_server_cannot_take_stops_nobody() -> None:
    story = Story()
    for _ in range(50):
        story.attempt(busy(), upload_id=7)

    assert story.link.is_online


def test_a_success_between_them_forgets_the_troubled_files() -> None:
    story = Story()
    for upload_id in range(1, 9):
        story.attempt(busy(), upload_id)
        if upload_id % 2 == 0:
            story.attempt(STORED, 100)

    assert story.link.is_online


def test_a_success_on_a_quiet_link_changes_nothing() -> None:
    assert Story().attempt(STORED) is ONLINE


def test_a_server_in_trouble_is_tried_ever_more_rarely_with_one_row() -> None:
    story = in_trouble()
    waits = []
    for upload_id in range(10, 18):
        waits.append(story.probe_in_s())
        story.wait_for_probe()
        story.attempt(busy(), upload_id)

    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert story.link.since == EVENING


def test_a_row_that_gets_through_ends_the_trouble() -> None:
    assert in_trouble().attempt(STORED).is_online


def test_retry_after_holds_for_the_link() -> None:
    story = in_trouble()
    story.attempt(busy(retry_after_s=500.0), 4)

    assert story.probe_in_s() == 500.0


def test_the_third_file_brings_its_retry_after_along() -> None:
    story = Story()
    story.attempt(busy(), 1)
    story.attempt(busy(), 2)
    story.attempt(busy(retry_after_s=120.0), 3)

    assert story.probe_in_s() == 120.0


def test_a_shorter_retry_after_does_not_hurry_the_probe() -> None:
    story = in_trouble()
    story.attempt(busy(retry_after_s=500.0), 4)
    story.attempt(busy(retry_after_s=2.0), 5)

    assert story.probe_in_s() == 500.0


def test_retry_after_is_obeyed_for_a_day_at_most() -> None:
    story = in_trouble()
    story.attempt(busy(retry_after_s=1e9), 4)

    assert story.probe_in_s() == MAX_RETRY_AFTER_S


def test_a_troubled_server_that_goes_away_is_pinged() -> None:
    story = in_trouble()
    story.wait_for_probe()
    story.attempt(NotReached("connection refused"), 4)

    assert story.link.probe is Probe.PING
    assert story.link.since == EVENING


def test_a_troubled_server_that_was_away_is_tried_with_one_row_when_it_answers() -> None:
    story = in_trouble()
    story.wait_for_probe()
    story.attempt(NotReached("connection refused"), 4)
    story.wait_for_probe()

    back = answered(story.link, now=story.clock.now(), mono=story.clock.monotonic())

    assert back.server_in_trouble
    assert back.probe_at_mono == story.clock.monotonic()
    assert back.since == EVENING
    story.link = back
    assert story.attempt(STORED, 5).is_online


def test_a_server_that_was_only_away_is_online_when_it_answers() -> None:
    story = offline()

    assert answered(story.link, now=EVENING, mono=0.0).is_online


@pytest.mark.parametrize(
    "outcome",
    [Broken("reset", 9, body_complete=False, link_proven=True), Unclear("nothing confirmed", 200)],
)
def test_a_probing_row_that_proves_nothing_is_followed_by_a_later_one(outcome: Outcome) -> None:
    story = in_trouble()
    story.wait_for_probe()

    story.attempt(outcome, 4)

    assert story.link.server_in_trouble
    assert story.probe_in_s() == 2.0


def test_one_answer_with_an_error_in_an_outage_does_not_make_the_server_troubled() -> None:
    story = offline()
    story.wait_for_probe()
    story.attempt(busy(), 2)

    assert story.link.probe is Probe.PING
    assert story.link.reason == "connection refused"


# -- what holds for every outcome -------------------------------------------------------------------

_outcomes = st.one_of(
    *(st.from_type(kind) for kind in get_args(Outcome) if kind is not ServerBusy),
    st.builds(
        ServerBusy,
        reason=st.just("503"),
        http_status=st.just(503),
        retry_after_s=st.none() | st.floats(-1e9, 1e9),
    ),
)
_links = st.sampled_from(
    [
        ONLINE,
        offline().link,
        in_trouble().link,
        refused(ONLINE, "401", now=EVENING, mono=1000.0, max_s=MAX_S),
    ]
)


@given(st.lists(st.tuples(_outcomes, st.integers(1, 5), st.floats(0, 100)), max_size=20), _links)
def test_a_link_is_always_tried_again_and_says_why_it_is_not_online(
    attempts: list[tuple[Outcome, int, float]], link: Link
) -> None:
    story = Story(link)
    for outcome, upload_id, seconds in attempts:
        story.clock.advance(seconds)
        after = story.attempt(outcome, upload_id)
        if not after.is_online:
            assert after.reason is not None
            assert story.probe_in_s() <= MAX_RETRY_AFTER_S
        assert after.since <= story.clock.now()


@given(st.integers(0, 10**9), st.floats(0.5, 3600), st.randoms(use_true_random=False))
def test_the_probe_delay_is_bounded_for_any_number_of_probes(
    probes: int, max_s: float, rng: random.Random
) -> None:
    assert 0.8 * min(FIRST_PROBE_S, max_s) <= delay_s(probes, max_s, rng) <= max_s


def test_going_down_twice_at_once_counts_one_outage() -> None:
    clock = FakeClock()
    once = down(
        ONLINE, "a", Probe.PING, now=clock.now(), mono=clock.monotonic(), max_s=60.0, rng=Longest()
    )

    again = down(
        once, "b", Probe.ROW, now=clock.now(), mono=clock.monotonic(), max_s=60.0, rng=Longest()
    )

    assert again == once
