"""The counters that outlive a restart: counted from what is on disk, told in the notes, never going back."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from oort.clock import SystemClock
from oort.daemon.tally import LATEST, SECONDS, SPAN_S, SPANS_KEPT, Tally
from oort.policy.retry import Facts, Limits, decide
from tests.support.fakes import FakeClock
from tests.support.rows import BUSY, REFUSED, STORED, claim, end, settle, version

if TYPE_CHECKING:
    from oort.policy.outcome import Outcome
    from oort.queue.opening import OpenQueue
    from oort.values import Upload


def count(tally: Tally, upload: Upload, outcome: Outcome, clock: FakeClock, took_s: float) -> None:
    decision = decide(outcome, Facts(0), Limits(), random.Random(1))
    began = clock.now() - timedelta(seconds=took_s)
    tally.ended(upload, type(outcome).__name__, decision, began)


@pytest.fixture
def upload(opened: OpenQueue) -> Upload:
    settle(opened, version("a.fits", size=1000))
    return claim(opened)[0]


def test_a_stored_file_counts_with_its_bytes_and_its_seconds(upload: Upload) -> None:
    clock = FakeClock()
    tally = Tally(clock, {}, {})

    count(tally, upload, STORED, clock, took_s=0.7)
    count(tally, upload, BUSY, clock, took_s=100.0)

    told = tally.totals()
    assert (told["files"], told["bytes"]) == (1, 1000)
    assert told["attempts"] == {"ServerBusy": 1, "Stored": 1}
    assert told["last_success_at"] == clock.now().timestamp()
    assert told["latest"] == [upload.id]
    seconds = told["seconds"]
    assert (seconds["count"], seconds["sum"]) == (1, 0.7)
    below = [bound for bound, within in zip(SECONDS, seconds["within"], strict=True) if not within]
    assert below == [0.1, 0.25, 0.5]


def test_what_is_told_is_where_the_next_process_goes_on(upload: Upload) -> None:
    clock = FakeClock()
    first = Tally(clock, {}, {})
    count(first, upload, STORED, clock, took_s=3.0)
    first.follow(5000, {"dome": 4})

    second = Tally(clock, first.totals(), first.throughput())
    assert (second.totals(), second.throughput()) == (first.totals(), first.throughput())
    second.follow(100, {"dome": 1})
    count(second, upload, STORED, clock, took_s=3.0)

    told = second.totals()
    assert (told["files"], told["bytes"], told["seconds"]["count"]) == (2, 2000, 2)
    assert told["missed_events"] == {"dome": 5}
    assert told["span"][1:] == [5100, 2]


def test_missed_events_only_grow_also_when_a_watch_begins_anew() -> None:
    tally = Tally(FakeClock(), {}, {})

    counted = []
    for missed in (0, 3, 3, 1, 2):
        tally.follow(0, {"dome": missed})
        counted.append(tally.totals()["missed_events"]["dome"])

    assert counted == [0, 3, 3, 4, 5]


def test_other_bounds_than_ours_begin_anew() -> None:
    seconds = {"bounds": [1.0, 2.0], "within": [5, 9], "count": 9, "sum": 10.0}

    told = Tally(FakeClock(), {"files": 9, "seconds": seconds}, {}).totals()

    assert told["files"] == 9
    assert told["seconds"]["count"] == 0


def test_spans_follow_the_clock_and_a_day_of_them_is_kept() -> None:
    clock = FakeClock()
    tally = Tally(clock, {}, {})
    for turn in range(SPANS_KEPT + 5):
        tally.follow(1000 * (turn + 1), {})
        clock.advance(SPAN_S)

    over, now = tally.throughput()["spans"], tally.totals()["span"]

    assert len(over) == SPANS_KEPT - 1
    starts = [start for start, _, _ in [*over, now]]
    assert starts == list(range(starts[0], starts[0] + SPANS_KEPT * SPAN_S, SPAN_S))
    assert {sent for _, sent, _ in over} == {1000}


def test_spans_that_a_wrong_clock_wrote_ahead_are_forgotten() -> None:
    clock = FakeClock()
    tally = Tally(clock, {}, {})
    clock.step(86_400 * 365)
    tally.follow(1000, {})
    clock.step(-86_400 * 365)
    tally.follow(3000, {})

    assert tally.throughput()["spans"] == []
    assert tally.totals()["span"][1] == 2000


def test_nothing_to_tell_changes_nothing() -> None:
    clock = FakeClock()
    tally = Tally(clock, {}, {})
    tally.follow(1000, {"dome": 0})
    before = (tally.totals(), tally.throughput())
    clock.advance(SPAN_S * 10)
    tally.follow(1000, {"dome": 0})

    assert (tally.totals(), tally.throughput()) == before


def test_the_latest_are_few_newest_first_each_once(opened: OpenQueue) -> None:
    settle(opened, *(version(f"{n}.fits") for n in range(LATEST + 3)))
    uploads = claim(opened)
    clock = FakeClock()
    tally = Tally(clock, {}, {})
    for one in [*uploads, uploads[-2]]:
        count(tally, one, STORED, clock, took_s=1.0)

    ids = [one.id for one in uploads]
    assert tally.totals()["latest"] == [ids[-2], ids[-1], *reversed(ids[-LATEST:-2])]


def test_a_queue_without_notes_is_counted_once(opened: OpenQueue) -> None:
    settle(opened, version("a.fits", 10), version("b.fits", 20), version("c.fits", 30))
    a, b, c = claim(opened)
    end(opened, a, STORED)
    end(opened, b, STORED)
    end(opened, c, REFUSED)

    told = Tally.remembered(opened.queue, SystemClock()).totals()

    assert (told["files"], told["bytes"]) == (2, 30)
    assert told["attempts"] == {"FileRefused": 1, "Stored": 2}
    assert told["seconds"]["count"] == 2
    assert told["seconds"]["within"][-1] == 2
    assert set(told["latest"]) == {a.id, b.id}
    assert told["last_success_at"] is not None


def test_an_empty_queue_has_a_tally_of_nothing(opened: OpenQueue) -> None:
    told: dict[str, Any] = Tally.remembered(opened.queue, SystemClock()).totals()

    assert (told["files"], told["bytes"], told["attempts"]) == (0, 0, {})
    assert told["last_success_at"] is None
    assert told["span"] is None


def test_notes_are_believed_rather_than_rows(opened: OpenQueue) -> None:
    """History is pruned; what was counted stays counted."""
    opened.queue.memory.note("totals", {"files": 7, "bytes": 70}).result()

    assert Tally.remembered(opened.queue, SystemClock()).totals()["files"] == 7
