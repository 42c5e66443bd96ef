"""What `oort doctor` looks for in an SQLite file, without changing a byte of it or beside it."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from oort.queue.care import copies
from oort.queue.database import HEAD, WAL_LIMIT_BYTES, is_damaged, looked_at, reason_of

if TYPE_CHECKING:
    from pathlib import Path

OLDEST_COPY: Final = timedelta(days=2)
"""One is made every day; an older newest one means that something keeps it from being made."""

HUGE_LOG_BYTES: Final = 4 * WAL_LIMIT_BYTES
_STEPS: Final = 10_000
"""SQLite's instructions between two looks at the clock: some milliseconds."""


@dataclass(frozen=True, slots=True)
class FileLook:
    """What was found in a file; `trouble` says why no more is known."""

    is_sound: bool | None = None
    """What SQLite's quick check says; None where it did not come to an end in time."""
    schema: str | None = None
    trouble: str | None = None
    is_damaged: bool = False
    first_row_at: datetime | None = None

    @property
    def is_older(self) -> bool:
        """Whether its schema is that of an earlier version."""
        return self.schema is not None and self.schema < HEAD

    @property
    def is_newer(self) -> bool:
        """Whether its schema is that of a later version."""
        return self.schema is not None and self.schema > HEAD


def look_into(file: Path, *, patience_s: float) -> FileLook:
    """Look at a queue, or a copy of one, for so long at most. Raises OSError where it is not there."""
    if file.stat().st_size == 0:
        return FileLook(trouble="is empty")
    beside = [file.with_name(f"{file.name}{suffix}") for suffix in ("-wal", "-shm")]
    if beside[0].exists() and not beside[1].exists():
        # To read it SQLite would make the index of the log, and nothing is created here.
        return FileLook(
            trouble="was not closed by the daemon that had it, and is checked by a start"
        )
    try:
        with closing(looked_at(file)) as connection:
            return _found_in(connection, time.monotonic() + patience_s)
    except sqlite3.DatabaseError as error:
        return FileLook(trouble=reason_of(error), is_damaged=is_damaged(error))


def _found_in(connection: sqlite3.Connection, until: float) -> FileLook:
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    tables = {str(name) for (name,) in names}
    if "uploads" not in tables or "alembic_version" not in tables:
        return FileLook(trouble="is no queue of oort's" if tables else "holds no table yet")
    (schema,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    first = connection.execute("SELECT created_at FROM uploads ORDER BY id LIMIT 1").fetchone()
    first_at = datetime.fromtimestamp(first[0] / 1000, UTC) if first else None
    connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    try:
        (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return FileLook(None, schema, first_row_at=first_at)
    if said != "ok":
        words = " ".join(str(said).split())
        return FileLook(False, schema, words, is_damaged=True, first_row_at=first_at)
    return FileLook(True, schema, first_row_at=first_at)


def log_bytes(file: Path) -> int:
    """Return the size of a queue's log (-wal), 0 where there is none."""
    try:
        return file.with_name(f"{file.name}-wal").stat().st_size
    except FileNotFoundError:
        return 0


def newest_good_copy(
    backups: Path, now: datetime, *, patience_s: float
) -> tuple[Path, timedelta] | None:
    """Return the newest copy in which nothing is found wrong, and its age; None where there is none.

    One that is too large to be checked in that time is taken for good.
    """
    for copy in copies(backups, now):
        found = look_into(copy, patience_s=patience_s)
        if found.trouble is None and found.is_sound is not False:
            return copy, now - datetime.fromtimestamp(copy.stat().st_mtime, now.tzinfo)
    return None
