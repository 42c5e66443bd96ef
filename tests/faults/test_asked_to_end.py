"""The daemon is asked to end, in every way that there is, at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.files import BLOCK, arrived, fits_bytes, make_fits
from tests.support.queue_file import rows_of
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

GRACE_S: Final = 2.0
MARGIN_S: Final = 3.0
GB: Final = 1024**3


def _sparse_fits(path: Path, size: int) -> Path:
    """Write a FITS file of about so many bytes, of which the disk holds the first few."""
    pixels = size // BLOCK * BLOCK
    head = fits_bytes().replace(f"{3 * BLOCK:20d}".encode(), f"{pixels:20d}".encode())[:BLOCK]
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(BLOCK + pixels)
    return path


def _is_on_its_way(sandbox: Sandbox, home: Home) -> None:
    wait_until(
        lambda: [one for one in sandbox.uploads() if one["bytes_received"] > 100_000],
        timeout_s=40,
        what=home.told,
    )


@pytest.mark.nightly
def test_1_gb_in_flight(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """SIGTERM, twice, and SIGINT end the daemon in its time however much is in flight.

    1. A file of 1 GB is on its way to a server that reads slowly. SIGTERM comes, and a second one.
    2. The daemon ends with exit 0 within `stop_grace_s` + 3 s; nothing is stored, and the row is
       in doubt.
    3. The next daemon gets SIGINT in the same place, the one after it `oort stop --timeout 0`,
       which leaves it the 3 s.
    """
    large = _sparse_fits(tmp_path / "dome" / "large.fits", GB)
    queue = home.folder / "oort" / "oort.db"
    home.watch(large.parent)
    sandbox.rule(method="POST", path="/datafiles/", read_bytes_per_s=500_000)
    for how in ("SIGTERM", "SIGINT", "oort stop"):
        sandbox.forget_requests()
        home.start()
        _is_on_its_way(sandbox, home)

        began = time.monotonic()
        if how == "oort stop":
            home.oort("stop", "--timeout", "0")
        else:
            home.signal(signal.Signals[how])
            threading.Event().wait(0.2)
            home.signal(signal.Signals[how])

        assert home.ended() == 0
        took_s = time.monotonic() - began
        assert took_s < (0 if how == "oort stop" else GRACE_S) + MARGIN_S, home.told()
        assert not sandbox.files()
        (row,) = rows_of(queue)
        assert (row.status, row.may_be_stored) == ("New", True), how


@pytest.mark.linux
@pytest.mark.parametrize("how", ["plain", "nohup"])
def test_terminal_closed(home: Home, sandbox: Sandbox, tmp_path: Path, how: str) -> None:
    """A daemon whose terminal is closed ends in order, or goes on where it was started with nohup.

    1. A daemon runs in a terminal, and has sent a file. The terminal is closed.
    2. It ends with exit 0 and leaves its queue in order; started with `nohup` it goes on, and
       ends by SIGTERM.
    """
    files = [make_fits(tmp_path / "dome" / "a.fits")]
    home.watch(tmp_path / "dome")
    ours, theirs = os.openpty()
    words = ["setsid", "--ctty", *(["nohup"] if how == "nohup" else [])]
    daemon = subprocess.Popen(
        [*words, sys.executable, "-m", "oort", "start"],
        env=home.environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
    )
    os.close(theirs)
    try:
        home.wait_for(OK=1)
        os.close(ours)
        if how == "nohup":
            files.append(make_fits(tmp_path / "dome" / "b.fits", salt=1))
            home.wait_for(OK=2)
            daemon.terminate()
        assert daemon.wait(30) == 0
    finally:
        daemon.kill()
        daemon.wait()
    assert (home.folder / "oort" / "oort.lock").read_bytes() == b"", "left in order"
    assert arrived(sandbox.files(), files)


@pytest.mark.nightly
def test_asked_to_end_in_its_start(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """SIGTERM at any moment of the start ends the daemon; what it leaves is a queue in order.

    1. SIGTERM comes so many milliseconds after the start of the process.
    2. It ends with exit 0, or by the signal where Python has hardly begun; within `stop_grace_s` + 3 s.
    3. The last one is left running: the file is sent once.
    """
    files = [make_fits(tmp_path / "dome" / "a.fits")]
    home.watch(tmp_path / "dome")
    sandbox.refuse()
    for after_s in (0.1, 0.4, 0.7, 1.0, 1.4):
        home.start(wait=False)
        threading.Event().wait(after_s)
        home.signal(signal.SIGTERM)
        assert home.ended(GRACE_S + MARGIN_S) in (0, -signal.SIGTERM), home.told()
    assert "Traceback" not in home.told()
    sandbox.clear()
    home.start()
    home.wait_for(OK=1)
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == 1


@pytest.mark.nightly
def test_asked_to_end_in_a_first_scan_of_many_files(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """SIGTERM while thousands of files are being found does not wait for the end of the scan.

    1. A folder of 4,000 files is watched by a daemon that starts for the first time.
    2. SIGTERM comes when the first are known: exit 0 within `stop_grace_s` + 3 s.
    3. The next start finds them all.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    content = fits_bytes()
    count = 4000
    for n in range(count):
        (folder / f"{n}.fits").write_bytes(content)
    queue = home.folder / "oort" / "oort.db"
    home.watch(folder)
    home.oort("pause")
    home.start(wait=False)
    wait_until(lambda: rows_of(queue), timeout_s=60, what=home.told)

    began = time.monotonic()
    home.signal(signal.SIGTERM)
    assert home.ended() == 0
    assert time.monotonic() - began < GRACE_S + MARGIN_S, home.told()
    home.start()
    wait_until(lambda: len(rows_of(queue)) == count, timeout_s=90, every_s=0.5, what=home.told)
    assert not sandbox.uploads()
