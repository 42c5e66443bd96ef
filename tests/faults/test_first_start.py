"""The very first start is killed, or happens twice at once."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else -1


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "the file is there": lambda queue: _size(queue) >= 0,
    "the file has a page": lambda queue: _size(queue) > 0,
    "the log is there": lambda queue: _size(queue.with_name("oort.db-wal")) >= 0,
    "the log has pages": lambda queue: _size(queue.with_name("oort.db-wal")) > 0,
    "the tables are made": lambda queue: _size(queue.with_name("oort.db-wal")) > 60_000,
}


@pytest.mark.nightly
def test_killed_during_the_first_start(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Killed at any moment of the first start, the daemon starts the next time as if it were the first.

    1. A fresh home's daemon is killed with SIGKILL: as soon as the queue's file is there, when it
       has a page, when its log is there, and so on.
    2. Each time the next start makes the queue, and a file that waits is at the server once.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    home.watch(folder)
    queue = home.folder / "oort" / "oort.db"
    for moment, is_now in MOMENTS.items():
        home.start(wait=False)
        wait_until(lambda now=is_now: now(queue), timeout_s=40, every_s=0.001, what=moment)
        home.kill()

        home.start()
        wait_until(
            lambda: (
                not home.status()["queue"]["by_status"]["New"]
                and home.json("status", files[0])["status"] in ("OK", "Skipped")
            ),
            timeout_s=30,
            every_s=0.1,
            what=home.told,
        )
        assert arrived(sandbox.files(), files), moment
        assert home.stop() == 0
        for left in queue.parent.glob("oort.db*"):
            left.unlink()
    assert len(sandbox.uploads()) == 1


@pytest.mark.nightly
def test_two_first_starts_at_once(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Of two daemons started at the same moment one runs; the other says so in a line, exit 1.

    1. Two daemons are started at once on a fresh home with a file to send.
    2. One ends with exit 1 and one line that names the other; the file is sent once.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    home.watch(folder)
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "oort", "start"],
            env=home.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        wait_until(lambda: [one for one in both if one.poll() is not None], timeout_s=60)
        refused, running = sorted(both, key=lambda one: one.poll() is None)
        said, complaint = refused.communicate()

        assert refused.returncode == 1
        assert not said
        assert f"pid {running.pid}" in complaint
        assert len(complaint.strip().splitlines()) <= 2, complaint
        home.wait_for(OK=1)
        assert running.poll() is None
        assert arrived(sandbox.files(), files)
    finally:
        for one in both:
            one.terminate()
            one.communicate(timeout=30)
