"""The machine has no file descriptors, no threads, or no memory left for the daemon."""

from __future__ import annotations

import contextlib
import re
import resource
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.files import arrived, make_fits
from tests.support.queue_file import is_sound, rows_of
from tests.support.syscalls import needs_strace, refused_calls
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

COUNT: Final = 20
MANY: Final = 200
END_S: Final = 5.0
"""`stop_grace_s` and 3 s: also where the shortage has left a thread hanging."""
WITHOUT_S: Final = 5.0
"""So long nothing is to become true: the daemon has to do with what there is."""


@contextlib.contextmanager
def _limited(pid: int, what: int, most: int) -> Iterator[None]:
    before = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (most, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            resource.prlimit(pid, what, before)


def _no_descriptors(pid: int, _: Path) -> AbstractContextManager[None]:
    """Leave a process the descriptors that it has, and one more."""
    has = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return _limited(pid, resource.RLIMIT_NOFILE, has + 1)


def _no_threads(pid: int, folder: Path) -> AbstractContextManager[None]:
    """Refuse a process every new thread, as at the end of a limit on tasks."""
    needs_strace()
    return refused_calls(pid, "clone,clone3", "EAGAIN", folder / "strace")


def _no_memory(pid: int, _: Path) -> AbstractContextManager[None]:
    """Leave a process the addresses that it has: what it has freed it may use again."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    return _limited(pid, resource.RLIMIT_AS, pages * resource.getpagesize())


def _is_done(home: Home) -> bool:
    """Tell whether all arrived; a daemon that has ended is started anew, as a manager does."""
    assert home.daemon is not None
    if home.daemon.poll() is not None:
        assert home.ended() == 1, home.told()
        home.start()
    rows = rows_of(home.folder / "oort" / "oort.db")
    return sum(row.status == "OK" for row in rows) == COUNT


@pytest.mark.nightly
@pytest.mark.linux
@pytest.mark.parametrize(
    ("shortage", "refused"),
    [
        pytest.param(_no_descriptors, "Too many open files", id="descriptors"),
        pytest.param(_no_threads, "can't start new thread", id="threads"),
        pytest.param(
            _no_memory, "MemoryError|Cannot allocate memory|can't start new thread", id="memory"
        ),
    ],
)
def test_nothing_left_for_a_while(
    home: Home,
    sandbox: Sandbox,
    tmp_path: Path,
    shortage: Callable[[int, Path], AbstractContextManager[None]],
    refused: str,
) -> None:
    """A daemon that gets no descriptors, no threads, or no memory, loses and doubles nothing.

    1. A daemon that runs is left with what it has; files are written.
    2. It is refused what it asks for, as it says itself. It may wait, or end with exit 1, to be
       started anew by the service manager.
    3. There is enough again: every file arrives once, and none needs a person.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "first.fits")]
    home.configure({"max_attempts": "100"})
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)
    assert home.daemon is not None
    with shortage(home.daemon.pid, tmp_path):
        files += [make_fits(folder / f"{n % 3}" / f"{n}.fits", salt=n) for n in range(1, COUNT)]
        threading.Event().wait(WITHOUT_S)
    assert re.search(refused, home.log_file.read_text()), home.told()

    wait_until(lambda: _is_done(home), timeout_s=60, every_s=0.1, what=home.told)
    home.wait_for(OK=COUNT)
    assert arrived(sandbox.files(), files)
    whole = [post["file"] for post in sandbox.uploads() if post["body_complete"]]
    assert sorted(whole) == sorted(file.name for file in files)
    assert not home.status()["attention"]
    began = time.monotonic()
    code = home.stop()
    assert time.monotonic() - began < END_S, home.told()
    assert code == (1 if home.has_told("daemon.failed") else 0), home.told()
    assert is_sound(home.folder / "oort" / "oort.db")


@pytest.mark.nightly
@pytest.mark.linux
def test_no_thread_for_another_worker(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A daemon that would like more workers, and gets none, goes on with those that it has.

    1. A server that takes its time makes more uploads at once worth it; no thread is to be had.
    2. The daemon says so, runs on, and sends; afterwards it has more workers by itself.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "first.fits")]
    sandbox.rule(method="POST", path="/datafiles/", delay_s=0.3)
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)
    assert home.daemon is not None
    tasks = Path(f"/proc/{home.daemon.pid}/task")
    before = len(list(tasks.iterdir()))
    with _no_threads(home.daemon.pid, tmp_path):
        files += [make_fits(folder / f"{n}.fits", salt=n) for n in range(1, MANY)]
        wait_until(lambda: home.has_told("workers.short"), timeout_s=30, what=home.told)
        assert home.daemon.poll() is None

    wait_until(lambda: len(list(tasks.iterdir())) > before, timeout_s=30, what=home.told)
    home.wait_for(OK=MANY)
    assert arrived(sandbox.files(), files)
    assert home.stop() == 0
