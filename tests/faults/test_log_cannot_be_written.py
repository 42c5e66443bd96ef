"""The log's disk is full, or nobody reads what the daemon says: the files arrive all the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.files import arrived, make_fits
from tests.support.small_disk import small_disk
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

COUNT: Final = 60
END_S: Final = 20.0
STORED: Final = "outcome=Stored"
LINE: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[\w+ *\] ((?!\d{4}-\d\d-\d\d ).)*")
"""A line of the log, with nothing of another one in it."""


def _logged(home: Home) -> str:
    file = home.folder / "oort" / "logs" / "oort.log"
    return file.read_text(errors="replace") if file.exists() else ""


@pytest.mark.linux
@pytest.mark.timeout(240)
def test_log_disk_full_for_a_while(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """On a full log disk everything goes on, and the log does when there is space.

    1. The logs are on a disk of their own; the daemon runs; the disk is filled to the last byte.
    2. Files are written: all arrive, and stderr tells of each; in the log most of these lines are
       missing, because the disk has refused them.
    3. Somebody makes room: the next file's line is in the log, and every line there is a whole one.
    4. The disk is full again, and somebody deletes the log to make room: it is there again with
       what is told from then on.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    with small_disk(home.folder / "oort" / "logs", mb=1) as disk:
        home.start()
        disk.fill()
        files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(COUNT)]
        home.wait_for(OK=COUNT)
        assert arrived(sandbox.files(), files)
        wait_until(lambda: home.log_file.read_text().count(STORED) == COUNT)
        assert _logged(home).count(STORED) < COUNT / 2, "the disk was not full"

        disk.free()
        files += [make_fits(folder / "room.fits", salt=COUNT)]
        home.wait_for(OK=COUNT + 1)
        wait_until(lambda: "room.fits" in _logged(home), timeout_s=20)
        assert [line for line in _logged(home).splitlines() if not LINE.fullmatch(line)] == []

        disk.fill()
        (disk.folder / "oort.log").unlink()
        files += [make_fits(folder / "afterwards.fits", salt=COUNT + 1)]
        home.wait_for(OK=COUNT + 2)
        wait_until(lambda: "afterwards.fits" in _logged(home), timeout_s=20)
        assert "room.fits" not in _logged(home)
        assert home.stop() == 0
        assert arrived(sandbox.files(), files)


@pytest.mark.linux
@pytest.mark.nightly
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "stderr",
    [
        pytest.param("closed", marks=pytest.mark.soak),
        pytest.param("its reader gone", marks=pytest.mark.soak),
        "its reader stands still",
    ],
)
def test_nobody_reads_stderr(home: Home, sandbox: Sandbox, tmp_path: Path, stderr: str) -> None:
    """Whatever became of its stderr, the daemon works, tells its log file, and ends when asked to.

    1. A daemon that tells much is started with stderr closed; with a pipe whose reader is gone; or
       with one whose reader has stopped reading and that is full soon.
    2. Files are written: all arrive, and the log file has all that was told.
    3. SIGTERM ends it in order.
    """
    home.oort("config", "set", "log_level", "debug")
    folder = tmp_path / "dome"
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(3 * COUNT)]
    home.watch(folder)
    home.log_file.touch()
    reader, writer = os.pipe()
    closed = " 2>&- >&-" if stderr == "closed" else ""
    home.daemon = subprocess.Popen(
        ["/bin/sh", "-c", f'exec "$0" -m oort start{closed}', sys.executable],
        env=home.environment,
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=writer,
    )
    os.close(writer)
    if stderr == "its reader gone":
        os.close(reader)

    home.wait_for(OK=len(files))

    assert arrived(sandbox.files(), files)
    home.daemon.terminate()
    assert home.ended(END_S) == 0
    logged = _logged(home)
    assert logged.count(STORED) == len(files)
    assert "daemon.stopped" in logged
    if stderr != "its reader gone":
        os.close(reader)
