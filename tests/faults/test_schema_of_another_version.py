"""The queue was written by another version of Oort."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from oort.queue.database import HEAD
from tests.support.files import arrived, make_fits
from tests.support.queue_file import rows_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


def _set_schema(queue: Path, revision: str) -> None:
    with closing(sqlite3.connect(queue)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


@pytest.mark.timeout(300)
def test_schema_from_the_future(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """After a step back to an older version the queue is refused in words, and not touched.

    1. A file is sent; the daemon ends; the queue gets the schema of a version to come.
    2. `oort start` ends with exit 1 and a line that says so, and so do the other commands.
    3. With the right version (the schema as it was) all goes on, and nothing is sent again.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)
    assert home.stop() == 0
    queue = home.folder / "oort" / "oort.db"
    _set_schema(queue, "9999")
    rows = rows_of(queue)

    start = home.run("oort", "start", check=False)
    assert start.returncode == 1
    assert "the queue has schema 9999, which is newer than this version of oort" in start.stderr
    assert "nothing was changed" in start.stderr
    assert "Traceback" not in start.stderr
    for command in (["status"], ["retry", "--all"]):
        done = home.run("oort", *command, check=False)
        assert done.returncode == 1, command
        assert "schema 9999" in done.stderr, command
        assert len(done.stderr.strip().splitlines()) <= 2, done.stderr
    assert rows_of(queue) == rows

    _set_schema(queue, HEAD)
    home.start()
    files.append(make_fits(folder / "b.fits", salt=1))
    home.wait_for(OK=2)
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == 2
