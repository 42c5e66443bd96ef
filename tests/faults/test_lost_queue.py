"""The queue's file is deleted, or spoiled, while the daemon is not running."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

COUNT = 40


def _sent_before(home: Home, sandbox: Sandbox, folder: Path) -> list[Path]:
    """Send files, the queue being copied at the daemon's start, and one more that is stored late."""
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(COUNT)]
    home.watch(folder)
    home.start()
    home.wait_for(OK=COUNT)
    assert arrived(sandbox.files(), files)
    return files


def _is_safe_again(home: Home, sandbox: Sandbox, files: list[Path]) -> None:
    """See that everything is safe, that nothing was sent a second time, and what is new arrives."""

    def is_safe() -> bool:
        by_status = home.status()["queue"]["by_status"]
        return bool(by_status["OK"] + by_status["Skipped"] >= len(files))

    wait_until(is_safe, timeout_s=40, every_s=0.1, what=home.told)
    assert arrived(sandbox.files(), files)
    names = [request["file"] for request in sandbox.uploads() if request["bytes_received"] > 0]
    assert sorted(names) == sorted(set(names)), "sent again"
    assert not home.status()["attention"]


def test_queue_deleted(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A queue that was deleted is built anew by asking the server.

    1. Files are sent, the daemon is stopped, the queue and its copies are deleted.
    2. Started again with one file more: all are safe, only the new one is sent.
    """
    folder = tmp_path / "dome"
    files = _sent_before(home, sandbox, folder)
    home.stop()
    state = home.folder / "oort"
    for left in [*state.glob("oort.db*"), *state.glob("backups/*")]:
        left.unlink()
    files.append(make_fits(folder / "new.fits", salt=COUNT))

    home.start()

    _is_safe_again(home, sandbox, files)


@pytest.mark.parametrize("gone", [["oort.db-wal"], ["oort.db-wal", "oort.db-shm"]])
def test_log_of_the_queue_deleted(
    home: Home, sandbox: Sandbox, tmp_path: Path, gone: list[str]
) -> None:
    """What was in the queue's write-ahead log is found out again when the log is gone.

    1. The queue's file knows ten files that wait, because the daemon was paused when it ended.
    2. They are sent, and ten more that the file knows nothing of; the daemon is killed, and the
       log with the news is deleted (or the log and its index).
    3. Started again with one file more: all are safe, only the new one is sent.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    home.oort("pause")
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(10)]
    home.wait_for(New=10)
    home.stop()
    home.start()
    home.oort("resume")
    files += [make_fits(folder / f"{n}.fits", salt=n) for n in range(10, 20)]
    home.wait_for(OK=20)
    home.kill()
    for name in gone:
        (home.folder / "oort" / name).unlink()
    files.append(make_fits(folder / "new.fits", salt=100))

    home.start()
    home.oort("resume")

    _is_safe_again(home, sandbox, files)


@pytest.mark.parametrize("with_copy", [True, False])
def test_queue_overwritten_in_the_middle(
    home: Home, sandbox: Sandbox, tmp_path: Path, with_copy: bool
) -> None:
    """A spoiled queue is set aside, the copy used, and the rest found out by asking.

    1. Files are sent; the daemon is killed; 64 kB in the middle of the queue are overwritten.
    2. Started again with one file more: the queue is set aside with a warning, all are safe,
       only the new file is sent.
    """
    folder = tmp_path / "dome"
    files = _sent_before(home, sandbox, folder)
    home.stop()
    home.start()
    files.append(make_fits(folder / "late.fits", salt=1000))
    home.wait_for(OK=len(files))
    home.kill()
    state = home.folder / "oort"
    queue = state / "oort.db"
    assert queue.stat().st_size > 100_000
    with queue.open("r+b") as file:
        file.seek(queue.stat().st_size // 2 - 32_768)
        file.write(os.urandom(65_536))
    if not with_copy:
        for copy in state.glob("backups/*"):
            copy.unlink()
    files.append(make_fits(folder / "new.fits", salt=COUNT))

    home.start()

    assert list(state.glob("oort.db.damaged-*"))
    _is_safe_again(home, sandbox, files)
    assert any("damaged" in text for text in home.status()["daemon"]["warnings"])
