"""More than one daemon is started for a queue, and whatever may deceive the one that guards it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.daemon import Home
from tests.support.files import arrived, make_fits
from tests.support.queue_file import rows_of
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.sandbox import Sandbox

MANY: Final = 10


def _start(home: Home) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "oort", "start"],
        env=home.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def _started(home: Home, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Start so many daemons at the same moment; end those that are left."""
    daemons = [_start(home) for _ in range(count)]
    try:
        yield daemons
    finally:
        for daemon in daemons:
            daemon.kill()
            daemon.communicate(timeout=30)


def _refused(home: Home, pid: int) -> None:
    """See that another start ends with exit 1 and one line that names the daemon which runs."""
    with _started(home, 1) as (second,):
        said, complaint = second.communicate(timeout=60)
    assert second.returncode == 1
    assert not said
    assert f"a daemon (pid {pid}) is using the queue" in complaint
    assert len(complaint.strip().splitlines()) <= 2, complaint


@pytest.mark.nightly
def test_ten_first_starts_at_once(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Of ten daemons started at the same moment one runs; the others say so and end.

    1. Ten daemons are started at once on a fresh home with files to send.
    2. Nine end with exit 1 and a line that names the tenth, which sends each file once.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(5)]
    home.watch(folder)
    with _started(home, MANY) as daemons:
        wait_until(
            lambda: sum(one.poll() is not None for one in daemons) == MANY - 1,
            timeout_s=90,
            what=lambda: f"{[one.poll() for one in daemons]}",
        )
        (running,) = [one for one in daemons if one.poll() is None]
        home.wait_for(OK=len(files))
        for one in daemons:
            if one is not running:
                assert one.returncode == 1
                assert one.stderr is not None
                assert f"pid {running.pid}" in one.stderr.read()
        running.terminate()
        assert running.wait(30) == 0
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == len(files)


@pytest.mark.nightly
def test_start_beside_a_daemon_that_stands_still(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A daemon that does not answer has its queue all the same.

    1. A daemon gets SIGSTOP. Another one is started: exit 1, naming the first.
    2. `oort stop` says after its time that there is no answer.
    3. The daemon gets SIGCONT and ends in order, as it was asked to.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)
    assert home.daemon is not None
    home.signal(signal.SIGSTOP)

    _refused(home, home.daemon.pid)
    stop = home.run("oort", "stop", "--timeout", "0", check=False)
    assert stop.returncode == 1
    assert "did not answer" in stop.stderr

    home.signal(signal.SIGCONT)
    assert home.stop() == 0
    assert arrived(sandbox.files(), files)


@pytest.mark.nightly
def test_lock_file_deleted_under_a_running_daemon(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Who deletes the lock's file, to mend a daemon that seems stuck, does not get two of them.

    1. A file is on its way to a server that reads slowly, when `oort.lock` is deleted and a second
       daemon is started at once: it is refused, naming the first, which goes on.
    2. The file is deleted again, and `oort retry` given at once: the daemon answers it,
       that the file is being sent.
    3. Every file is sent once; `oort stop` ends the daemon.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "large.fits", 1200 * 2880)]
    home.watch(folder)
    slow = sandbox.rule(method="POST", path="/datafiles/", read_bytes_per_s=200_000)
    home.start()
    wait_until(lambda: [one for one in sandbox.uploads() if one["bytes_received"]], what=home.told)
    assert home.daemon is not None
    lock = home.folder / "oort" / "oort.lock"

    lock.unlink()
    _refused(home, home.daemon.pid)
    assert home.status()["daemon"]["running"]
    lock.unlink()
    retried = home.run("oort", "retry", files[0], check=False)
    assert retried.returncode == 1
    assert "is being sent" in retried.stderr
    sandbox.remove(slow)
    assert home.daemon.poll() is None
    files.append(make_fits(folder / "new.fits", salt=1))

    home.wait_for(OK=2)
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == 2
    assert "control.taken" in home.told()
    home.oort("stop")
    assert home.ended() == 0


@pytest.mark.nightly
def test_lock_file_deleted_under_a_daemon_that_stands_still(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A daemon that lost its queue to another while it stood still ends as soon as it goes on.

    1. A daemon with a file on its way gets SIGSTOP, and the file of its home's lock is deleted.
    2. A second daemon starts, and refuses: the queue has a lock of its own.
    3. That one's file is deleted too: a second daemon starts, and takes the queue over.
    4. The first gets SIGCONT: it cuts what it has in hand and ends with exit 1, saying why.
    5. The file is at the server once.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "large.fits", 3000 * 2880)]
    home.watch(folder)
    slow = sandbox.rule(method="POST", path="/datafiles/", read_bytes_per_s=100_000)
    home.start()
    wait_until(lambda: [one for one in sandbox.uploads() if one["bytes_received"]], what=home.told)
    assert home.daemon is not None
    home.signal(signal.SIGSTOP)
    sandbox.remove(slow)
    (home.folder / "oort" / "oort.lock").unlink()
    _refused(home, home.daemon.pid)
    (home.folder / "oort" / "oort.lock").unlink(missing_ok=True)
    (home.folder / "oort" / "oort.db.lock").unlink()
    with _started(home, 1) as (second,):
        wait_until(
            lambda: home.status()["daemon"]["pid"] == second.pid,
            timeout_s=40,
            every_s=0.1,
            what=home.told,
        )
        home.signal(signal.SIGCONT)

        assert home.ended() == 1
        assert "was deleted, and another has the queue now" in home.told()
        home.wait_for(OK=1)
        second.terminate()
        assert second.wait(30) == 0
    assert arrived(sandbox.files(), files)


def test_lock_file_of_somebody_who_does_not_hold_it(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """What a lock's file says counts for nothing where the kernel says that nobody holds it.

    1. A daemon is killed; its lock's file is left and names a process that lives.
    2. `oort status` says that no daemon runs, `oort stop` that there is none to stop.
    3. A daemon starts at once, and the file that was waiting is sent.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    home.watch(folder)
    home.start()
    home.kill()
    lock = home.folder / "oort" / "oort.lock"
    assert b'"pid"' in lock.read_bytes()
    lock.write_text(f'{{"pid": {os.getpid()}, "role": "daemon"}}')

    assert not home.status()["daemon"]["running"]
    assert "not running" in home.oort("stop")
    home.start()
    home.wait_for(OK=1)
    assert arrived(sandbox.files(), files)


@pytest.mark.nightly
@pytest.mark.parametrize("way", ["both name it", "one's own", "a link"])
def test_two_homes_with_one_database(
    home: Home, sandbox: Sandbox, tmp_path: Path, way: str
) -> None:
    """A queue that two homes use has one daemon all the same.

    1. `database` in the config.toml of two homes names one file; or one home's own queue is named
       in the other's; or a link in the other leads there. A daemon runs in the first.
    2. One that is started in the second is refused, naming the first; so is `oort retry` there.
    3. When the first has ended, the second one starts; the first is refused now.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    own = home.folder / "oort" / "oort.db"
    queue = tmp_path / "shared" / "queue.db" if way == "both name it" else own
    if way == "both name it":
        home.oort("config", "set", "database", f"sqlite:///{queue}")
    home.watch(folder)
    other = Home(tmp_path / "other")
    shutil.copytree(home.folder, other.folder, dirs_exist_ok=True)
    (other.folder / "oort" / "oort.db").unlink(missing_ok=True)
    if way == "a link":
        (other.folder / "oort" / "oort.db").symlink_to(queue)
    elif way == "one's own":
        other.oort("config", "set", "database", f"sqlite:///{queue}")
    home.start()
    wait_until(lambda: [row.is_safe for row in rows_of(queue)] == [True], what=home.told)
    assert home.daemon is not None

    _refused(other, home.daemon.pid)
    retried = other.run("oort", "retry", "--all", check=False)
    assert retried.returncode == 1
    assert f"pid {home.daemon.pid}" in retried.stderr

    assert home.stop() == 0
    with other:
        other.start()
        assert other.daemon is not None
        _refused(home, other.daemon.pid)
        files.append(make_fits(folder / "b.fits", salt=1))
        wait_until(lambda: sum(row.is_safe for row in rows_of(queue)) == 2, what=other.told)
        assert other.stop() == 0
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == 2
