"""File systems that are mounted for a test, at a place of its own.

with mounted.tmpfs(place): ...
with mounted.share(source, place) as share: share.stall(); share.kill()
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


def mount(*words: str | os.PathLike[str]) -> None:
    """Run `mount`, or skip the test where that is not allowed."""
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs the right to mount a file system (root): {done.stderr.strip()}")


def unmount(place: Path, *, lazily: bool = False) -> None:
    """Take the uppermost file system at `place` away."""
    subprocess.run(["umount", *(["-l"] * lazily), place], check=True, capture_output=True)


@contextlib.contextmanager
def nothing_left_at(*places: Path) -> Iterator[None]:
    """Unmount whatever is mounted at these places when the block ends."""
    try:
        yield
    finally:
        for place in places:
            while os.path.ismount(place):
                unmount(place, lazily=True)


@contextlib.contextmanager
def tmpfs(place: Path) -> Iterator[Path]:
    """Mount an empty file system in memory."""
    place.mkdir(parents=True, exist_ok=True)
    with nothing_left_at(place):
        mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", place)
        yield place


class Share:
    """A network share as far as the kernel can tell: a FUSE mount of another folder."""

    def __init__(self, source: Path, place: Path, *, subtype: str | None = "sshfs") -> None:
        self._source = source
        self.place = place
        self._subtype = subtype
        self._server: subprocess.Popen[bytes] | None = None

    def mount(self) -> None:
        """Mount it, served by a process of its own."""
        if os.geteuid() != 0 or not shutil.which("bindfs") or not Path("/dev/fuse").exists():
            pytest.skip("needs root, bindfs and /dev/fuse")
        self.place.mkdir(parents=True, exist_ok=True)
        options = ["-o", f"subtype={self._subtype}"] if self._subtype else []
        self._server = subprocess.Popen(
            ["bindfs", "-f", "--no-allow-other", *options, self._source, self.place]
        )
        wait_until(lambda: os.path.ismount(self.place), timeout_s=30, what="no FUSE mount")

    def stall(self) -> None:
        """Stop the process that serves it: whoever asks anything of the share waits."""
        assert self._server is not None
        self._server.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it serve again."""
        assert self._server is not None
        self._server.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the process that serves it: every question is answered with ENOTCONN."""
        if self._server is not None:
            self._server.kill()
            self._server.wait(30)
            self._server = None

    def unmount(self) -> None:
        """Take it away, served or not."""
        subprocess.run(["umount", "-l", self.place], check=False, capture_output=True)
        self.kill()


@contextlib.contextmanager
def share(source: Path, place: Path, *, subtype: str | None = "sshfs") -> Iterator[Share]:
    """Mount a folder as a share for the time of the block."""
    made = Share(source, place, subtype=subtype)
    made.mount()
    try:
        yield made
    finally:
        made.unmount()
