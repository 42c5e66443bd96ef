"""Opening a queue: for the daemon, which migrates and writes; for a command, which may not migrate."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from oort.queue.database import (
    Database,
    make_private,
    migrate,
    opening,
    reading_engine,
    require_schema,
    writing_engine,
)
from oort.queue.store import Queue
from oort.queue.writer import Writer

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
        if database.file is not None:
            with opening(database):
                make_private(database.file)
        writers = writing_engine(database)
        with opening(database):
            if may_migrate:
                self.migrated = migrate(writers, backup=backups)
            else:
                self.migrated = False
                with writers.connect() as connection, connection.begin():
                    require_schema(connection)
        self.readers = reading_engine(database)
        self.writer = Writer(writers, on_fatal=on_fatal)
        self.writer.start()
        self.queue = Queue(self.writer, self.readers, host=host, clock=clock)

    def close(self) -> None:
        """Write what is outstanding and let go of every connection."""
        self.writer.stop()
        self.readers.dispose()


@contextmanager
def readers_of(database: Database) -> Iterator[Engine | None]:
    """Give an engine for questions; None where there is no queue yet (nothing is created)."""
    if not database.exists:
        yield None
        return
    engine = reading_engine(database)
    try:
        with opening(database), engine.connect() as connection:
            require_schema(connection)
        yield engine
    finally:
        engine.dispose()


def queue_host(database: Database, host: str) -> str:
    """Return the host in the key of rows: a file serves one machine, whatever it is called."""
    return "" if database.file is not None else host
