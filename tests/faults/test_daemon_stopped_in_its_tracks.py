"""The daemon is stopped in its tracks (a suspended machine, a debugger) while files come in."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

COUNT = 3000
STILL_S = 15.0
"""So long nothing is to become true: the daemon stands still."""


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_burst_while_the_daemon_is_stopped(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Whatever was written while the daemon stood still is found when it goes on.

    1. A file is being sent when the daemon gets SIGSTOP; 3,000 files are written, in old folders
       and new ones, some are renamed, a folder is moved in.
    2. Some twenty seconds later it gets SIGCONT: all arrive, once each.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "first.fits", 1000 * 2880)]
    home.watch(folder)
    slow = sandbox.rule(method="POST", path="/datafiles/", read_bytes_per_s=500_000)
    home.start()
    wait_until(sandbox.uploads, timeout_s=30, what=home.told)

    home.signal(signal.SIGSTOP)
    for n in range(1, COUNT):
        path = make_fits(folder / f"night_{n % 7}" / f"{n}.fits.tmp", 2 * 2880, salt=n)
        files.append(path.rename(path.with_suffix("")))
    made = tmp_path / "made"
    for n in range(COUNT, COUNT + 10):
        make_fits(made / "deep" / f"{n}.fits", 2 * 2880, salt=n)
    made.rename(folder / "moved")
    files += sorted((folder / "moved" / "deep").iterdir())
    threading.Event().wait(STILL_S)
    home.signal(signal.SIGCONT)
    sandbox.remove(slow)

    home.wait_for(100, OK=len(files))
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == len(files)


@pytest.mark.parametrize("still_s", [3.0, pytest.param(150.0, marks=pytest.mark.soak)])
@pytest.mark.timeout(300)
def test_connection_lost_while_the_daemon_stands_still(
    home: Home, sandbox: Sandbox, tmp_path: Path, still_s: float
) -> None:
    """A server that gave up on a daemon that stood still gets the file all the same, once.

    1. A file is half on its way when the daemon gets SIGSTOP; the server cuts the connection.
    2. Later it gets SIGCONT: the file, and one that was written meanwhile, arrive once, whole.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "large.fits", 3000 * 2880)]
    home.watch(folder)
    slow = sandbox.rule(method="POST", path="/datafiles/", read_bytes_per_s=500_000)
    home.start()
    wait_until(
        lambda: [one for one in sandbox.uploads() if one["bytes_received"] > 100_000],
        timeout_s=30,
        what=home.told,
    )
    home.signal(signal.SIGSTOP)
    sandbox.refuse(cut=True, for_s=still_s - 1)
    files.append(make_fits(folder / "meanwhile.fits", salt=1))
    threading.Event().wait(still_s)
    sandbox.remove(slow)
    sandbox.clear()
    home.signal(signal.SIGCONT)

    home.wait_for(OK=2)
    assert arrived(sandbox.files(), files)
    whole = [one["file"] for one in sandbox.uploads() if one["body_complete"]]
    assert sorted(whole) == ["large.fits", "meanwhile.fits"]
