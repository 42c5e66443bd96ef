"""The kernel's queue of events runs over while the daemon stands still."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.files import arrived, make_fits, overflow_in
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.linux

OVERFLOW = b"the kernel's queue of events ran over"
AFTERWARDS_S: Final = 10.0
"""So long after an overflow has been dealt with, the daemon is at rest for as long again."""
IDLE: Final = 0.05
"""Of one core."""
NO_RESCAN = {"rescan_s": "3600"}
"""So that a scan comes for lost events only."""


def overflows(home: Home) -> int:
    """Count the overflows that the daemon told of."""
    return home.log_file.read_bytes().count(OVERFLOW)


def is_watching(home: Home) -> bool:
    (watch,) = home.status()["watches"]
    return (watch["state"], watch["reason"]) == ("watching", None)


@pytest.mark.nightly
def test_overflow_while_the_daemon_is_stopped(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Files whose events the kernel dropped are found, and the trouble is told once.

    1. The daemon gets SIGSTOP. More files than the kernel keeps events for are made in one folder,
       then 30 to send beside them, and one in a new folder: none of these has an event.
    2. SIGCONT: the overflow is logged once, all 31 arrive, and the daemon comes to rest.
    3. Events work again: a file in the new folder and one in a newer one arrive, long before the
       next scan would find them; nothing was missed.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.configure(NO_RESCAN)
    home.watch(folder)
    home.start()
    wait_until(lambda: is_watching(home), every_s=0.1, what=home.told)

    home.signal(signal.SIGSTOP)
    overflow_in(folder)
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(30)]
    files.append(make_fits(folder / "new" / "deep" / "x.fits", salt=99))
    home.signal(signal.SIGCONT)

    home.wait_for(OK=31)
    home.becomes_idle()
    assert overflows(home) == 1, home.told()
    files += [make_fits(folder / "new/deep/y.fits", salt=100)]
    files += [make_fits(folder / "newer/z.fits", salt=101)]
    home.wait_for(OK=33)
    assert arrived(sandbox.files(), files)
    (watch,) = home.status()["watches"]
    assert (watch["state"], watch["missed_events"]) == ("watching", 0)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_20_000_files_while_the_daemon_is_stopped(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The same with 20,000 files to send in one folder: all arrive, once each.

    1. SIGSTOP, 20,000 FITS files into one folder and one into a new one, SIGCONT.
    2. The overflow is logged once; all arrive once; within 30 s the daemon is idle.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.configure(NO_RESCAN | {"workers": "8"})
    home.watch(folder)
    home.start()
    wait_until(lambda: is_watching(home), every_s=0.1, what=home.told)

    home.signal(signal.SIGSTOP)
    files = [make_fits(folder / f"{n}.fits", 2 * 2880, salt=n) for n in range(20_000)]
    files.append(make_fits(folder / "new" / "x.fits", salt=-1))
    home.signal(signal.SIGCONT)

    home.wait_for(1000, OK=len(files))
    home.becomes_idle(timeout_s=30)
    assert overflows(home) == 1, home.told()
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == len(files)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_overflow_in_a_tree_of_30_000_folders(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A tree with more folders than the kernel keeps events for does not end in a livelock.

    watchdog alone would take all watches away and set them anew, and the kernel's word of each
    would be the next overflow, for ever.

    1. 30,000 folders are watched. SIGSTOP, more files than the kernel keeps events for, one to
       send, SIGCONT: the overflow is logged once, the file arrives, and the folder is watched.
    2. Ten seconds later the daemon uses less than 5 % of a core over ten seconds.
    3. 300 files in 300 of the folders, old and new, arrive by their events.
    """
    folder = tmp_path / "dome"
    for outer in range(300):
        (folder / str(outer)).mkdir(parents=True)
        for inner in range(99):
            (folder / str(outer) / str(inner)).mkdir()
    home.configure(NO_RESCAN)
    home.watch(folder)
    home.start()
    wait_until(lambda: is_watching(home), timeout_s=120, every_s=0.5, what=home.told)

    home.signal(signal.SIGSTOP)
    overflow_in(folder / "0" / "0")
    files = [make_fits(folder / "new" / "x.fits", salt=-1)]
    home.signal(signal.SIGCONT)
    home.wait_for(120, OK=1)
    wait_until(lambda: is_watching(home), timeout_s=60, every_s=0.5, what=home.told)
    threading.Event().wait(AFTERWARDS_S)
    before = home.cpu_s()
    threading.Event().wait(AFTERWARDS_S)
    assert home.cpu_s() - before < IDLE * AFTERWARDS_S, home.told()
    assert overflows(home) == 1, home.told()

    for n in range(300):
        place = "1/2" if n == 0 else f"{n}/{n % 99}" if n % 2 else f"{n}/new/deep"
        files.append(make_fits(folder / place / f"probe_{n}.fits", salt=n))
    home.wait_for(200, OK=len(files))
    assert arrived(sandbox.files(), files)
    assert overflows(home) == 1, home.told()
    (watch,) = home.status()["watches"]
    assert (watch["state"], watch["missed_events"]) == ("watching", 0)
