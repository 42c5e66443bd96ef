"""When a watch is held, and when it is tried again."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oort.policy.hold import ALIKE, FIRST_TRY_S, FREE, Hold, after_attempt, as_watch_trouble
from oort.policy.outcome import (
    Broken,
    Changed,
    FileRefused,
    FoundSame,
    Interrupted,
    NotReached,
    Outcome,
    RootMissing,
    ServerBusy,
    Stored,
    Unclear,
    Unreadable,
    WatchRefused,
)
from tests.support.fakes import EVENING, FakeClock, Longest

STORED = Stored("1", "a.fits", "0" * 64, 1, 201)
NO_DATASET = WatchRefused("there is no such dataset", 404)
QUOTA = FileRefused("your storage is full", 400)
NO_ROOT = RootMissing("/data is not there")


class Story:
    """One watch and a clock: what happens is told one attempt after another."""

    def __init__(self) -> None:
        self.hold: Hold = FREE
        self.clock = FakeClock()
        self.max_s = 60.0

    def attempt(self, outcome: Outcome, upload_id: int = 1) -> Outcome:
        """Return the outcome as the row sees it."""
        self.hold = after_attempt(
            self.hold,
            outcome,
            upload_id=upload_id,
            now=self.clock.now(),
            mono=self.clock.monotonic(),
            max_s=self.max_s,
            rng=Longest(),
        )
        return as_watch_trouble(self.hold, outcome)

    def try_in_s(self) -> float:
        return self.hold.try_at_mono - self.clock.monotonic()

    def wait_for_try(self) -> None:
        self.clock.advance(self.try_in_s())

    def refuse(self, count: int, outcome: Outcome = QUOTA) -> list[Outcome]:
        """Have so many different files refused; return what their rows see."""
        return [self.attempt(outcome, upload_id) for upload_id in range(1, count + 1)]


# -- a refused watch --------------------------------------------------------------------------------


def test_a_refused_dataset_holds_its_watch_with_the_reason() -> None:
    story = Story()

    assert story.attempt(NO_DATASET) == NO_DATASET
    assert story.hold.is_held
    assert story.hold.reason == "there is no such dataset"
    assert story.hold.since == EVENING


def test_a_held_watch_is_tried_from_every_five_seconds_to_the_longest_wait() -> None:
    story = Story()
    waits = []
    for _ in range(7):
        story.attempt(NO_DATASET)
        waits.append(story.try_in_s())
        story.wait_for_try()

    assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0, 60.0]
    assert story.hold.since == EVENING


def test_a_held_watch_is_never_tried_more_often_than_every_five_seconds() -> None:
    story = Story()
    story.max_s = 0.5
    for _ in range(3):
        story.attempt(NO_DATASET)
        assert story.try_in_s() == FIRST_TRY_S
        story.wait_for_try()


def test_what_was_in_hand_when_the_watch_was_held_says_nothing_new() -> None:
    story = Story()
    story.attempt(NO_DATASET)
    before = story.hold
    for upload_id in range(2, 32):
        story.attempt(NO_DATASET, upload_id)

    assert story.hold == before


@pytest.mark.parametrize("outcome", [STORED, FoundSame("1", "a.fits", None, unproven=True)])
def test_a_file_that_arrives_frees_the_watch(outcome: Outcome) -> None:
    story = Story()
    story.attempt(NO_DATASET)
    story.attempt(outcome)

    assert story.hold == FREE


@pytest.mark.parametrize(
    "outcome", [NotReached("refused"), Unreadable("EACCES"), Changed("grew"), Interrupted("stop")]
)
def test_what_says_nothing_of_the_watch_changes_nothing(outcome: Outcome) -> None:
    story = Story()
    story.attempt(NO_DATASET)
    before = story.hold

    assert story.attempt(outcome) == outcome
    assert story.hold == before


@pytest.mark.parametrize(
    "outcome",
    [
        ServerBusy("503", 503),
        Broken("reset", 9, body_complete=False, link_proven=True),
        Unclear("nothing confirmed", 200),
    ],
)
def test_a_trial_that_tells_nothing_of_the_watch_is_followed_by_a_later_one(
    outcome: Outcome,
) -> None:
    story = Story()
    story.attempt(NO_DATASET)
    story.wait_for_try()

    story.attempt(outcome, 2)

    assert story.hold.reason == NO_DATASET.reason
    assert story.try_in_s() == FIRST_TRY_S


# -- ten alike refusals -----------------------------------------------------------------------------


def test_the_tenth_file_refused_with_the_same_words_holds_the_watch() -> None:
    story = Story()

    seen = story.refuse(ALIKE)

    assert [type(outcome) for outcome in seen] == [FileRefused] * 9 + [WatchRefused]
    assert story.hold.reason == QUOTA.reason


def test_every_further_file_refused_so_is_the_watchs_trouble_too() -> None:
    story = Story()
    story.refuse(ALIKE)

    assert isinstance(story.attempt(QUOTA, 11), WatchRefused)
    story.wait_for_try()
    assert isinstance(story.attempt(QUOTA, 12), WatchRefused)
    assert story.try_in_s() == 10.0


def test_the_refusal_keeps_what_was_sent_and_answered() -> None:
    story = Story()

    outcome = story.refuse(ALIKE, FileRefused("full", 413, bytes_sent=2880))[-1]

    assert outcome == WatchRefused("full", 413, 2880)


def test_one_file_refused_ten_times_does_not_hold_the_watch() -> None:
    story = Story()
    for _ in range(3 * ALIKE):
        assert isinstance(story.attempt(QUOTA, 7), FileRefused)

    assert not story.hold.is_held


def test_files_refused_each_for_its_own_reason_do_not_hold_the_watch() -> None:
    story = Story()
    for upload_id in range(1, 50):
        story.attempt(FileRefused(f"file {upload_id} is no FITS", 422), upload_id)

    assert not story.hold.is_held


def test_other_words_or_a_success_begin_the_count_anew() -> None:
    for between in (STORED, FileRefused("too large", 413)):
        story = Story()
        story.refuse(ALIKE - 1)
        story.attempt(between, 50)
        story.refuse(ALIKE - 1)
        assert not story.hold.is_held


def test_a_trial_that_is_refused_for_its_own_sake_is_that_files_error() -> None:
    story = Story()
    story.refuse(ALIKE)
    story.wait_for_try()
    own = FileRefused("too large", 413)

    assert story.attempt(own, 77) == own
    assert story.hold.is_held
    assert story.try_in_s() == FIRST_TRY_S


def test_after_such_a_trial_the_old_words_are_still_the_watchs_trouble() -> None:
    story = Story()
    story.refuse(ALIKE)
    story.wait_for_try()
    story.attempt(FileRefused("too large", 413), 77)
    story.wait_for_try()

    assert isinstance(story.attempt(QUOTA, 78), WatchRefused)


# -- a watched folder that is not there -------------------------------------------------------------


def test_a_missing_root_holds_the_watch_so_that_nothing_turns_in_a_circle() -> None:
    story = Story()
    for _ in range(5):
        story.attempt(NO_ROOT)
        assert story.hold.reason == NO_ROOT.reason
        assert story.try_in_s() == FIRST_TRY_S
        story.wait_for_try()

    assert story.hold.since == EVENING


@pytest.mark.parametrize(
    "outcome", [STORED, Unreadable("EACCES"), Changed("grew"), NotReached("refused"), QUOTA]
)
def test_a_file_that_was_looked_for_shows_that_the_root_is_back(outcome: Outcome) -> None:
    story = Story()
    story.attempt(NO_ROOT)
    story.wait_for_try()
    story.attempt(outcome)

    assert not story.hold.is_held


def test_an_attempt_that_never_looked_does_not() -> None:
    story = Story()
    story.attempt(NO_ROOT)
    story.attempt(Interrupted("stopping"))

    assert story.hold.is_held


# -- what holds for every outcome -------------------------------------------------------------------

_outcomes = st.one_of(*(st.from_type(kind) for kind in get_args(Outcome)))


@given(st.lists(st.tuples(_outcomes, st.integers(1, 20), st.floats(0, 100)), max_size=30))
def test_a_held_watch_has_a_reason_a_beginning_and_a_next_try(
    attempts: list[tuple[Outcome, int, float]],
) -> None:
    story = Story()
    for outcome, upload_id, seconds in attempts:
        story.clock.advance(seconds)
        story.attempt(outcome, upload_id)
        if story.hold.is_held:
            assert story.hold.since is not None
            assert story.try_in_s() <= story.max_s
