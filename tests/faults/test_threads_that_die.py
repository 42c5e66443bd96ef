"""A thread of the daemon dies: the process ends, to be started anew, or the thread is replaced.

What may not be is a daemon that looks alive and does a part of its work no longer.
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from tests.support.dying_threads import MortalThread
from tests.support.files import arrived, fits_bytes, make_fits
from tests.support.queue_file import is_sound
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.nightly

NO_RESCAN = {"rescan_s": "3600", "workers": "1"}
"""So that what is found is found by an event, or because somebody saw that events were lost."""


@pytest.mark.parametrize(
    ("thread", "called"),
    [
        ("worker-", "workers"),
        ("intake-", "detection"),
        ("writer", "writer"),
        ("dispatcher", "dispatcher"),
        ("APScheduler", "scheduler"),
        ("job-guard", "scheduler"),
        ("inspect-", "detection"),
    ],
)
def test_ends_the_daemon(
    home: Home, sandbox: Sandbox, tmp_path: Path, thread: str, called: str
) -> None:
    """Without one of its threads the daemon ends with exit 1 and says why; the next one does the rest.

    1. A daemon has sent two files, one of a format that must be read to its end. A thread dies when
       the next ones come.
    2. It ends by itself with exit 1, after one line that names the thread.
    3. The next daemon, as a service manager starts it, sends what is left: every file is there,
       once, and none needs a person.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    files = [make_fits(folder / "first.fits"), _compressed(folder / "first.fits.gz", salt=1)]
    home.configure(NO_RESCAN)
    home.watch(folder)
    mortal = MortalThread(tmp_path, home, thread)
    home.start()
    home.wait_for(OK=2)

    mortal.dies()
    files += [make_fits(folder / "second.fits", salt=2)]
    files += [_compressed(folder / "second.fits.gz", salt=3)]
    assert home.ended(30) == 1, home.told()

    said = [line for line in home.told().splitlines() if "daemon.failed" in line]
    assert len(said) == 1
    assert f"the thread {called} died" in said[0]
    assert "Traceback" not in home.told()
    home.start()
    home.wait_for(OK=4)
    assert arrived(sandbox.files(), files)
    assert not home.status()["attention"]
    assert home.stop() == 0
    assert is_sound(home.folder / "oort" / "oort.db")


@pytest.mark.linux
@pytest.mark.parametrize("thread", ["observer-", "InotifyFD", "InotifyEmitter"])
def test_is_replaced_where_it_only_brings_events(
    home: Home, sandbox: Sandbox, tmp_path: Path, thread: str
) -> None:
    """Without the threads that bring events the daemon makes others, and looks what it has missed.

    1. A daemon has sent a file, and looks by itself once an hour. A thread that brings events dies
       when the next file comes.
    2. The file arrives all the same, and the log says once why everything was looked through.
    3. Events are there again: a third file arrives, and none was missed.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    files = [make_fits(folder / "first.fits")]
    home.configure(NO_RESCAN)
    home.watch(folder)
    mortal = MortalThread(tmp_path, home, thread)
    home.start()
    home.wait_for(OK=1)

    mortal.dies()
    files += [make_fits(folder / "second.fits", salt=1)]
    home.wait_for(OK=2)
    wait_until(lambda: home.has_told("the observer died"), what=home.told)

    files += [make_fits(folder / "third.fits", salt=2)]
    home.wait_for(OK=3)
    assert home.told().count("the observer died") == 1
    assert arrived(sandbox.files(), files)
    (watch,) = home.status()["watches"]
    assert (watch["state"], watch["reason"], watch["missed_events"]) == ("watching", None, 0)
    assert home.stop() == 0


def test_is_replaced_where_it_only_tells(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Without the thread that writes to stderr another one does, and all goes on.

    1. The thread dies at the next line that it is given.
    2. A file arrives; its line is in the log file, and what comes after it on stderr too.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "first.fits")]
    home.configure(NO_RESCAN)
    home.watch(folder)
    mortal = MortalThread(tmp_path, home, "log")
    home.start()
    home.wait_for(OK=1)

    mortal.dies()
    files += [make_fits(folder / "second.fits", salt=1), make_fits(folder / "third.fits", salt=2)]
    home.wait_for(OK=3)
    assert arrived(sandbox.files(), files)
    logged = (home.folder / "oort" / "logs" / "oort.log").read_text()
    assert logged.count("outcome=Stored") == len(files)
    assert home.stop() == 0
    assert home.has_told("daemon.stopped")


def _compressed(path: Path, *, salt: int) -> Path:
    path.write_bytes(gzip.compress(fits_bytes(salt=salt)))
    return path
