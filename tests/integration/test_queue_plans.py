"""What is asked often, or while the writer waits, is found by an index: a million rows are not read.

SQLite plans without statistics, so a plan for two rows is the plan for a million.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from oort.clock import SystemClock
from oort.policy.version import RelPath
from oort.queue import nights, orders, reads
from oort.queue.datasets import DatasetKey, KnownDataset
from oort.queue.opening import OpenQueue
from oort.queue.orders import Which
from tests.support.rows import STORED, TONIGHT, WATCH, claim, end, settle, sqlite_at, version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = SystemClock().now()
KEY = DatasetKey("cloud", "stargazer", "", "M31")
KNOWN = KnownDataset("0b1cd3f2-0000-4000-8000-000000000001", None, fresh=True)


@dataclass
class Planned:
    """A queue whose statements are explained after they ran."""

    opened: OpenQueue
    statements: list[tuple[str, Any]] = field(default_factory=list)

    def plan_of(self, ask: Callable[[], object]) -> list[str]:
        """Return every line of SQLite's plans for what `ask` says of the uploads."""
        self.statements.clear()
        ask()
        said = [one for one in self.statements if "FROM uploads" in one[0] or "UPDATE" in one[0]]
        assert said
        with self.opened.readers.connect() as connection:
            driver: Any = connection.connection.driver_connection
            return [
                line[3]
                for statement, parameters in said
                for line in driver.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            ]


@pytest.fixture
def planned(tmp_path: Path) -> Iterator[Planned]:
    opened = OpenQueue(sqlite_at(tmp_path / "oort.db"), host="", clock=SystemClock())
    settle(opened, version("stored.fits"), version("waits.fits"), dataset_name="M31")
    end(opened, claim(opened, 1)[0], STORED)
    planned = Planned(opened)

    def keep(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            planned.statements.append((statement, parameters))

    event.listen(opened.readers, "before_cursor_execute", keep)
    event.listen(opened.writer._engine, "before_cursor_execute", keep)
    yield planned
    opened.close()


def _read(ask: Callable[[Any], object]) -> Callable[[OpenQueue], object]:
    def run(opened: OpenQueue) -> object:
        with opened.readers.connect() as connection:
            return ask(connection)

    return run


OFTEN: dict[str, Callable[[OpenQueue], object]] = {
    "what waits": lambda opened: opened.queue.waits([WATCH], NOW),
    "what is due": lambda opened: opened.queue.next_due_at([WATCH]),
    "a claim": lambda opened: opened.queue.claim([WATCH], limit=1, tonight=TONIGHT),
    "what is left for an idle moment": lambda opened: opened.queue.todo(0, 10),
    "a dataset's doubts": lambda opened: opened.queue.datasets.doubts_of("M31"),
    "a dataset that was found": lambda opened: opened.queue.datasets.keep(KEY, KNOWN, [WATCH]),
    "a dataset that is gone": lambda opened: opened.queue.datasets.forget(KEY, [WATCH]),
    "what settles": lambda opened: opened.queue.settling(WATCH),
    "what is known": lambda opened: opened.queue.known(WATCH, [RelPath(b"waits.fits")]),
    "a restart": lambda opened: opened.queue.recover(wait_s=1.0),
    "a step of the clock": lambda opened: opened.queue.shift_waits(timedelta(hours=1)),
    "what is in hand": _read(lambda connection: reads.in_hand(connection, "")),
    "what waits for longest": _read(lambda connection: reads.oldest_pending_at(connection, "")),
    "what needs a person": _read(lambda connection: reads.attention(connection, "")),
    "one path": _read(lambda connection: reads.newest(connection, "", WATCH, b"waits.fits")),
    "what is lost": _read(lambda connection: reads.lost(connection, "", [WATCH])),
    "how much was lost lately": _read(lambda c: reads.lost_since(c, "", [WATCH], NOW)),
    "the newest night": _read(lambda connection: reads.newest_night(connection, "", TONIGHT)),
    "a night": _read(lambda connection: reads.night_counts(connection, "", TONIGHT)),
    "a few rows": _read(lambda connection: reads.of_ids(connection, "", [1, 2])),
    "the newest night to report": _read(lambda c: nights.newest_night(c, "", not_after=TONIGHT)),
    "a night of the future": _read(lambda c: nights.later_night(c, "", after=TONIGHT)),
    "the files of a night": _read(lambda c: list(nights.entries(c, "", TONIGHT))),
    "what changed last": _read(lambda connection: reads.uploads(connection, "")),
    "a retry of all": lambda opened: opened.queue.change(
        lambda connection: orders.retry(connection, "", Which(every_error=True), NOW)
    ),
}


@pytest.mark.parametrize("what", OFTEN)
def test_what_is_asked_often_reads_no_row_that_it_is_not_about(planned: Planned, what: str) -> None:
    plan = planned.plan_of(lambda: OFTEN[what](planned.opened))
    # An index that is walked is one of few rows, or in the order that is asked for.
    assert not [line for line in plan if line.startswith("SCAN uploads") and "INDEX" not in line]
    assert not [line for line in plan if "ix_uploads_counts (watch=? AND status=?)" in line]


@pytest.mark.parametrize(
    ("what", "how"),
    [
        ("what is lost", "INDEX ix_uploads_counts (watch=? AND status=? AND substatus=?)"),
        (
            "how much was lost lately",
            "INDEX ix_uploads_counts (watch=? AND status=? AND substatus=?)",
        ),
        ("the newest night", "INDEX ix_uploads_night (night<?)"),
        ("a night", "INDEX ix_uploads_night (night=?)"),
        ("a few rows", "INTEGER PRIMARY KEY (rowid=?)"),
    ],
)
def test_what_the_page_asks_reads_no_more_than_it_shows(
    planned: Planned, what: str, how: str
) -> None:
    plan = planned.plan_of(lambda: OFTEN[what](planned.opened))
    assert any(how in line for line in plan), plan


def test_counts_are_read_from_an_index_alone(planned: Planned) -> None:
    plan = planned.plan_of(lambda: _read(lambda c: reads.counts(c, ""))(planned.opened))
    assert plan == ["SCAN uploads USING COVERING INDEX ix_uploads_counts"]


@pytest.mark.parametrize(
    ("what", "condition"),
    [
        ("the newest night to report", "night<?"),
        ("a night of the future", "night>?"),
        ("the files of a night", "night=?"),
    ],
)
def test_a_night_is_found_in_the_index_of_nights_without_a_sort(
    planned: Planned, what: str, condition: str
) -> None:
    plan = planned.plan_of(lambda: OFTEN[what](planned.opened))

    assert plan == [f"SEARCH uploads USING INDEX ix_uploads_night ({condition})"]


def test_a_path_or_a_folder_is_one_range_of_an_index(planned: Planned) -> None:
    plan = planned.plan_of(
        lambda: _read(lambda c: reads.matching(c, "", WATCH, b"2026-11-22"))(planned.opened)
    )
    assert any("(watch=? AND rel_path>? AND rel_path<?)" in line for line in plan)


def test_paths_are_asked_for_by_few_statements_however_many_they_are(planned: Planned) -> None:
    """A statement stays prepared, for each connection: a daemon that runs for years has seen all."""
    planned.statements.clear()
    for count in range(1, 201):
        paths = [RelPath(b"%d.fits" % n) for n in range(count - 1)] + [RelPath(b"stored.fits")]
        assert set(planned.opened.queue.known(WATCH, paths)) == {RelPath(b"stored.fits")}

    assert 1 < len({statement for statement, _ in planned.statements}) <= 9
