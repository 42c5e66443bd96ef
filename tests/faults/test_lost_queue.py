"""The queue's file is deleted, replaced or spoiled, while the daemon runs and while it does not."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.files import arrived, make_fits
from tests.support.glance import Glance
from tests.support.queue_file import rows_of, write_half_of_the_log
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

COUNT = 40


def _sent_before(home: Home, sandbox: Sandbox, folder: Path) -> list[Path]:
    """Send files, by a daemon whose first copy of the queue may know little of them."""
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(COUNT)]
    home.watch(folder)
    home.start()
    home.wait_for(OK=COUNT)
    assert arrived(sandbox.files(), files)
    return files


def _copied_now(home: Home) -> Path:
    """Have the queue copied as it is now, by a start that finds no copy; return the copy."""
    home.stop()
    backups = home.folder / "oort" / "backups"
    for copy in backups.glob("*"):
        copy.unlink()
    home.start()
    (made,) = wait_until(
        lambda: list(backups.glob("*.db")), timeout_s=60, every_s=0.1, what=home.told
    )
    return made


def _substatuses(home: Home, files: list[Path]) -> set[str]:
    """Return what the queue says of these files."""
    names = {path.name for path in files}
    rows = rows_of(home.folder / "oort" / "oort.db")
    return {row.substatus for row in rows if row.path in names}


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


@pytest.mark.nightly
@pytest.mark.parametrize("with_copy", [True, False])
def test_queue_overwritten_in_the_middle(
    home: Home, sandbox: Sandbox, tmp_path: Path, with_copy: bool
) -> None:
    """A spoiled queue is set aside, the copy used, and the rest found out by asking.

    1. Files are sent and the queue is copied; the daemon is killed; 64 kB in the middle of the queue
       are overwritten.
    2. Started again with one file more: the queue is set aside with a warning that names the copy,
       all are safe, only the new file is sent. What the copy has is `done`, as it was; without a
       copy it is found at the server (`already synced`).
    """
    folder = tmp_path / "dome"
    files = _sent_before(home, sandbox, folder)
    copied = _copied_now(home)
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
    (warning,) = home.status()["daemon"]["warnings"]
    assert "the queue was damaged" in warning
    assert (f"the copy {copied.name} is used" in warning) == with_copy
    known = _substatuses(home, files[:COUNT])
    assert known == ({"done"} if with_copy else {"already synced"})


@pytest.mark.nightly
def test_log_deleted_when_half_of_it_was_in_the_file(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A queue that was left between two states is none: the nightly copy is used.

    1. Files are sent and the queue is copied; more are sent. The daemon is killed while SQLite
       writes its log into the file, and the log is deleted.
    2. Started again with one file more: the queue is set aside with a warning that names the copy,
       all are safe, only the new file is sent, and what the copy has is `done`.
    """
    folder = tmp_path / "dome"
    files = _sent_before(home, sandbox, folder)
    copied = _copied_now(home)
    files += [make_fits(folder / f"late_{n}.fits", salt=1000 + n) for n in range(10)]
    home.wait_for(OK=len(files))
    home.kill()
    queue = home.folder / "oort" / "oort.db"
    write_half_of_the_log(queue)
    queue.with_name("oort.db-wal").unlink()
    files.append(make_fits(folder / "new.fits", salt=2000))

    home.start()

    assert list(queue.parent.glob("oort.db.damaged-*"))
    _is_safe_again(home, sandbox, files)
    (warning,) = home.status()["daemon"]["warnings"]
    assert f"the copy {copied.name} is used" in warning
    assert _substatuses(home, files[:COUNT]) == {"done"}


def _put_a_folder(queue: Path) -> None:
    queue.unlink()
    queue.mkdir()


def _put_another(queue: Path) -> None:
    """Put another application's file at its place, as somebody who restores the wrong one does."""
    queue.unlink()
    with closing(sqlite3.connect(queue)) as other:
        other.executescript("CREATE TABLE stars (name); INSERT INTO stars VALUES ('Vega')")


def _spoil(queue: Path, start: int, size: int) -> None:
    with queue.open("r+b") as file:
        file.seek(start)
        file.write(os.urandom(size))


FAULTS: dict[str, Callable[[Path], object]] = {
    "deleted": lambda queue: [part.unlink() for part in queue.parent.glob("oort.db*")],
    "deleted alone": lambda queue: queue.unlink(),
    "emptied": lambda queue: os.truncate(queue, 0),
    "all but its head overwritten": lambda queue: _spoil(queue, 4096, queue.stat().st_size - 4096),
    "log deleted": lambda queue: queue.with_name("oort.db-wal").unlink(),
    "log emptied": lambda queue: os.truncate(queue.with_name("oort.db-wal"), 0),
    "a folder": _put_a_folder,
    "another application's": _put_another,
}
REFUSED = {"a folder": "is a folder", "another application's": "it holds stars"}
HARMLESS = {"log deleted"}
"""What the daemon still has in hand it writes into the queue before it ends."""


@pytest.mark.nightly
@pytest.mark.timeout(240)
@pytest.mark.parametrize("fault", FAULTS)
def test_queue_lost_while_the_daemon_runs(
    home: Home, sandbox: Sandbox, tmp_path: Path, fault: str
) -> None:
    """A daemon whose queue is lost under its hands ends, and the next one goes on from the copy.

    1. Files are stored, the queue is copied, and one more is stored.
    2. Something happens to the queue's file, and a file is written: the daemon ends with exit 1.
    3. Where something else is in the queue's place, a start is refused in two lines and leaves it
       as it is; somebody moves it away.
    4. Started again with one file more: what was left is set aside, the status warns and names the
       copy, what that has is `done`, all are safe, and nothing that was stored is sent again.
    """
    folder = tmp_path / "dome"
    files = _sent_before(home, sandbox, folder)
    state = home.folder / "oort"
    queue = state / "oort.db"
    copied = _copied_now(home)
    files += [make_fits(folder / "late.fits", salt=999)]
    wait_until(lambda: _safe_in(queue) == len(files), timeout_s=60, every_s=0.1, what=home.told)

    FAULTS[fault](queue)

    files += [make_fits(folder / "during.fits", salt=1000)]
    assert home.ended(timeout_s=60) == 1
    if fault in REFUSED:
        refused = home.run("oort", "start", check=False)
        assert refused.returncode == 1
        assert REFUSED[fault] in refused.stderr
        assert len([line for line in refused.stderr.splitlines() if "[" not in line]) <= 2
        queue.rename(state / "moved away")
    files += [make_fits(folder / "new.fits", salt=1001)]
    home.start()
    wait_until(lambda: _safe_in(queue) == len(files), timeout_s=60, every_s=0.1, what=home.told)
    _is_safe_again(home, sandbox, files)
    used = f"the copy {copied.name} is used"
    warned = any(used in text for text in home.status()["daemon"]["warnings"])
    assert warned == (fault not in HARMLESS)
    assert _substatuses(home, files[:COUNT]) == {"done"}


def _safe_in(queue: Path) -> int:
    return sum(row.is_safe for row in rows_of(queue))


@pytest.mark.nightly
def test_queue_and_its_copies_spoiled(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Where the newest copy is spoiled too, the one before is used.

    1. Files are sent and the daemon is stopped. There are two copies; the newer one is spoiled, and
       so is the queue.
    2. `oort status` says that the queue cannot be used; started again with one file more, the older
       copy is used, all are safe, and only the new file is sent.
    """
    folder = tmp_path / "dome"
    files = _sent_before(home, sandbox, folder)
    home.stop()
    state = home.folder / "oort"
    (newer,) = state.glob("backups/*.db")
    older = newer.with_name("oort-20200101T000000Z.db")
    older.write_bytes(newer.read_bytes())
    os.truncate(newer, 4096)
    os.truncate(state / "oort.db", 0)
    files.append(make_fits(folder / "new.fits", salt=COUNT))

    home.start()

    _is_safe_again(home, sandbox, files)
    (warning,) = home.status()["daemon"]["warnings"]
    assert older.name in warning


def test_queue_deleted_while_nothing_runs(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A queue that is gone is told, by whoever looks, and its copy is used.

    1. Files are sent, the daemon is stopped, and the queue's file is deleted.
    2. `oort status` and `oort pause` say that it is gone, and make no new one.
    3. Started again: the copy is used, all are safe, nothing is sent again.
    """
    folder = tmp_path / "dome"
    files = _sent_before(home, sandbox, folder)
    home.stop()
    queue = home.folder / "oort" / "oort.db"
    queue.unlink()
    for command in ("status", "pause"):
        told = home.run("oort", command, check=False)
        assert told.returncode == 1
        assert "is gone" in told.stderr
    assert not queue.exists()

    home.start()

    _is_safe_again(home, sandbox, files)
    assert any("the queue was gone" in text for text in home.status()["daemon"]["warnings"])


def test_only_new_files_wanted_and_the_queue_lost(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Without a queue nobody knows what lay in the folder before, so a person is asked.

    1. A folder with files is watched for new ones only; one is sent; the queue and its copies are
       deleted.
    2. Started again, the watch is held with the question, and nothing is sent.
    """
    folder = tmp_path / "dome"
    make_fits(folder / "old.fits")
    home.watch(folder, "--new-only")
    home.start()
    make_fits(folder / "new.fits", salt=1)
    home.wait_for(OK=1)
    home.stop()
    state = home.folder / "oort"
    for left in [*state.glob("oort.db*"), *state.glob("backups/*")]:
        left.unlink()

    home.start()

    assert "--new-only" in Glance(home).until_watch("dome", "held")
    (watch,) = home.json("folders")
    assert watch["state"] == "held"
    assert [file["name"] for file in sandbox.files()] == ["new.fits"]
