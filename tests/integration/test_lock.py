"""One daemon a queue: a lock that the kernel keeps, between real processes."""

from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from oort.errors import LockedError
from oort.locations import Locations
from oort.lock import Holder, QueueLock, daemon_of, holder_of, holding_queue
from tests.support.holding import holding

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "oort.lock"


def lock(file: Path, role: str = "daemon") -> QueueLock:
    return QueueLock(file, Holder(os.getpid(), role, "dome-pc", "2026-11-22T20:00:00Z", "5.0"))


def test_nobody_holds_a_lock_that_nobody_took(file: Path) -> None:
    assert holder_of(file) is None
    assert not file.parent.exists()


def test_the_holder_is_told_in_its_own_words(file: Path) -> None:
    with lock(file):
        assert holder_of(file) == Holder(
            os.getpid(), "daemon", "dome-pc", "2026-11-22T20:00:00Z", "5.0"
        )

    assert holder_of(file) is None


def test_a_second_process_is_refused_and_told_who_the_first_is(file: Path) -> None:
    with holding("lock", file, "daemon") as process, pytest.raises(LockedError) as refused:
        lock(file).acquire(wait_s=0.2)

    assert str(refused.value) == f"a daemon (pid {process.pid}) is using the queue in {file.parent}"
    assert "oort stop" in str(refused.value.hint)


def test_a_command_that_holds_the_lock_is_named_too(file: Path) -> None:
    with holding("lock", file, "retry") as process:
        with pytest.raises(LockedError) as refused:
            lock(file).acquire(wait_s=0.2)
        assert daemon_of(file) is None
        assert holder_of(file) is not None

    assert str(refused.value).startswith(f"`oort retry` (pid {process.pid}) is using")
    assert "oort stop" not in str(refused.value.hint)


def test_kill_9_frees_the_lock(file: Path) -> None:
    with holding("lock", file, "daemon") as process:
        assert daemon_of(file) is not None
        process.kill()
        process.wait()

        assert daemon_of(file) is None
        with lock(file):
            assert daemon_of(file) is not None


def test_a_starting_daemon_waits_for_the_one_before_it(file: Path) -> None:
    with holding("lock", file, "daemon") as process:
        end = threading.Timer(0.3, process.kill)
        end.start()

        lock(file).acquire(wait_s=60)

        end.join()


def test_two_locks_of_one_process_exclude_each_other(file: Path) -> None:
    with lock(file), pytest.raises(LockedError):
        lock(file).acquire(wait_s=0.1)


def test_readers_do_not_keep_anybody_from_the_lock(file: Path) -> None:
    """A thousand looks by others, and the lock is had and given back all the same."""
    ending = threading.Event()

    def read() -> None:
        while not ending.is_set():
            holder_of(file)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(20):
            with lock(file):
                assert daemon_of(file) is not None
    finally:
        ending.set()
        for reader in readers:
            reader.join()


def test_a_holder_that_has_not_said_who_it_is_is_taken_for_a_daemon(file: Path) -> None:
    with lock(file):
        file.write_bytes(b"")

        assert holder_of(file) == Holder(pid=0, role="daemon")


def test_the_file_is_its_owners_alone_and_stays(file: Path) -> None:
    with lock(file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700

    assert file.exists()


def test_what_a_newer_version_wrote_of_itself_is_still_a_holder(file: Path) -> None:
    with lock(file):
        file.write_text('{"pid": 1, "role": "daemon", "mood": "new"}')

        assert daemon_of(file) == Holder(pid=1, role="daemon")


def test_a_file_that_was_deleted_is_made_and_held_anew(file: Path) -> None:
    with lock(file) as held:
        assert held.keep()
        file.unlink()
        assert holder_of(file) is None

        assert held.keep()

        assert daemon_of(file) is not None
        with pytest.raises(LockedError):
            lock(file).acquire(wait_s=0.1)


def test_who_finds_another_in_its_place_does_not_hold_the_queue_any_more(file: Path) -> None:
    with lock(file) as held:
        file.unlink()
        with holding("lock", file, "daemon"):
            assert not held.keep()


def test_a_name_that_leads_in_a_circle_is_not_taken_for_deleted(file: Path) -> None:
    """An error that is none of "not there", once: the next look finds the file that is held."""
    with lock(file) as held:
        aside = file.rename(file.with_name("aside"))
        file.symlink_to(file)
        assert held.keep()

        file.unlink()
        aside.rename(file)
        assert held.keep()
        assert daemon_of(file) is not None


def test_a_file_that_comes_back_is_still_held(file: Path) -> None:
    with lock(file) as held:
        aside = file.rename(file.with_name("aside"))
        with holding("lock", file, "daemon") as other:
            back = threading.Timer(0.3, lambda: aside.rename(file))
            back.start()
            assert held.keep()
            back.join()
            assert other.poll() is None


@pytest.mark.parametrize("way", ["default", "foreign", "link", "linked folder"])
def test_a_queue_has_one_holder_whatever_home_and_way(tmp_path: Path, way: str) -> None:
    a, b = (Locations(tmp_path / name, tmp_path / name) for name in "ab")
    a.state_folder.mkdir()
    a.database.touch()
    database = {
        "default": a.database,
        "foreign": tmp_path / "b" / ".." / "a" / "oort.db",
        "link": b.database,
        "linked folder": tmp_path / "c" / "oort.db",
    }[way]
    b.state_folder.mkdir()
    if way == "link":
        b.database.symlink_to(a.database)
    (tmp_path / "c").symlink_to(a.state_folder)
    own, command = Holder(os.getpid(), "daemon"), Holder(os.getpid(), "retry")

    with holding_queue(a, a.database, own):
        with pytest.raises(LockedError), holding_queue(b, database, command):
            pass
        assert daemon_of(b.lock_file) is None
    with holding_queue(b, database, own):
        assert daemon_of(b.lock_file) is not None
        assert daemon_of(a.lock_file) is None
        with pytest.raises(LockedError), holding_queue(a, a.database, command):
            pass


def test_the_folder_of_a_queue_that_is_elsewhere_stays_open(tmp_path: Path) -> None:
    home = Locations(tmp_path / "home", tmp_path / "home")
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    shared.chmod(0o755)

    with holding_queue(home, shared / "queue.db", Holder(os.getpid(), "daemon")):
        assert stat.S_IMODE(shared.stat().st_mode) == 0o755
        assert (shared / "queue.db.lock").exists()


def test_a_folder_that_is_gone_is_nobody_elses(file: Path) -> None:
    with lock(file) as held:
        file.unlink()
        file.parent.rmdir()

        assert held.keep()


def test_a_deleted_file_of_a_queue_that_is_there_is_left_to_its_daemon(file: Path) -> None:
    with lock(file) as held:
        file.unlink()
        mending = threading.Timer(1, held.keep)
        mending.start()
        try:
            with pytest.raises(LockedError):
                QueueLock(file, Holder(os.getpid(), "daemon"), is_known=True).acquire(wait_s=0.1)
        finally:
            mending.join()


def test_a_trouble_is_told_in_the_file_until_it_is_over(file: Path) -> None:
    with lock(file) as held:
        held.tell("the queue cannot be written: disk I/O error")
        told = daemon_of(file)
        assert told is not None
        assert told.trouble == "the queue cannot be written: disk I/O error"

        held.tell(None)
        assert daemon_of(file) == Holder(
            os.getpid(), "daemon", "dome-pc", "2026-11-22T20:00:00Z", "5.0"
        )
