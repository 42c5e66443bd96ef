"""The disk of the queue refuses to write, or to say that something is written (EIO, ENOSPC)."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.files import arrived, make_fits
from tests.support.queue_file import is_sound, rows_of, tables_of
from tests.support.syscalls import needs_strace, tracer_of, under_strace
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.nightly, pytest.mark.linux]

GRACE_S: Final = 2.0
MARGIN_S: Final = 3.0


def _refusing(tmp_path: Path, home: Home, call: str, error: str, when: str) -> list[str]:
    """Return the words that have a system call on the queue and its log fail: `when` as strace has it."""
    queue = home.folder / "oort" / "oort.db"
    paths = [word for name in (queue, f"{queue}-wal") for word in ("-P", str(name))]
    log = tmp_path / f"{call}-{error}.strace"
    inject = f"inject={call}:error={error}:when={when}"
    return under_strace(log, *paths, "-e", f"trace={call}", "-e", inject)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("fdatasync", "EIO"),
        ("pwrite64", "ENOSPC"),
        pytest.param("pwrite64", "EIO", marks=pytest.mark.soak),
    ],
)
def test_queue_cannot_be_written_for_a_while(
    home: Home, sandbox: Sandbox, tmp_path: Path, call: str, error: str
) -> None:
    """While the disk refuses what the queue writes, nothing is sent; afterwards it goes on by itself.

    1. A daemon starts on a disk that refuses from the third write (or sync) of each thread on.
    2. Files are written: the daemon lives, says why nothing goes on, and shows no file as safe
       that the server has not got.
    3. The disk works again: every file arrives once, without a restart.
    """
    needs_strace()
    folder = tmp_path / "dome"
    files = [make_fits(folder / "first.fits")]
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)
    assert home.stop() == 0
    queue = home.folder / "oort" / "oort.db"

    home.start(under=_refusing(tmp_path, home, call, error, "3+"))
    assert home.daemon is not None
    files += [make_fits(folder / f"{n}.fits", salt=n) for n in range(1, 6)]
    wait_until(lambda: "queue.waits" in home.told(), timeout_s=40, what=home.told)
    wait_until(
        lambda: any("cannot be written" in text for text in home.status()["daemon"]["warnings"]),
        timeout_s=40,
        every_s=0.1,
        what=lambda: f"{home.status()['daemon']}\n{home.told()}",
    )
    assert home.daemon.poll() is None
    names = {file["name"] for file in sandbox.files()}
    assert {Path(row.path).name for row in rows_of(queue) if row.is_safe} <= names
    os.kill(tracer_of(home.daemon.pid), signal.SIGTERM)

    home.wait_for(OK=len(files))
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == len(files)
    wait_until(lambda: not home.status()["daemon"]["warnings"], every_s=0.2, what=home.told)
    assert home.stop() == 0
    assert is_sound(queue)


def test_asked_to_end_while_the_queue_cannot_be_written(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A daemon whose disk refuses ends in its time all the same, and its files arrive afterwards.

    1. The disk refuses each sync of the queue's log from the third of each thread on.
    2. SIGTERM comes: the daemon ends within `stop_grace_s` + 3 s.
    3. The disk works again, a daemon is started: every file arrives once.
    """
    needs_strace()
    folder = tmp_path / "dome"
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(4)]
    home.watch(folder)
    home.start()
    home.wait_for(OK=4)
    assert home.stop() == 0
    home.start(under=_refusing(tmp_path, home, "fdatasync", "EIO", "3+"))
    files += [make_fits(folder / f"{n}.fits", salt=n) for n in range(4, 8)]
    wait_until(lambda: "queue.waits" in home.told(), timeout_s=40, what=home.told)

    home.signal(signal.SIGTERM)
    home.ended(GRACE_S + MARGIN_S + 10)
    home.start()

    home.wait_for(OK=len(files))
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == len(files)


@pytest.mark.parametrize(
    "number", [3, 6, *(pytest.param(n, marks=pytest.mark.soak) for n in (1, 2, 4, 5, 7, 8))]
)
def test_first_start_on_a_disk_that_refuses_once(
    home: Home, sandbox: Sandbox, tmp_path: Path, number: int
) -> None:
    """A queue that cannot be made ends the daemon with one line; the next start makes it.

    1. The sync of that number fails (EIO) while the first start makes the queue.
    2. Either the daemon ends with exit 1 and a line that names the queue, or it runs all the same.
    3. The next start makes the tables, and a file that waits is sent once.
    """
    needs_strace()
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    home.watch(folder)
    queue = home.folder / "oort" / "oort.db"

    home.start(wait=False, under=_refusing(tmp_path, home, "fdatasync", "EIO", str(number)))
    assert home.daemon is not None
    wait_until(
        lambda: "daemon.started" in home.told() or home.daemon.poll() is not None,
        timeout_s=40,
        what=home.told,
    )
    if home.daemon.poll() is not None:
        assert home.ended() == 1
        said = home.told()
        assert str(queue) in said
        assert "Traceback" not in said
        assert not [name for name in tables_of(queue) if "alembic_tmp" in name]
        home.start()
    home.wait_for(OK=1)
    assert home.stop() == 0
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == 1
    assert is_sound(queue)
