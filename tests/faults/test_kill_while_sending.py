"""The daemon is killed, and whatever it had in hand is settled by asking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

MB = 1024 * 1024


def test_kill_in_mid_upload(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Killed when half of a file is on the way: nothing lost, nothing twice, nothing half.

    1. A file of 4 MB is sent to a server that reads slowly.
    2. When 1 MB has arrived the server kills the daemon with SIGKILL.
    3. The daemon is started again: the file arrives once, whole.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "large.fits", 1500 * 2880)]
    home.watch(folder)
    home.start()
    assert home.daemon is not None
    sandbox.rule(
        method="POST",
        path="/datafiles/",
        kill_pid=home.daemon.pid,
        after_bytes=MB,
        times=1,
    )
    files.append(make_fits(folder / "second.fits", 1400 * 2880, salt=1))

    assert home.ended(60) == -9
    assert not arrived(sandbox.files(), files)
    home.start()

    home.wait_for(OK=2)
    assert arrived(sandbox.files(), files)


def test_kill_after_the_server_stored_the_file(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Killed between the server's storing and its answer: the file is found there, not sent again.

    1. The server stores a file and holds its answer back.
    2. The daemon is killed meanwhile, and started again.
    3. It asks, and the row is OK; there was one POST.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    sandbox.rule(method="POST", path="/datafiles/", delay_s=20, times=1)
    path = make_fits(folder / "a.fits")
    wait_until(sandbox.files, what=home.told)
    home.kill()
    home.start()

    home.wait_for(OK=1)

    assert arrived(sandbox.files(), [path])
    assert len(sandbox.uploads()) == 1
    row = home.json("status", path)
    assert row["status"] == "OK"
    assert "the daemon ended while it was in hand" in [step["cause"] for step in row["history"]]
