"""Other programs use the queue's file: they read for long, ask all the time, or lock it."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

LOCKED_S: Final = 15.0
"""Longer than SQLite is told to wait for a lock (10 s)."""
READ_S: Final = 60.0
LOG_LIMIT_BYTES: Final = 64 * 1024 * 1024
"""What the log is cut to when it can be (sqlite.org/pragma.html on `journal_size_limit`)."""


def _queue(home: Home) -> Path:
    return home.folder / "oort" / "oort.db"


@contextlib.contextmanager
def _connected(home: Home) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(_queue(home), isolation_level=None)) as connection:
        yield connection


@pytest.mark.nightly
def test_queue_locked_by_another_program(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A program that locks the queue for a while delays everything and loses nothing.

    1. A program begins to write into the queue and holds its lock for a quarter of a minute; files
       are written meanwhile.
    2. The daemon lives, and `oort status` answers. The lock is given back: all files arrive.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "first.fits")]
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)
    with _connected(home) as other:
        other.execute("BEGIN EXCLUSIVE")
        files += [make_fits(folder / f"{n}.fits", salt=n) for n in range(1, 10)]
        threading.Event().wait(LOCKED_S)
        assert home.status()["queue"]["by_status"]["OK"] == 1
        assert home.daemon is not None
        assert home.daemon.poll() is None, home.told()
        assert len(sandbox.uploads()) == 1
        other.execute("ROLLBACK")

    home.wait_for(OK=10)
    assert arrived(sandbox.files(), files)


@pytest.mark.nightly
def test_asked_all_the_time(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Questions without a pause get an answer each, and hold nothing up.

    1. Three terminals run `oort status`, `oort uploads` and `oort folders` in a circle, while sixty
       files are found and sent.
    2. Each command ends with 0; all files arrive, once each.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    over = threading.Event()
    failed: list[str] = []

    def ask(command: str) -> None:
        while not over.is_set():
            done = home.run("oort", command, "--json", check=False)
            if done.returncode:
                failed.append(f"oort {command}: {done.stderr}")

    askers = [
        threading.Thread(target=ask, args=(command,))
        for command in ("status", "uploads", "folders")
    ]
    for asker in askers:
        asker.start()
    try:
        files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(60)]
        home.wait_for(OK=60)
    finally:
        over.set()
        for asker in askers:
            asker.join()

    assert not failed
    assert arrived(sandbox.files(), files)


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_reader_that_keeps_its_view_for_a_minute(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A reader that keeps its view for a minute lets the log grow; afterwards it shrinks by itself.

    1. A program begins to read the queue and does not end, while files come and are sent: for a
       minute, and until the log is larger than its limit.
    2. It ends: the log, which could not be written back, is cut to its limit within two minutes.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "first.fits")]
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)
    log = _queue(home).with_name("oort.db-wal")
    ended = threading.Event()
    with _connected(home) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM uploads").fetchone()
        n = 0
        clock = threading.Timer(READ_S, ended.set)
        clock.start()
        while not ended.wait(0.1) or log.stat().st_size <= LOG_LIMIT_BYTES:
            n += 1
            files.append(make_fits(folder / f"{n}.fits", salt=n))
        clock.join()
        home.wait_for(OK=len(files))
        other.execute("ROLLBACK")

    wait_until(
        lambda: log.stat().st_size <= LOG_LIMIT_BYTES,
        timeout_s=120,
        every_s=1.0,
        what=lambda: f"{log.stat().st_size} bytes\n{home.told()}",
    )
    assert arrived(sandbox.files(), files)
