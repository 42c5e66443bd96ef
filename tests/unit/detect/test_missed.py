"""Files that a scan found first: a few are accidents, many mean polling."""

from __future__ import annotations

from oort.detect.missed import GRACE_S, MANY, WINDOW_S, MissedEvents
from oort.policy.version import RelPath


def miss(missed: MissedEvents, count: int, now: float) -> None:
    for n in range(count):
        missed.suspect(RelPath(b"%d/%d" % (now, n)), now)
    missed.judge(now + GRACE_S)


def test_an_event_that_comes_a_little_late_was_not_missed() -> None:
    missed = MissedEvents()
    missed.suspect(RelPath(b"a"), 0.0)
    missed.suspect(RelPath(b"in/b"), 0.0)
    missed.suspect(RelPath(b"c"), 0.0)
    missed.announced(b"a")
    missed.announced(b"in", with_all_below=True)

    assert missed.judge(GRACE_S - 0.1) == 0
    assert missed.judge(GRACE_S) == 1
    assert missed.total == 1


def test_a_file_that_was_announced_while_it_was_empty_was_not_missed() -> None:
    missed = MissedEvents()
    missed.announced_empty(b"a")
    missed.suspect(RelPath(b"a"), 0.0)

    assert missed.next_at() is None


def test_of_a_file_that_had_content_when_it_was_announced_nothing_is_kept() -> None:
    missed = MissedEvents()
    missed.announced_empty(b"a")
    missed.announced(b"a")
    missed.suspect(RelPath(b"a"), 0.0)

    assert missed.next_at() == GRACE_S


def test_many_turn_to_polling_and_an_hour_without_turns_back() -> None:
    missed = MissedEvents()
    miss(missed, MANY - 1, 0.0)
    assert not missed.is_polling
    miss(missed, 1, 100.0)
    assert missed.is_polling

    missed.judge(WINDOW_S + 50)  # the first ones are an hour old, the last one is not
    assert missed.is_polling
    assert missed.next_at() == 100.0 + GRACE_S + WINDOW_S
    missed.judge(100.0 + GRACE_S + WINDOW_S)
    assert not missed.is_polling
    assert missed.next_at() is None
    assert missed.total == MANY


def test_few_in_an_hour_never_turn_to_polling() -> None:
    missed = MissedEvents()
    for hour in range(20):
        miss(missed, 1, hour * WINDOW_S)

    assert not missed.is_polling
    assert missed.total == 20
