"""What stands in the way of "nothing is missing"."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oort.policy.completeness import WatchFacts, unknowns

BEGINS = datetime(2026, 11, 22, 12, tzinfo=UTC)
ENDS = BEGINS + timedelta(days=1)
IN_THE_NIGHT = BEGINS + timedelta(hours=12)
AFTERWARDS = ENDS + timedelta(hours=6)
SECOND = timedelta(seconds=1)


def watch(scanned: datetime | None, **more: Any) -> WatchFacts:
    known = {"last_scan_at": scanned, "whole_scan_at": scanned}
    return WatchFacts("dome", BEGINS, ENDS, **known | more)


def told(one: WatchFacts, now: datetime, ahead: timedelta = timedelta(0)) -> str:
    return "; ".join(unknowns([one], now=now, rescan_s=300, clock_ahead=ahead))


def test_a_watch_that_was_scanned_after_the_night_hides_nothing() -> None:
    assert "" == told(watch(ENDS), AFTERWARDS)
    assert "" == told(watch(ENDS + SECOND, state="polling"), AFTERWARDS)


def test_a_scan_before_the_end_says_nothing_of_what_came_later() -> None:
    assert (
        'the last scan of the watch "dome" began at 2026-11-23 11:59:59 UTC, before the night\'s end'
    ) == told(watch(ENDS - SECOND), AFTERWARDS)


def test_a_night_that_goes_on_was_scanned_just_now() -> None:
    assert "" == told(watch(IN_THE_NIGHT - 600 * SECOND), IN_THE_NIGHT)
    assert told(watch(IN_THE_NIGHT - 601 * SECOND), IN_THE_NIGHT).endswith(
        "more than 2 x 300 s ago"
    )


def test_a_watch_that_was_never_scanned_may_hide_anything() -> None:
    assert 'the watch "dome" has not been scanned yet' == told(watch(None), AFTERWARDS)
    assert 'the watch "dome" has not been scanned yet: which are new?' == (
        told(watch(None, state="held", reason="which are new?"), AFTERWARDS)
    )


def test_a_watch_that_is_missing_is_named_with_the_reason() -> None:
    assert 'the watch "dome" is missing: /data/dome is not there' == (
        told(watch(ENDS, state="missing", reason="/data/dome is not there"), AFTERWARDS)
    )


def test_a_folder_that_cannot_be_read_may_hide_anything() -> None:
    unreadable = ("M31: Permission denied", "M33: Permission denied")
    before = watch(AFTERWARDS, whole_scan_at=ENDS - SECOND, unreadable=unreadable)

    assert (
        'the watch "dome" could not be read in full: M31: Permission denied, and 1 more'
    ) == told(before, AFTERWARDS)


def test_what_cannot_be_read_now_hides_nothing_of_a_night_that_was_read_in_full() -> None:
    assert "" == told(
        watch(AFTERWARDS, whole_scan_at=ENDS, unreadable=("M31: Permission denied",)), AFTERWARDS
    )


def test_a_daemon_that_was_started_anew_forgets_no_scan() -> None:
    anew = watch(None, whole_scan_at=ENDS, state="scanning")

    assert "" == told(anew, AFTERWARDS)
    assert "has not been scanned yet" in told(watch(None, whole_scan_at=ENDS - SECOND), AFTERWARDS)


def test_a_night_to_come_is_not_known() -> None:
    assert 'the night of the watch "dome" has not begun' == told(watch(BEGINS), BEGINS - SECOND)


def test_a_clock_that_is_ahead_makes_a_late_scan_an_early_one() -> None:
    assert "" == told(watch(ENDS + 90 * SECOND), AFTERWARDS, 60 * SECOND)
    assert "" == told(watch(ENDS), AFTERWARDS, -3600 * SECOND)
    assert "ahead of the server's" in told(watch(ENDS + 90 * SECOND), AFTERWARDS, 120 * SECOND)


def test_nobody_watches() -> None:
    assert ["no folder is watched"] == unknowns([], now=AFTERWARDS, rescan_s=300)


@pytest.mark.parametrize("count", [2, 3])
def test_each_watch_is_told_by_its_own_night(count: int) -> None:
    facts = [watch(None) for _ in range(count - 1)] + [watch(ENDS)]

    assert count - 1 == len(unknowns(facts, now=AFTERWARDS, rescan_s=300))
