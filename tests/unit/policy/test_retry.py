"""The table "Outcome -> decision" of design.md, line by line, and what holds for every line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oort.policy import state
from oort.policy.outcome import (
    Broken,
    Changed,
    DoubtRemains,
    FileRefused,
    FoundOther,
    FoundSame,
    Gone,
    Interrupted,
    NameReserved,
    NotAllowed,
    NotReached,
    Outcome,
    RootMissing,
    ServerBusy,
    SizeDiffers,
    Stored,
    Unauthorised,
    Unclear,
    Unreadable,
    WatchRefused,
)
from oort.policy.retry import (
    AFTER_ERROR_S,
    MAX_RETRY_AFTER_S,
    RESERVED_WAIT_S,
    Decision,
    Facts,
    Limits,
    backoff_s,
    decide,
)
from tests.support.fakes import Longest, Shortest

if TYPE_CHECKING:
    import random

    from oort.policy.state import State

LIMITS = Limits(base_s=5.0, max_s=1800.0, max_attempts=12)
FRESH = Facts()
IN_DOUBT = Facts(attempts=1, may_be_stored=True, body_complete=True, ask_first=True)
STORED = Stored("9", "a.fits", "0" * 64, 2880, 201)


def decided(outcome: Outcome, facts: Facts = FRESH, limits: Limits = LIMITS) -> Decision:
    return decide(outcome, facts, limits, Longest())


class Line(NamedTuple):
    """One line of the table: what happened, and what the row must do."""

    outcome: Outcome
    state: State
    counted: bool
    delay_s: float | None = None
    keeps_doubt: bool = False
    """What the row was in doubt about before, it is in doubt about afterwards."""


def busy(http_status: int, **more: Any) -> ServerBusy:
    return ServerBusy(f"the server answered {http_status}", http_status, **more)


def same(*, ours: bool, bytes_sent: int = 0) -> FoundSame:
    return FoundSame("9", "a.fits", "0" * 64, unproven=False, ours=ours, bytes_sent=bytes_sent)


TABLE = {
    "stored": Line(STORED, state.DONE, counted=True),
    "no byte reached the server": Line(
        NotReached("connection refused"), state.PENDING, counted=False, keeps_doubt=True
    ),
    "the connection broke, the link is not proven": Line(
        Broken("reset", 100, body_complete=False, link_proven=False),
        state.PENDING,
        counted=False,
        keeps_doubt=True,
    ),
    "the connection broke, the link is proven": Line(
        Broken("reset", 100, body_complete=False, link_proven=True),
        state.WAITING,
        counted=True,
        delay_s=10.0,
        keeps_doubt=True,
    ),
    **{
        f"{http_status}": Line(
            busy(http_status), state.WAITING, counted=True, delay_s=10.0, keeps_doubt=True
        )
        for http_status in (301, 307, 400, 408, 422, 425, 429, 500, 503)
    },
    **{
        f"{http_status} of a proxy": Line(
            busy(http_status, keeps_doubt=True, body_complete=True),
            state.WAITING,
            counted=True,
            delay_s=10.0,
            keeps_doubt=True,
        )
        for http_status in (502, 504)
    },
    "503 with Retry-After": Line(
        busy(503, retry_after_s=700.0),
        state.WAITING,
        counted=True,
        delay_s=700.0,
        keeps_doubt=True,
    ),
    "429 with a Retry-After of a year": Line(
        busy(429, retry_after_s=3.2e7),
        state.WAITING,
        counted=True,
        delay_s=MAX_RETRY_AFTER_S,
        keeps_doubt=True,
    ),
    "503 with a Retry-After that says nothing": Line(
        busy(503, retry_after_s=0.0),
        state.WAITING,
        counted=True,
        delay_s=10.0,
        keeps_doubt=True,
    ),
    "503 with a Retry-After in the past": Line(
        busy(503, retry_after_s=-60.0),
        state.WAITING,
        counted=True,
        delay_s=10.0,
        keeps_doubt=True,
    ),
    "2xx that proves nothing, and it is not there": Line(
        Unclear("204", 204, 2880), state.WAITING, counted=True, delay_s=10.0, keeps_doubt=True
    ),
    "asked, and the server cannot tell yet": Line(
        DoubtRemains("504 to the question", 504),
        state.WAITING,
        counted=False,
        delay_s=20.0,
        keeps_doubt=True,
    ),
    "asked once for a complete body, not there": Line(
        DoubtRemains("not there yet", asked_complete=True),
        state.WAITING,
        counted=False,
        delay_s=5.0,
        keeps_doubt=True,
    ),
    "2xx with another size": Line(SizeDiffers(10, 2880), state.NAME_CONFLICT, counted=True),
    "401": Line(Unauthorised("401", 401), state.PENDING, counted=False, keeps_doubt=True),
    "403, 404 of the dataset, telescope or portal": Line(
        WatchRefused("no such dataset", 404), state.PENDING, counted=False, keeps_doubt=True
    ),
    "400, 413, 415, 422": Line(FileRefused("too large", 413), state.FAILED, counted=True),
    "already exists, the same, may be ours": Line(same(ours=True), state.DONE, counted=False),
    "already exists, the same, never tried": Line(
        same(ours=False), state.ALREADY_SYNCED, counted=False
    ),
    "already exists, another file": Line(
        FoundOther("another file of that name is there"), state.NAME_CONFLICT, counted=False
    ),
    "already exists, another file, after sending it": Line(
        FoundOther("another file of that name is there", 2880, 400),
        state.NAME_CONFLICT,
        counted=True,
    ),
    "a namesake here, other content": Line(
        NameReserved("/data/a.fits", state.NAME_CONFLICT),
        state.NAME_CONFLICT,
        counted=False,
        keeps_doubt=True,
    ),
    "a namesake here, the same content": Line(
        NameReserved("/data/a.fits", state.ALREADY_SYNCED), state.ALREADY_SYNCED, counted=False
    ),
    "a namesake here, still on its way": Line(
        NameReserved("/data/a.fits", None),
        state.WAITING,
        counted=False,
        delay_s=RESERVED_WAIT_S,
        keeps_doubt=True,
    ),
    "changed while being sent": Line(
        Changed("it grew", 100), state.SETTLING, counted=False, keeps_doubt=True
    ),
    "gone": Line(Gone("it is not there any more"), state.FILE_GONE, counted=False),
    "the watched folder is not there": Line(
        RootMissing("/data is not there"), state.PENDING, counted=False, keeps_doubt=True
    ),
    "cannot be read": Line(
        Unreadable("permission denied"),
        state.WAITING,
        counted=True,
        delay_s=10.0,
        keeps_doubt=True,
    ),
    "left out by this host's rules": Line(
        NotAllowed("it is excluded"), state.FAILED, counted=False, keeps_doubt=True
    ),
    "the daemon is stopping": Line(
        Interrupted("stopping", 100), state.PENDING, counted=False, keeps_doubt=True
    ),
}
LINES = pytest.mark.parametrize("line", TABLE.values(), ids=TABLE)


@LINES
def test_the_row_goes_where_the_table_says(line: Line) -> None:
    decision = decided(line.outcome, IN_DOUBT)

    assert decision.state == line.state
    assert decision.counted == line.counted
    assert decision.delay_s == line.delay_s


@LINES
def test_a_doubt_is_kept_where_the_table_keeps_it(line: Line) -> None:
    decision = decided(line.outcome, IN_DOUBT)

    if line.keeps_doubt:
        assert decision.may_be_stored
        assert decision.body_complete
    else:
        assert not decision.may_be_stored


@LINES
def test_what_was_to_be_asked_first_still_is_while_the_file_is_on_its_way(line: Line) -> None:
    if line.state in state.OPEN:
        assert decided(line.outcome, IN_DOUBT).ask_first


@LINES
def test_a_row_that_is_not_well_says_why_and_one_that_is_does_not(line: Line) -> None:
    decision = decided(line.outcome)

    assert decision.cause
    assert "\n" not in decision.cause
    is_well = line.state in state.SAFE | {state.SETTLING}
    assert decision.error is None or not is_well
    if line.state.status is state.Status.ERROR or line.state == state.WAITING:
        assert decision.error


@LINES
def test_only_a_lost_connection_puts_a_row_behind_the_others(line: Line) -> None:
    assert decided(line.outcome).cut == isinstance(line.outcome, Broken)


def test_the_table_has_a_line_for_every_outcome() -> None:
    assert {type(line.outcome) for line in TABLE.values()} == set(get_args(Outcome))


# -- words ------------------------------------------------------------------------------------------


def test_a_torn_copy_is_told_with_both_sizes() -> None:
    assert decided(SizeDiffers(10, 2880)).error == "the server kept 10 of 2880 bytes"


def test_tags_that_are_not_written_are_no_failure() -> None:
    decision = decided(Stored("9", "a.fits", "0" * 64, 1, 201, tags_pending=True))

    assert decision.state == state.DONE
    assert "tags not written" in decision.cause
    assert decision.error is None


def test_the_remedy_for_two_files_of_one_name_is_told() -> None:
    error = decided(NameReserved("/data/one/a.fits", state.NAME_CONFLICT)).error

    assert error is not None
    assert "/data/one/a.fits" in error
    assert "{folder}" in error


def test_an_earlier_version_of_the_file_itself_has_another_remedy() -> None:
    reserved = NameReserved("/data/one/a.fits", state.NAME_CONFLICT, is_earlier=True)
    error = decided(reserved).error

    assert error is not None
    assert "earlier version" in error
    assert "rename" in error
    assert "{folder}" not in error


def test_an_unproven_namesake_is_called_so() -> None:
    outcome = FoundSame("9", "a.fits", None, unproven=True)

    assert "unproven" in decided(outcome).cause


def test_what_can_be_said_besides_is_said() -> None:
    note = "not verifiable with this key"
    outcome = FoundSame(None, "a.fits", "0" * 64, unproven=True, ours=True, note=note)

    assert note in decided(outcome, IN_DOUBT).cause


def test_what_has_no_hash_is_not_called_ours() -> None:
    """The file is gone here, and the server tells no hash of what it has under that name."""
    outcome = FoundSame("9", "a.fits", None, unproven=True, ours=True)

    assert decided(outcome, IN_DOUBT).state == state.ALREADY_SYNCED


# -- counting ---------------------------------------------------------------------------------------


def test_a_file_found_after_a_crash_counts_the_attempt_that_stored_it() -> None:
    crashed = Facts(attempts=0, may_be_stored=True)

    assert decided(same(ours=True), crashed).counted
    assert not decided(same(ours=True), IN_DOUBT).counted
    assert decided(same(ours=True, bytes_sent=2880), IN_DOUBT).counted


@pytest.mark.parametrize(
    "outcome",
    [
        busy(503),
        Unreadable("no"),
        Unclear("204", 204),
        Broken("cut", 1, body_complete=False, link_proven=True),
    ],
    ids=lambda outcome: type(outcome).__name__,
)
def test_the_last_attempt_makes_an_error_that_is_tried_again_in_a_day(outcome: Outcome) -> None:
    before, last = Facts(attempts=10), Facts(attempts=11)

    assert decided(outcome, before).state == state.WAITING
    decision = decided(outcome, last)
    assert decision.state == state.FAILED
    assert decision.delay_s == AFTER_ERROR_S
    assert decided(outcome, Facts(attempts=40)).state == state.FAILED


def test_a_server_in_trouble_uses_up_nobodys_attempts() -> None:
    decision = decided(busy(503), Facts(attempts=11, counts=False))

    assert decision.state == state.WAITING
    assert not decision.counted


def test_a_night_without_link_costs_no_attempt() -> None:
    for outcome in (
        NotReached("no route"),
        Broken("cut", 9, body_complete=False, link_proven=False),
    ):
        decision = decided(outcome, Facts(attempts=11))
        assert decision.state == state.PENDING
        assert not decision.counted
        assert decision.delay_s is None


def test_a_server_that_asks_for_more_than_a_day_after_the_last_attempt_gets_a_day() -> None:
    decision = decided(busy(503, retry_after_s=1e9), Facts(attempts=11))

    assert decision.delay_s == AFTER_ERROR_S


# -- backoff ----------------------------------------------------------------------------------------


def test_the_wait_doubles_from_the_base_to_the_longest() -> None:
    waits = [backoff_s(attempts, LIMITS, Longest()) for attempts in range(12)]

    assert waits[:4] == [5.0, 10.0, 20.0, 40.0]
    assert waits[-1] == 1800.0
    assert waits == sorted(waits)


def test_the_jitter_is_full() -> None:
    assert backoff_s(7, LIMITS, Shortest()) == 0.0


_limits = st.builds(
    Limits,
    base_s=st.floats(0.05, 3600),
    max_s=st.floats(0.1, 86_400),
    max_attempts=st.integers(1, 1_000_000),
)
_attempts = st.integers(0, 10**9)


@given(_attempts, _limits, st.randoms(use_true_random=False))
def test_backoff_is_bounded_for_any_number_of_attempts(
    attempts: int, limits: Limits, rng: random.Random
) -> None:
    assert 0.0 <= backoff_s(attempts, limits, rng) <= limits.max_s


# -- what holds for every outcome -------------------------------------------------------------------

_reason = st.just("what happened")
_http = st.sampled_from([200, 204, 301, 400, 401, 403, 404, 413, 429, 500, 502, 503, 504])
_bytes = st.integers(0, 2**40)
_VERDICTS = st.sampled_from([state.NAME_CONFLICT, state.ALREADY_SYNCED, None])
_KINDS: dict[type, st.SearchStrategy[Any]] = {
    kind: st.from_type(kind) for kind in get_args(Outcome)
} | {
    NameReserved: st.builds(NameReserved, by=_reason, verdict=_VERDICTS),
    ServerBusy: st.builds(
        ServerBusy,
        reason=_reason,
        http_status=_http,
        retry_after_s=st.none() | st.floats(-1e9, 1e9),
        keeps_doubt=st.booleans(),
        bytes_sent=_bytes,
        body_complete=st.booleans(),
    ),
}
OUTCOMES: st.SearchStrategy[Any] = st.one_of(*_KINDS.values())
FACTS = st.builds(
    Facts,
    attempts=_attempts,
    may_be_stored=st.booleans(),
    body_complete=st.booleans(),
    ask_first=st.booleans(),
    counts=st.booleans(),
)
_PASSING = (Broken, ServerBusy, Unclear, Unreadable)
_KEEPS_DOUBT = (
    NotReached,
    Broken,
    ServerBusy,
    Unclear,
    DoubtRemains,
    Unauthorised,
    WatchRefused,
    Changed,
    RootMissing,
    Unreadable,
    NotAllowed,
    Interrupted,
)
_TAKEN = (state.CHECKING, state.SYNCING, state.UPLOADING)
RANDOM = st.randoms(use_true_random=False)


@given(OUTCOMES, FACTS, _limits, RANDOM)
def test_no_delay_is_negative_or_longer_than_a_day(
    outcome: Outcome, facts: Facts, limits: Limits, rng: random.Random
) -> None:
    delay_s = decide(outcome, facts, limits, rng).delay_s

    assert delay_s is None or 0.0 <= delay_s <= MAX_RETRY_AFTER_S


@given(OUTCOMES, FACTS, _limits, RANDOM)
def test_an_uncounted_outcome_never_uses_up_an_attempt(
    outcome: Outcome, facts: Facts, limits: Limits, rng: random.Random
) -> None:
    decision = decide(outcome, facts, limits, rng)

    if decision.state == state.FAILED and isinstance(outcome, _PASSING):
        assert decision.counted
        assert facts.attempts + 1 >= limits.max_attempts
    if not facts.counts and isinstance(outcome, _PASSING):
        assert not decision.counted
        assert decision.state in (state.WAITING, state.PENDING)


@given(OUTCOMES, FACTS, _limits, RANDOM)
def test_a_doubt_is_never_silently_lost(
    outcome: Outcome, facts: Facts, limits: Limits, rng: random.Random
) -> None:
    decision = decide(outcome, facts, limits, rng)

    if isinstance(outcome, _KEEPS_DOUBT):
        assert decision.may_be_stored >= facts.may_be_stored
        assert decision.body_complete >= facts.body_complete
        assert decision.ask_first == facts.ask_first


@given(OUTCOMES, FACTS, _limits, RANDOM)
def test_every_decision_can_be_carried_out_from_every_step_of_an_attempt(
    outcome: Outcome, facts: Facts, limits: Limits, rng: random.Random
) -> None:
    decision = decide(outcome, facts, limits, rng)

    for before in _TAKEN:
        assert state.may_move(before, decision.state)


@given(OUTCOMES, FACTS, _limits, RANDOM)
def test_what_waits_has_a_time_and_what_is_safe_has_none(
    outcome: Outcome, facts: Facts, limits: Limits, rng: random.Random
) -> None:
    decision = decide(outcome, facts, limits, rng)

    if decision.state == state.WAITING:
        assert decision.delay_s is not None
    if decision.state == state.DONE:
        assert outcome.sha256 is not None
    if decision.state in state.SAFE:
        assert decision.delay_s is None
        assert decision.error is None
