"""Which rows a claim takes, and in which order."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from oort.policy import state
from oort.policy.outcome import Broken, ServerBusy
from oort.policy.retry import AFTER_ERROR_S, Decision
from oort.queue import orders
from oort.queue.ends import Ended
from oort.queue.moves import StaleRowError
from oort.queue.opening import OpenQueue
from oort.queue.orders import Which
from tests.support.fakes import FakeClock
from tests.support.rows import (
    REFUSED,
    STORED,
    TONIGHT,
    all_rows,
    claim,
    end,
    newest,
    settle,
    sqlite_at,
    version,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from sqlalchemy import Connection

    from oort.values import Upload

BUSY = ServerBusy("503", 503, retry_after_s=60.0)
CUT = Broken("reset", 100, body_complete=False, link_proven=False)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def opened(tmp_path: Path, clock: FakeClock) -> Iterator[OpenQueue]:
    queue = OpenQueue(sqlite_at(tmp_path / "oort.db"), host="", clock=clock)
    yield queue
    queue.close()


def names(opened: OpenQueue, limit: int = 100) -> list[str]:
    return [upload.rel_path.decode() for upload in claim(opened, limit)]


def test_the_order_is_retry_tonight_fewest_cuts_oldest(opened: OpenQueue, clock: FakeClock) -> None:
    settle(opened, version("refused"), night="2026-11-20")
    end(opened, claim(opened)[0], REFUSED)
    settle(opened, version("waited"), night="2026-11-20")
    end(opened, claim(opened)[0], BUSY)
    settle(opened, version("cut tonight"), night=TONIGHT)
    end(opened, claim(opened)[0], CUT)
    settle(opened, version("cut"), night="2026-11-20")
    (upload,) = [one for one in claim(opened) if one.rel_path == b"cut"]
    end(opened, upload, CUT)
    opened.queue.recover(wait_s=0)
    settle(opened, version("old"), version("older still"), night="2026-11-20")
    settle(opened, version("new"), night="2026-11-21")
    settle(opened, version("tonight"), night=TONIGHT)
    clock.advance(61)
    which = Which((b"/data/dome/refused",))
    opened.queue.change(lambda c: orders.retry(c, "", which, clock.now()))

    assert names(opened) == [
        "refused",
        "tonight",
        "cut tonight",
        "waited",
        "old",
        "older still",
        "new",
        "cut",
    ]


def test_tonights_file_is_first_however_many_waited(opened: OpenQueue, clock: FakeClock) -> None:
    settle(opened, *(version(f"{number}.fits") for number in range(20)), night="2026-11-20")
    for upload in claim(opened):
        end(opened, upload, BUSY)
    settle(opened, version("tonight.fits"), night=TONIGHT)
    clock.advance(3600)

    assert names(opened, 3) == ["tonight.fits", "0.fits", "1.fits"]


def test_no_row_is_taken_before_its_time(opened: OpenQueue, clock: FakeClock) -> None:
    settle(opened, version("a.fits"))
    end(opened, claim(opened)[0], BUSY)

    clock.advance(59)
    assert names(opened) == []
    assert not opened.queue.waits(["dome"], clock.now())
    assert opened.queue.next_due_at(["dome"]) == clock.now() + timedelta(seconds=1)
    clock.advance(2)
    assert opened.queue.waits(["dome"], clock.now())
    assert names(opened) == ["a.fits"]


def test_a_file_whose_attempts_are_used_up_is_tried_again_in_a_day(
    opened: OpenQueue, clock: FakeClock
) -> None:
    settle(opened, version("a.fits"))
    end(opened, claim(opened)[0], BUSY, attempts=11)
    assert newest(opened, "a.fits").state == state.FAILED

    clock.advance(AFTER_ERROR_S - 1)
    assert names(opened) == []
    clock.advance(2)
    assert names(opened) == ["a.fits"]


def test_a_file_that_the_server_refused_is_not_tried_again(
    opened: OpenQueue, clock: FakeClock
) -> None:
    settle(opened, version("a.fits"))
    end(opened, claim(opened)[0], REFUSED)

    clock.advance(10 * AFTER_ERROR_S)

    assert names(opened) == []


def test_only_rows_of_the_watches_named_are_taken(opened: OpenQueue) -> None:
    settle(opened, version("a.fits"), watch="dome")
    settle(opened, version("b.fits"), watch="other")

    assert [one.rel_path for one in claim(opened, watches=("other",))] == [b"b.fits"]
    assert claim(opened, watches=()) == []
    assert opened.queue.next_due_at([]) is None
    assert not opened.queue.waits([], FakeClock().now())


def test_a_claim_takes_as_many_as_it_asked_for(opened: OpenQueue) -> None:
    settle(opened, *(version(f"{number}.fits") for number in range(10)), night=TONIGHT)

    assert len(names(opened, 0)) == 0
    assert len(names(opened, 3)) == 3
    assert len(names(opened, 100)) == 7


def test_a_row_is_recorded_as_taken_before_anybody_has_it(opened: OpenQueue) -> None:
    settle(opened, version("a.fits"))

    (upload,) = claim(opened)

    (row,) = all_rows(opened)
    assert row.state == upload.state == state.SYNCING
    assert (row["claim"], row["started_at"] is not None) == (upload.claim, True)
    end(opened, upload, STORED)


# -- many at once -----------------------------------------------------------------------------------


def _ends_at_once(opened: OpenQueue, uploads: list[Upload]) -> list[Future[bool]]:
    """Have the attempts of these end while the writer is busy: they share a commit."""
    entered, free = threading.Event(), threading.Event()

    def keep_busy(_: Connection) -> None:
        entered.set()
        assert free.wait(10)

    opened.writer.submit(keep_busy)
    assert entered.wait(10)
    done = Decision(state.DONE, "stored", counted=True)
    ended = Ended("Stored", FakeClock().now(), 2880, 201, sha256="0" * 64)
    futures = [opened.queue.finish(one, one.state, done, ended) for one in uploads]
    free.set()
    return futures


def test_attempts_that_end_at_once_are_recorded_by_as_few_statements_as_one(
    opened: OpenQueue,
) -> None:
    settle(opened, *(version(f"{number}.fits") for number in range(40)))
    statements: list[str] = []

    def count(*seen: Any) -> None:
        statements.append(seen[2])

    event.listen(opened.writer._engine, "before_cursor_execute", count)
    before = opened.writer.commits

    for future in _ends_at_once(opened, claim(opened)):
        assert future.result(10) is False

    # A claim is three, the end of an attempt four; with each transaction's BEGIN.
    assert [one for one in statements if not one.startswith("BEGIN")][3:] == statements[-4:]
    assert opened.writer.commits - before == 3
    assert all(row.state == state.DONE for row in all_rows(opened))
    assert [row.steps[-1] for row in all_rows(opened)] == [(state.DONE, "stored")] * 40


def test_a_claim_that_was_lost_takes_no_attempt_with_it_that_ends_at_once(
    opened: OpenQueue,
) -> None:
    settle(opened, *(version(f"{number}.fits") for number in range(5)))
    uploads = claim(opened)
    lost = replace(uploads[2], claim=uploads[2].claim - 1)

    futures = _ends_at_once(opened, [*uploads[:2], lost, *uploads[3:]])

    with pytest.raises(StaleRowError):
        futures[2].result(10)
    for number in (0, 1, 3, 4):
        futures[number].result(10)
    states = [row.state for row in all_rows(opened)]
    assert states == [state.DONE, state.DONE, uploads[2].state, state.DONE, state.DONE]


def test_a_claim_tells_which_names_no_other_row_has(opened: OpenQueue) -> None:
    settle(opened, version("a/x.fits"), version("b/x.fits"), version("c/y.fits"))

    told = {one.rel_path.decode(): one.has_namesake for one in claim(opened)}

    assert told == {"a/x.fits": True, "b/x.fits": True, "c/y.fits": False}
