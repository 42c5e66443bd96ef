"""The machine has no file descriptors, or no memory and threads, left for the daemon."""

from __future__ import annotations

import resource
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.files import arrived, make_fits
from tests.support.queue_file import is_sound

if TYPE_CHECKING:
    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

COUNT: Final = 20
MB: Final = 1024**2
WITHOUT_S: Final = 5.0
"""So long nothing is to become true: the daemon has to do with what there is."""


def _descriptors(pid: int) -> tuple[int, int]:
    """Leave a process those that it has, and one more."""
    return resource.RLIMIT_NOFILE, len(list(Path(f"/proc/{pid}/fd").iterdir())) + 1


def _memory(pid: int) -> tuple[int, int]:
    """Leave a process the addresses that it has, and 2 MB more: a new thread's stack is larger."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    return resource.RLIMIT_AS, pages * resource.getpagesize() + 2 * MB


@pytest.mark.nightly
@pytest.mark.linux
@pytest.mark.parametrize("limit", [_descriptors, _memory])
def test_nothing_left_for_a_while(
    home: Home, sandbox: Sandbox, tmp_path: Path, limit: object
) -> None:
    """A daemon that gets no descriptors, or no memory, loses and doubles nothing.

    1. A daemon that runs is left with what it has; files are written.
    2. It may wait, and say so, or end with exit 1, to be started anew by the service manager.
    3. There is enough again: every file arrives once, and none needs a person.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "first.fits")]
    home.configure({"max_attempts": "100"})
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)
    assert home.daemon is not None
    pid = home.daemon.pid
    assert callable(limit)
    what, least = limit(pid)
    before = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (least, before[1]))

    files += [make_fits(folder / f"{n % 3}" / f"{n}.fits", salt=n) for n in range(1, COUNT)]
    threading.Event().wait(WITHOUT_S)

    if home.daemon.poll() is None:
        resource.prlimit(pid, what, before)
    else:
        assert home.ended() == 1, home.told()
        home.start()
    home.wait_for(OK=COUNT)
    assert arrived(sandbox.files(), files)
    whole = [post["file"] for post in sandbox.uploads() if post["body_complete"]]
    assert sorted(whole) == sorted(file.name for file in files)
    assert not home.status()["attention"]
    assert home.stop() == 0
    assert is_sound(home.folder / "oort" / "oort.db")
