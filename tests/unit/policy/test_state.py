"""The table of states: closed, reachable, without a dead end, and the same as the words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oort.policy import state
from oort.policy.state import (
    HELD,
    IN_HAND,
    INITIAL,
    OPEN,
    SAFE,
    TRANSITIONS,
    State,
    Status,
    Substatus,
    may_move,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

ANSWERS_WITHOUT_A_ROW = {Substatus.HELD, Substatus.HIDDEN, Substatus.EMPTY}
ENDED = {
    state.DONE,
    state.ALREADY_SYNCED,
    state.IGNORED,
    state.FILE_GONE,
    state.CHANGED,
    state.FAILED,
    state.NAME_CONFLICT,
    state.TRUNCATED,
}


def reachable(start: Iterable[State]) -> set[State]:
    found: set[State] = set()
    waiting = list(start)
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting.extend(TRANSITIONS[here])
    return found


def test_every_word_has_its_state() -> None:
    assert {one.status for one in TRANSITIONS} == set(Status)
    assert {one.substatus for one in TRANSITIONS} == set(Substatus) - ANSWERS_WITHOUT_A_ROW


def test_no_two_states_share_a_reason() -> None:
    assert len({one.substatus for one in TRANSITIONS}) == len(TRANSITIONS)


def test_the_table_leads_nowhere_that_it_does_not_know() -> None:
    assert {after for steps in TRANSITIONS.values() for after in steps} <= set(TRANSITIONS)


def test_held_is_computed_and_never_a_state_of_a_row() -> None:
    assert HELD not in TRANSITIONS
    assert HELD not in reachable(INITIAL)


def test_a_step_to_where_the_row_is_is_no_step() -> None:
    assert [one for one, steps in TRANSITIONS.items() if one in steps] == []


def test_every_state_can_be_reached_from_birth() -> None:
    assert reachable(INITIAL) == set(TRANSITIONS)


@pytest.mark.parametrize("begin", TRANSITIONS, ids=lambda one: one.substatus)
def test_every_state_reaches_an_end(begin: State) -> None:
    assert reachable([begin]) & ENDED


@pytest.mark.parametrize("begin", sorted(set(TRANSITIONS) - SAFE), ids=lambda one: one.substatus)
def test_every_file_that_is_not_safe_can_still_become_so(begin: State) -> None:
    assert state.DONE in reachable([begin])


def test_the_open_states_are_those_on_their_way() -> None:
    on_their_way = {Status.NEW, Status.PREPARING, Status.UPLOADING, Status.FINISHING}

    assert {one for one in TRANSITIONS if one.status in on_their_way} == OPEN
    assert set(TRANSITIONS) - OPEN == ENDED


def test_what_is_in_hand_is_open_and_not_new() -> None:
    assert {one for one in OPEN if one.status is not Status.NEW} == IN_HAND


@pytest.mark.parametrize("taken", sorted(IN_HAND), ids=lambda one: one.substatus)
def test_a_crash_can_give_back_whatever_was_in_hand(taken: State) -> None:
    assert may_move(taken, state.PENDING)


@pytest.mark.parametrize("taken", sorted(IN_HAND), ids=lambda one: one.substatus)
def test_an_attempt_that_nobody_foresaw_can_end_from_every_step(taken: State) -> None:
    assert may_move(taken, state.WAITING)
    assert may_move(taken, state.FAILED)


def test_only_waiting_rows_can_be_taken_in_hand() -> None:
    takers = {
        before for before, steps in TRANSITIONS.items() if steps & IN_HAND and before not in IN_HAND
    }

    assert takers == {state.PENDING, state.WAITING, state.FAILED}


def test_done_is_for_ever_unless_the_server_has_lost_it() -> None:
    """`oort verify` alone sends a stored file again; a scan, a worker and `oort retry` do not."""
    assert TRANSITIONS[state.DONE] == {state.PENDING}


def test_only_a_person_or_a_lost_watch_puts_a_file_aside() -> None:
    """What a worker has in hand can be ignored by nobody."""
    assert [one for one in IN_HAND if may_move(one, state.IGNORED)] == []


def test_what_a_retry_may_name_can_become_pending() -> None:
    for one in ENDED - {state.DONE}:
        assert may_move(one, state.PENDING), one


def test_what_a_skip_may_name_can_become_ignored() -> None:
    named = {
        state.SETTLING,
        state.PENDING,
        state.WAITING,
        state.FAILED,
        state.NAME_CONFLICT,
        state.TRUNCATED,
        state.FILE_GONE,
        state.CHANGED,
    }

    assert {one for one in TRANSITIONS if may_move(one, state.IGNORED)} == named
