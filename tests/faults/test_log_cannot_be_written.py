"""The log's disk is full, or nobody reads what the daemon says: the files arrive all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.files import arrived, make_fits
from tests.support.small_disk import small_disk
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

COUNT = 60
END_S = 20.0


def _logged(home: Home) -> str:
    return (home.folder / "oort" / "logs" / "oort.log").read_text(errors="replace")


@pytest.mark.linux
@pytest.mark.timeout(240)
def test_log_disk_full_for_a_while(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """On a full log disk everything goes on, and the log does when there is space.

    1. The logs are on a disk of their own; the daemon runs; the disk is filled to the last byte.
    2. Files are written: all arrive.
    3. Somebody deletes the log to make room: it is there again with what is told from then on.
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

        (disk.folder / "oort.log").unlink()
        disk.free()

        files += [make_fits(folder / "afterwards.fits", salt=COUNT)]
        home.wait_for(OK=COUNT + 1)
        wait_until(lambda: "afterwards.fits" in _logged(home), timeout_s=20)
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
    assert logged.count("outcome=Stored") == len(files)
    assert "daemon.stopped" in logged
    if stderr != "its reader gone":
        os.close(reader)
