"""Opening a queue: for the daemon, which migrates and writes; for a command, which may not migrate."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, OperationalError

from oort.errors import QueueError
from oort.queue import care
from oort.queue.database import (
    Database,
    is_damaged,
    make_private,
    migrate,
    on_damage,
    opening,
    reading_engine,
    refuse_another,
    require_schema,
    schema_of,
    writing_engine,
)
from oort.queue.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Engine

    from oort.clock import Clock


class OpenQueue:
    """A queue with its writer and its engines, until it is closed."""

    def __init__(
        self,
        database: Database,
        *,
        host: str,
        clock: Clock,
        backups: Path | None = None,
        may_migrate: bool = True,
        on_fatal: Callable[[str], None] | None = None,
    ) -> None:
        self._database = database
        self._on_fatal = on_fatal
        if database.file is not None:
            refuse_another(database.file)
            with opening(database):
                make_private(database.file)
        # Who only asks needs neither of these, nor the logging that they bring along.
        from oort.queue.store import Queue
        from oort.queue.writer import Writer

        writers = writing_engine(database)
        try:
            with opening(database):
                self.migrated = _take_schema(writers, backups, may_migrate=may_migrate)
        except QueueError as error:
            if error.__cause__ is not None and is_damaged(error.__cause__):
                self._note_damage()
            raise
        self.readers = reading_engine(database)
        on_damage(self.readers, self.fail)
        self.writer = Writer(writers, on_fatal=self.fail)
        self.writer.start()
        self._place = None if database.file is None else Place(database.file, self._turns)
        self.queue = Queue(self.writer, self.readers, host=host, clock=clock)

    def look(self) -> None:
        """See, about once a second, that the files are in their place: what is not is fatal."""
        trouble = self._place.trouble() if self._place is not None else None
        if trouble is not None:
            self.fail(trouble)

    def _turns(self) -> int:
        return self.writer.turns

    def fail(self, reason: str) -> None:
        """Tell that the file is malformed, in whatever thread that shows."""
        self._note_damage()
        if self._on_fatal is not None:
            self._on_fatal(reason)

    def _note_damage(self) -> None:
        """Leave a word for the next start, which will find the file closed in order."""
        if self._database.file is not None:
            with suppress(OSError):
                care.suspect(self._database.file)

    def close(self) -> None:
        """Write what is outstanding and let go of every connection, the writer's last.

        Who closes last writes the log into the file, and the writer is sure to have the right one.
        """
        self.readers.dispose()
        self.writer.stop()
        self.readers.dispose()


def _take_schema(writers: Engine, backups: Path | None, *, may_migrate: bool) -> bool:
    """Bring the schema up to date, or see that it is; tell whether anything had to be done."""
    if may_migrate:
        return migrate(writers, backup=backups)
    with writers.connect() as connection, connection.begin():
        require_schema(connection)
    return False


@contextmanager
def readers_of(database: Database) -> Iterator[Engine | None]:
    """Give an engine for questions; None where there is no queue yet (nothing is created).

    A file without tables is none yet: a daemon is about to make them.
    """
    if not database.exists:
        yield None
        return
    engine = _reading_engine(database)
    try:
        with opening(database), engine.connect() as connection:
            is_made = schema_of(connection) is not None
            if is_made:
                require_schema(connection)
        yield engine if is_made else None
    finally:
        engine.dispose()


def _reading_engine(database: Database) -> Engine:
    """Return an engine for questions, also for a queue at rest that cannot be prepared for a reader.

    SQLite makes an index for the log even where there is none: not on a disk that is full or
    read-only. Nobody writes then, and the file alone has everything.
    """
    engine = reading_engine(database)
    if database.file is None or database.file.with_name(f"{database.file.name}-wal").exists():
        return engine
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1 FROM sqlite_schema LIMIT 1")
    except OperationalError:
        engine.dispose()
        return reading_engine(database, at_rest=True)
    except DBAPIError:
        pass  # no queue at all: the next question says so in words
    return engine


def require_no_copy(database: Database, backups: Path) -> None:
    """Raise `QueueError` where a queue that is not there was deleted: only a daemon restores it."""
    if database.file is not None and not database.exists and care.has_copies(backups):
        raise QueueError(
            f"the queue {database.file} is gone",
            hint="start the daemon, which goes on from the newest copy: `oort start`",
        )


def queue_host(database: Database, host: str) -> str:
    """Return the host in the key of rows: a file serves one machine, whatever it is called."""
    return "" if database.file is not None else host
