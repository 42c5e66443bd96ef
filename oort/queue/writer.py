"""The one thread that writes: everything that changes the queue goes through it, in groups.

One commit costs an fsync (0.5 to 8 ms on the disks of acquisition PCs), so the changes that come
while one is under way share the next. Whoever needs durability waits for its future. A full disk
is waited out here: nothing is lost, whoever waits goes on when there is space.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from oort.errors import QueueError
from oort.queue.database import WAL_LIMIT_BYTES, is_damaged, is_full, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Engine

log = structlog.get_logger("oort.queue")

T = TypeVar("T")
Item = TypeVar("Item")

GROUP_ROWS: Final = 500
GROUP_S: Final = 0.02
RETRY_S: Final = 1.0
BUSY_MS: Final = 1000
"""So long SQLite waits for a lock of another program, until it is asked again: it cannot be hurried."""
IDLE_S: Final = 60.0
"""After so long without a change there is time for the queue's log."""
_STOP: Final = object()


@dataclass(slots=True)
class _Entry:
    """One change that was handed in; `change` is given `item` together with others of its kind."""

    change: Callable[..., Any]
    future: Future[Any]
    urgent: bool
    item: Any = None
    is_one_of_many: bool = False


class Writer:
    """Owns the only connection that writes; started once, stopped once."""

    def __init__(
        self,
        engine: Engine,
        *,
        on_fatal: Callable[[str], None] | None = None,
        idle_s: float = IDLE_S,
    ) -> None:
        self._engine = engine
        self._idle_s = idle_s
        self._log = None
        if engine.dialect.name == "sqlite" and engine.url.database:
            self._log = Path(f"{engine.url.database}-wal")
        self._on_fatal = on_fatal
        self._changes: queue.Queue[Any] = queue.Queue()
        self._is_urgent = threading.Event()
        """Set with each change that somebody waits for: it ends the wait for others."""
        self._stopping = threading.Event()
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._closed = False
        self._closing = threading.Lock()
        self.trouble: str | None = None
        """Why nothing can be written just now (a full disk); None while all is well."""
        self.turns = 0
        """How often its connection was opened, or closed because something went wrong."""
        self.commits = 0
        """Commits so far, each of them one fsync."""
        self._writing_since: float | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def came_round_at(self) -> float:
        """When it last had nothing in hand, on the monotonic clock; now, while it waits for a change."""
        since = self._writing_since
        return time.monotonic() if since is None else since

    def hurry(self) -> None:
        """Wait no more for space, or for another program that has the queue locked: the end is near.

        What cannot be written then fails with `QueueError`.
        """
        self._stopping.set()

    def stop(self) -> None:
        """Write what was handed in so far, then end; what comes later fails with `QueueError`."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._changes.put(_STOP)
            self._is_urgent.set()
        self._stopping.set()
        self._thread.join()

    def submit(self, change: Callable[[Connection], T], *, urgent: bool = True) -> Future[T]:
        """Hand in a change; the future is done when it is durable, or has failed.

        `change` may be run again after a rollback, so it must do nothing but talk to the database.
        A change that nobody waits for (`urgent=False`) may share a commit up to 20 ms later.
        """
        future: Future[T] = Future()
        self._put(_Entry(change, future, urgent))
        return future

    def submit_one_of_many(
        self,
        change: Callable[[Connection, Sequence[Item]], Sequence[T]],
        item: Item,
        *,
        urgent: bool = True,
    ) -> Future[T]:
        """Hand in a change that is made for many at once: one call for all that share a commit.

        `change` returns a result for each item. Such changes must not depend on each other's order:
        only one that was handed in by `submit` stays between those before and those after it.
        """
        future: Future[T] = Future()
        self._put(_Entry(change, future, urgent, item, is_one_of_many=True))
        return future

    def _put(self, entry: _Entry) -> None:
        with self._closing:
            if self._closed:
                entry.future.set_exception(QueueError("the queue is closed"))
                return
            self._changes.put(entry)
            if entry.urgent:
                self._is_urgent.set()

    def run(self, change: Callable[[Connection], T]) -> T:
        """Hand in a change and wait until it is durable."""
        return self.submit(change).result()

    def _run(self) -> None:
        while True:
            group, last = self._next_group()
            if group:
                self._writing_since = time.monotonic()
                self._write(group)
                self._writing_since = None
            if last:
                break
        self._drop_connection()

    def _next_group(self) -> tuple[list[_Entry], bool]:
        """Wait for a change, then take all that are there; linger only where nobody waits."""
        first = self._first_change()
        if first is _STOP:
            return [], True
        if not first.urgent:
            self._is_urgent.wait(GROUP_S)
        self._is_urgent.clear()
        group = [first]
        while len(group) < GROUP_ROWS:
            try:
                entry = self._changes.get_nowait()
            except queue.Empty:
                break
            if entry is _STOP:
                return group, True
            group.append(entry)
        return group, False

    def _first_change(self) -> Any:
        while True:
            try:
                return self._changes.get(timeout=self._idle_s)
            except queue.Empty:
                self._shorten_log()

    def _shorten_log(self) -> None:
        """Write a large log into the file and empty it.

        It grows for as long as somebody asks a long question, and SQLite shortens it at a later
        write only. Whoever asks just now is not waited for: there will be another idle moment.
        """
        if self._connection is None or self._log is None:
            return
        with suppress(OSError, SQLAlchemyError, sqlite3.Error):
            if self._log.stat().st_size > WAL_LIMIT_BYTES:
                driver: Any = self._connection.connection.driver_connection
                driver.execute("PRAGMA busy_timeout=0")
                try:
                    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                finally:
                    driver.execute(f"PRAGMA busy_timeout={BUSY_MS}")

    def _write(self, group: list[_Entry]) -> None:
        """Commit a group; a change that fails alone fails alone; a full disk is waited out."""
        while True:
            try:
                results = self._transact(group)
            except Exception as error:  # noqa: BLE001  # the one writer must outlive any change
                self._drop_connection()
                if is_damaged(error) and self._on_fatal is not None:
                    self._on_fatal(f"the queue is damaged: {reason_of(error)}")
                if is_full(error) and self._stopping.is_set():
                    self._refuse(group, error)  # one by one they would wait as long each
                    return
                if is_full(error):
                    if self.trouble is None:
                        log.warning("queue.waits", reason=reason_of(error))
                    self.trouble = reason_of(error)
                    self._stopping.wait(RETRY_S)
                    continue
                self._write_alone(group, error)
            else:
                for entry, result in zip(group, results, strict=True):
                    entry.future.set_result(result)
            self.trouble = None
            return

    def _write_alone(self, group: list[_Entry], error: Exception) -> None:
        """Give each change of a failed group a transaction of its own."""
        if len(group) == 1:
            self._refuse(group, error)
            return
        for entry in group:
            self._write([entry])

    def _refuse(self, group: list[_Entry], error: Exception) -> None:
        """Tell those who wait for a group that nothing comes of it."""
        for entry in group:
            failure = (
                QueueError(f"the queue refused a change: {reason_of(error)}")
                if isinstance(error, SQLAlchemyError)
                else error
            )
            failure.__cause__ = error if failure is not error else None
            entry.future.set_exception(failure)

    def _transact(self, group: list[_Entry]) -> list[Any]:
        if self._connection is None:
            self.turns += 1
            self._connection = self._engine.connect()
            self.turns += 1
            if self._log is not None:
                driver: Any = self._connection.connection.driver_connection
                driver.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        with self._connection.begin():
            results = _make(self._connection, group)
        self.commits += 1
        return results

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self.turns += 1
            self._connection.close()
            self.turns += 1
            self._connection = None


def _make(connection: Connection, group: list[_Entry]) -> list[Any]:
    """Make the changes of a group, those of one kind together; return what came of each."""
    results: list[Any] = [None] * len(group)
    kinds: dict[Callable[..., Any], list[int]] = {}

    def make_kinds() -> None:
        for change, places in kinds.items():
            made = change(connection, [group[place].item for place in places])
            for place, result in zip(places, made, strict=True):
                results[place] = result
        kinds.clear()

    for place, entry in enumerate(group):
        if entry.is_one_of_many:
            kinds.setdefault(entry.change, []).append(place)
        else:
            make_kinds()
            results[place] = entry.change(connection)
    make_kinds()
    return results
