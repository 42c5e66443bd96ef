"""The one writer: what shares a commit, what is durable when, and what a full disk costs."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, text

from oort.errors import QueueError
from oort.queue.database import WAL_LIMIT_BYTES, migrate, writing_engine
from oort.queue.writer import GROUP_ROWS, Writer
from tests.support.rows import sqlite_at
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from sqlalchemy import Connection


class Disk:
    """A disk with room for so many pages, as SQLite itself keeps it: real `SQLITE_FULL`."""

    def __init__(self) -> None:
        self.pages = 1 << 30

    def fill(self, file: Path) -> None:
        """Leave no room for another page."""
        with closing(sqlite3.connect(file)) as connection:
            (self.pages,) = connection.execute("PRAGMA page_count").fetchone()

    def free(self) -> None:
        """Make room again."""
        self.pages = 1 << 30

    def limit(self, connection: Any, _record: object) -> None:
        """Hold a new connection, and each later change of the limit, to it."""
        connection.execute(f"PRAGMA max_page_count={self.pages}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "oort.db"


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def writer(file: Path, disk: Disk) -> Iterator[Writer]:
    engine = writing_engine(sqlite_at(file))
    migrate(engine)
    with engine.connect() as connection, connection.begin():
        connection.execute(text("CREATE TABLE words (word TEXT)"))
    event.listen(engine, "connect", disk.limit)
    made = Writer(engine)
    made.start()
    yield made
    made.stop()


def words(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [row[0] for row in connection.execute("SELECT word FROM words ORDER BY rowid")]


def write(word: str) -> Callable[[Connection], str]:
    def change(connection: Connection) -> str:
        connection.execute(text("INSERT INTO words VALUES (:word)"), {"word": word})
        return word

    return change


class Gate:
    """A change that keeps the writer busy until it is let through."""

    def __init__(self, writer: Writer) -> None:
        self._entered, self._opened = threading.Event(), threading.Event()
        self._future = writer.submit(self._change)
        assert self._entered.wait(10)

    def _change(self, _: Connection) -> None:
        self._entered.set()
        assert self._opened.wait(10)

    def open(self) -> None:
        self._opened.set()
        self._future.result(10)


def test_what_is_awaited_is_on_disk_when_it_returns(writer: Writer, file: Path) -> None:
    assert writer.run(write("a")) == "a"

    assert words(file) == ["a"]


def test_changes_that_come_while_one_is_written_share_the_next_commit(
    writer: Writer, file: Path
) -> None:
    gate = Gate(writer)
    before = writer.commits
    futures = [writer.submit(write(str(number))) for number in range(200)]

    gate.open()

    assert [future.result(10) for future in futures] == [str(number) for number in range(200)]
    assert writer.commits - before == 2
    assert words(file) == [str(number) for number in range(200)]


def test_a_group_has_an_end(writer: Writer) -> None:
    gate = Gate(writer)
    before = writer.commits
    futures = [writer.submit(write("x")) for _ in range(2 * GROUP_ROWS + 1)]

    gate.open()
    for future in futures:
        future.result(10)

    assert writer.commits - before == 4


def test_a_change_that_nobody_waits_for_shares_a_commit_with_the_next(writer: Writer) -> None:
    gate = Gate(writer)
    before = writer.commits
    lazy = writer.submit(write("lazy"), urgent=False)
    writer.submit(write("urgent")).add_done_callback(lambda _: None)

    gate.open()

    assert lazy.result(10) == "lazy"
    assert writer.commits - before == 2


def test_a_change_that_nobody_waits_for_is_written_all_the_same(writer: Writer) -> None:
    assert writer.submit(write("lazy"), urgent=False).result(10) == "lazy"


def test_a_refused_change_takes_nobody_with_it(writer: Writer, file: Path) -> None:
    gate = Gate(writer)
    good = [writer.submit(write("a")), writer.submit(write("b"))]
    bad = writer.submit(lambda connection: connection.execute(text("INSERT INTO nothing")))
    late = writer.submit(write("c"))

    gate.open()

    assert [future.result(10) for future in (*good, late)] == ["a", "b", "c"]
    with pytest.raises(QueueError, match="the queue refused a change"):
        bad.result(10)
    assert words(file) == ["a", "b", "c"]


def test_a_mistake_of_ours_reaches_whoever_made_it(writer: Writer) -> None:
    def mistaken(_: Connection) -> None:
        raise ValueError("no row is born so")

    with pytest.raises(ValueError, match="no row is born so"):
        writer.run(mistaken)
    assert writer.run(write("a")) == "a"


def test_changes_of_one_kind_are_made_by_one_call_and_never_past_another_change(
    writer: Writer, file: Path
) -> None:
    calls: list[list[str]] = []

    def write_all(connection: Connection, items: Sequence[str]) -> list[str]:
        calls.append(list(items))
        for word in items:
            write(word)(connection)
        return [word.upper() for word in items]

    gate = Gate(writer)
    one = [writer.submit_one_of_many(write_all, word) for word in ("a", "b")]
    between = writer.submit(write("c"))
    two = [writer.submit_one_of_many(write_all, word, urgent=False) for word in ("d", "e")]

    gate.open()

    assert [future.result(10) for future in (*one, *two)] == ["A", "B", "D", "E"]
    assert between.result(10) == "c"
    assert calls == [["a", "b"], ["d", "e"]]
    assert words(file) == ["a", "b", "c", "d", "e"]


def test_of_changes_of_one_kind_the_refused_one_fails_alone(writer: Writer, file: Path) -> None:
    def write_all(connection: Connection, items: Sequence[str]) -> list[str]:
        for word in items:
            write(word)(connection)
        if "bad" in items:
            raise QueueError("no such word")
        return list(items)

    gate = Gate(writer)
    futures = {word: writer.submit_one_of_many(write_all, word) for word in ("a", "bad", "b")}

    gate.open()

    with pytest.raises(QueueError, match="no such word"):
        futures["bad"].result(10)
    assert futures["a"].result(10) == "a"
    assert futures["b"].result(10) == "b"
    assert words(file) == ["a", "b"]


# -- a full disk ------------------------------------------------------------------------------------

LONG = "x" * 20_000


def fill(writer: Writer, disk: Disk, file: Path) -> Future[str]:
    """Fill the disk, hand in a change that has no room, and wait until the writer knows."""
    disk.fill(file)
    # A connection learns its limit when it is made; a refused change makes the writer make one.
    with pytest.raises(ValueError, match="anew"):
        writer.run(_begin_anew)
    future = writer.submit(write(LONG))
    wait_until(lambda: writer.trouble, what="the writer never noticed that the disk is full")
    return future


def _begin_anew(_: Connection) -> None:
    raise ValueError("anew")


def test_a_full_disk_is_waited_out(writer: Writer, disk: Disk, file: Path) -> None:
    stuck = fill(writer, disk, file)
    behind = [writer.submit(write(str(number))) for number in range(5)]

    assert "full" in str(writer.trouble)
    assert not stuck.done()
    disk.free()

    assert stuck.result(20) == LONG
    assert [future.result(20) for future in behind] == ["0", "1", "2", "3", "4"]
    wait_until(lambda: writer.trouble is None)
    assert words(file) == [LONG, "0", "1", "2", "3", "4"]


def test_a_full_disk_does_not_keep_the_daemon_from_ending(
    writer: Writer, disk: Disk, file: Path
) -> None:
    stuck = fill(writer, disk, file)

    writer.stop()

    assert not writer.is_alive
    with pytest.raises(QueueError, match="full"):
        stuck.result(0)
    assert words(file) == []


def test_the_queue_can_be_read_while_the_disk_is_full(
    writer: Writer, disk: Disk, file: Path
) -> None:
    writer.run(write("a"))
    fill(writer, disk, file)

    assert words(file) == ["a"]


# -- the end ----------------------------------------------------------------------------------------


def test_stopping_writes_what_was_handed_in(writer: Writer, file: Path) -> None:
    gate = Gate(writer)
    futures = [writer.submit(write(str(number)), urgent=False) for number in range(700)]
    stopper = threading.Thread(target=writer.stop)
    stopper.start()

    gate.open()
    stopper.join()

    assert all(future.done() and future.exception() is None for future in futures)
    assert len(words(file)) == 700
    assert not writer.is_alive


def test_what_comes_after_the_end_is_refused(writer: Writer) -> None:
    writer.stop()
    writer.stop()

    with pytest.raises(QueueError, match="closed"):
        writer.run(write("late"))


def test_stopping_leaves_no_wal_behind(writer: Writer, file: Path) -> None:
    writer.run(write("a"))
    assert file.with_name("oort.db-wal").exists()

    writer.stop()

    assert not file.with_name("oort.db-wal").exists()
    assert words(file) == ["a"]


# -- the log ----------------------------------------------------------------------------------------


def test_a_log_that_a_long_question_let_grow_is_shortened_when_there_is_time(
    file: Path, writer: Writer
) -> None:
    log = file.with_name(f"{file.name}-wal")
    writer.run(write("a"))
    writer.stop()
    patient = Writer(writing_engine(sqlite_at(file)), idle_s=0.2)
    patient.start()
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM words").fetchall()
        for _ in range(35):
            patient.run(lambda c: c.execute(text("UPDATE words SET word = randomblob(2000000)")))
        assert log.stat().st_size > WAL_LIMIT_BYTES
    wait_until(lambda: log.stat().st_size == 0, timeout_s=30)

    patient.run(write("b"))
    patient.stop()
