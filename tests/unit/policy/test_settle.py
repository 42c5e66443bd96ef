"""When a file is complete: two looks and their signs in, a decision out."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oort.policy.settle import (
    Look,
    Patience,
    Settled,
    Short,
    Signs,
    Truncated,
    Wait,
    quiet_s,
    settle,
)

FIRST = Look(size=2880, mtime_ns=1, inode=7, at_s=100.0)
DEFAULT = Patience()
SET = Patience(settle_s=5.0, is_set=True)


def later(seconds: float) -> Look:
    return dataclasses.replace(FIRST, at_s=FIRST.at_s + seconds)


@pytest.mark.parametrize(
    "other",
    [
        Look(2881, 1, 7, 200.0),
        Look(2880, 2, 7, 200.0),
        Look(2880, 1, 8, 200.0),
    ],
)
def test_a_file_that_changed_waits_anew(other: Look) -> None:
    assert settle(FIRST, other, Signs(writer=False), DEFAULT) == Wait(
        2.0, "the file is still changing"
    )


@pytest.mark.parametrize(
    ("signs", "patience", "expected_s"),
    [
        (Signs(writer=False), DEFAULT, 2.0),
        (Signs(closed=True, whole=True), DEFAULT, 0.2),
        (Signs(closed=True, whole=None), DEFAULT, 1.0),
        (Signs(closed=True, whole=False), DEFAULT, 1.0),
        (Signs(closed=True, whole=True), SET, 5.0),
        (Signs(closed=True, whole=True), Patience(settle_s=0.1, is_set=True), 0.1),
        (Signs(closed=True, whole=True), Patience(network=True), 10.0),
        (Signs(closed=True), Patience(settle_s=1.0, is_set=True, network=True), 10.0),
        (Signs(writer=False), Patience(settle_s=30.0, is_set=True, network=True), 30.0),
        (Signs(closed=True), Patience(settle_s=0.5), 0.5),
    ],
)
def test_how_long_a_file_must_be_quiet(signs: Signs, patience: Patience, expected_s: float) -> None:
    assert quiet_s(signs, patience) == expected_s


def test_a_quiet_file_without_writer_is_settled() -> None:
    assert settle(FIRST, later(2.0), Signs(writer=False), DEFAULT) == Settled()


def test_a_file_that_is_not_quiet_long_enough_waits_for_the_rest() -> None:
    state = settle(FIRST, later(0.5), Signs(writer=False), DEFAULT)

    assert state == Wait(1.5, "the file has not been quiet for long enough")


def test_a_whole_file_that_was_closed_goes_after_a_fifth_of_a_second() -> None:
    signs = Signs(closed=True, writer=False, whole=True)

    assert settle(FIRST, later(0.25), signs, DEFAULT) == Settled()


def test_a_close_begins_a_short_wait_however_quiet_the_file_was_before() -> None:
    closed = Signs(closed=True, writer=False, whole=True, closed_s=0.05)
    again = dataclasses.replace(closed, closed_s=0.2)

    assert settle(FIRST, later(60.0), closed, DEFAULT) == Wait(
        pytest.approx(0.15), "the file has not been quiet for long enough"
    )
    assert settle(FIRST, later(60.0), again, DEFAULT) == Settled()
    assert settle(FIRST, later(60.0), closed, Patience(settle_s=0.05, is_set=True)) == Settled()


def test_a_time_of_whole_seconds_does_not_shorten_the_wait() -> None:
    """On FAT two changes within two seconds have one mtime: the second would show nowhere."""
    signs = Signs(closed=True, writer=False, whole=True)
    begun = dataclasses.replace(FIRST, mtime_ns=1_795_000_000_000_000_000)
    early, late = (dataclasses.replace(begun, at_s=begun.at_s + s) for s in (1.9, 2.0))

    assert settle(begun, early, signs, DEFAULT) == Wait(
        pytest.approx(0.1), "the file has not been quiet for long enough"
    )
    assert settle(begun, late, signs, DEFAULT) == Settled()
    assert settle(begun, early, signs, Patience(settle_s=0.5, is_set=True)) == Settled()


def test_a_file_whose_end_was_never_written_waits_for_it() -> None:
    """A file of its final size is whole by its header, and closed perhaps after each piece."""
    hollow = Signs(closed=True, writer=False, whole=True, hollow=True)

    assert isinstance(settle(FIRST, later(9.9), hollow, DEFAULT), Wait)
    assert settle(FIRST, later(10.0), hollow, DEFAULT) == Settled()
    assert settle(FIRST, later(5.0), hollow, SET) == Settled()
    assert isinstance(settle(FIRST, later(19.0), hollow, Patience(settle_s=20.0)), Wait)


def test_a_set_time_is_kept_whatever_the_signs() -> None:
    signs = Signs(closed=True, writer=False, whole=True)

    assert isinstance(settle(FIRST, later(4.9), signs, SET), Wait)
    assert settle(FIRST, later(5.0), signs, SET) == Settled()
    assert settle(FIRST, later(5.0), Signs(), SET) == Settled()


def test_where_only_quiet_speaks_for_a_file_it_waits_twice_as_long() -> None:
    """The kernel cannot tell of writers, and no close event was seen (another owner, macOS)."""
    assert isinstance(settle(FIRST, later(3.9), Signs(writer=None), DEFAULT), Wait)
    assert settle(FIRST, later(4.0), Signs(writer=None), DEFAULT) == Settled()


def test_a_writer_keeps_a_quiet_file_waiting_for_ever() -> None:
    for whole in (True, None, False):
        state = settle(FIRST, later(1e6), Signs(writer=True, whole=whole), DEFAULT)
        assert state == Wait(30.0, "a program has the file open for writing")


def test_a_short_file_is_looked_at_ever_more_rarely_and_ends_truncated() -> None:
    patience = Patience(truncated_after_s=100.0)
    signs = Signs(writer=False, whole=False)

    assert settle(FIRST, later(2.0), signs, patience) == Short(1.0)
    assert settle(FIRST, later(40.0), signs, patience) == Short(20.0)
    assert settle(FIRST, later(95.0), signs, patience) == Short(5.0)
    assert settle(FIRST, later(100.0), signs, patience) == Truncated()


def test_a_short_file_whose_patience_is_shorter_than_its_quiet_time_still_gets_that() -> None:
    patience = Patience(truncated_after_s=1.0)
    signs = Signs(writer=False, whole=False)

    assert isinstance(settle(FIRST, later(1.5), signs, patience), Wait)
    assert settle(FIRST, later(2.0), signs, patience) == Truncated()


_seconds = st.floats(min_value=0, max_value=1e9, allow_nan=False)


@given(
    _seconds,
    st.builds(
        Signs,
        st.booleans(),
        st.none() | st.booleans(),
        st.none() | st.booleans(),
        hollow=st.booleans(),
    ),
    st.builds(Patience, st.floats(0.1, 3600), st.booleans(), st.booleans(), st.floats(1, 604800)),
)
def test_every_wait_is_positive_and_bounded(quiet: float, signs: Signs, patience: Patience) -> None:
    state = settle(FIRST, later(quiet), signs, patience)

    if isinstance(state, Wait | Short):
        assert 0 < state.seconds <= max(30.0, 2 * patience.settle_s, 10.0)
    if isinstance(state, Settled):
        assert signs.writer is not True
        assert signs.whole is not False
