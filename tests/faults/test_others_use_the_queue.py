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


def test_queue_that_refuses_a_step_for_a_while(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A row whose step the queue refused is given back, and goes on when it refuses no more.

    1. A program puts a trigger into the queue that refuses whatever is to be sent; a file is
       written. The daemon finds its dataset, and may not record that it sends: nothing is sent.
    2. The trigger is taken out: the file arrives, without a restart.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    with _connected(home) as other:
        other.execute(
            "CREATE TRIGGER refusing BEFORE UPDATE ON uploads WHEN NEW.status = 'Uploading' "
            "BEGIN SELECT RAISE(ABORT, 'not now'); END"
        )
        file = make_fits(folder / "a.fits")
        wait_until(
            lambda: b"upload.not_recorded" in home.log_file.read_bytes(),
            timeout_s=60,
            what=home.told,
        )
        assert sandbox.uploads() == []
        other.execute("DROP TRIGGER refusing")
    home.wait_for(OK=1)
    assert arrived(sandbox.files(), [file])


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


@pytest.mark.nightly
def test_ended_while_the_queue_is_locked(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A daemon that is asked to end does not wait for whoever has the queue locked.

    1. A program locks the queue and keeps it locked. Thirty files are written, and the daemon has
       something to write of each.
    2. It is asked to end, and ends, in order, while the queue is locked.
    3. The lock is given back, and the daemon started again: all files arrive, once each.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "first.fits")]
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)
    with _connected(home) as other:
        other.execute("BEGIN EXCLUSIVE")
        files += [make_fits(folder / f"{n}.fits", salt=n) for n in range(1, 31)]
        wait_until(lambda: home.has_told("queue.waits"), timeout_s=60, what=home.told)
        assert home.daemon is not None
        home.daemon.terminate()
        assert home.daemon.wait(30) == 0
        other.execute("ROLLBACK")

    home.start()
    home.wait_for(OK=31)
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == 31


@pytest.mark.nightly
def test_config_changed_while_the_queue_is_locked(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A change of config.toml does not have the daemon wait for whoever has the queue locked.

    1. A program locks the queue, and the watch's dataset is changed in config.toml.
    2. The daemon goes on with what it does once a second: `oort status` tells that the queue cannot
       be written, and a lock's file that somebody deletes is there again.
    3. The lock is given back: the next file goes by the new dataset.
    """
    folder = tmp_path / "dome"
    first = make_fits(folder / "first.fits")
    home.watch(folder, "-d", "before")
    home.start()
    home.wait_for(OK=1)
    config, lock = (home.folder / "oort" / name for name in ("config.toml", "oort.lock"))
    with _connected(home) as other:
        other.execute("BEGIN EXCLUSIVE")
        config.write_text(config.read_text().replace('"before"', '"after"'))
        second = make_fits(folder / "second.fits", salt=2)
        wait_until(
            lambda: any("cannot be written" in one for one in home.status()["daemon"]["warnings"]),
            timeout_s=60,
            what=home.told,
        )
        lock.unlink()
        wait_until(lock.exists, timeout_s=60, what=home.told)
        other.execute("ROLLBACK")

    home.wait_for(OK=2)
    assert [home.json("status", one)["dataset"] for one in (first, second)] == ["before", "after"]
    assert arrived(sandbox.files(), [first, second])
