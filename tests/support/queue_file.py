"""The queue's file as anybody may read it with SQLite: what its rows say, and whether it is sound."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

SAFE: Final = ("done", "already synced")
PAGE_BYTES: Final = 4096


class FileRow(NamedTuple):
    """What a row says of its file."""

    path: str
    status: str
    substatus: str
    may_be_stored: bool

    @property
    def is_safe(self) -> bool:
        """Whether Arcsecond.io is known to have the file."""
        return self.substatus in SAFE


def rows_of(file: Path) -> list[FileRow]:
    """Return every row of a queue; none where it has no tables yet, or a journal of the killed.

    A journal is taken in by who writes next; until then a reader is told that he may not.
    """
    try:
        with closing(_opened(file)) as queue:
            found = queue.execute("SELECT rel_path, status, substatus, may_be_stored FROM uploads")
            return [FileRow(os.fsdecode(row[0]), row[1], row[2], bool(row[3])) for row in found]
    except sqlite3.OperationalError as error:
        if re.search("no such table|unable to open|readonly database", str(error)):
            return []
        raise


def uploads_of(file: Path) -> dict[str, dict[str, Any]]:
    """Return every row of a queue by its path, with all its columns."""
    try:
        with closing(_opened(file)) as queue:
            queue.row_factory = sqlite3.Row
            found = queue.execute("SELECT * FROM uploads")
            return {os.fsdecode(row["rel_path"]): dict(row) for row in found}
    except sqlite3.OperationalError:
        return {}


def note_of(file: Path, name: str) -> Any:
    """Return what the daemon noted last under a name: its links, its watches; None for nothing."""
    try:
        with closing(_opened(file)) as queue:
            found = queue.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
            return json.loads(found[0]) if found else None
    except sqlite3.OperationalError:
        return None


def is_sound(file: Path) -> bool:
    """Tell whether SQLite's thorough check finds nothing wrong."""
    with closing(_opened(file)) as queue:
        return bool(queue.execute("PRAGMA integrity_check").fetchall() == [("ok",)])


def take_in(file: Path) -> None:
    """Open a queue that nobody else has, as a daemon does: what its log or journal tells is taken in."""
    with closing(sqlite3.connect(file, isolation_level=None)) as queue:
        queue.execute("PRAGMA journal_mode=WAL")


def tables_of(file: Path) -> set[str]:
    """Return the names of the tables."""
    with closing(_opened(file)) as queue:
        found = queue.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        return {str(name) for (name,) in found}


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)


def write_half_of_the_log(file: Path) -> None:
    """Leave a queue as a kill does that comes while SQLite writes the log (-wal) into the file.

    Of the pages that the log tells anew the first half is in the file, the others are not
    (sqlite.org/wal.html#ckpt: in the order of their numbers). The log stays.
    """
    with tempfile.TemporaryDirectory() as aside:
        whole = Path(aside) / file.name
        for part in ("", "-wal"):
            shutil.copy(file.with_name(file.name + part), whole.with_name(whole.name + part))
        with closing(sqlite3.connect(whole)) as queue:
            queue.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        after = whole.read_bytes()
    before = file.read_bytes()
    places = range(0, len(after), PAGE_BYTES)
    anew = [at for at in places if after[at : at + PAGE_BYTES] != before[at : at + PAGE_BYTES]]
    with file.open("r+b") as raw:
        for at in anew[: len(anew) // 2]:
            raw.seek(at)
            raw.write(after[at : at + PAGE_BYTES])
