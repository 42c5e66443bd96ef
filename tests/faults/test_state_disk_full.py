"""The disk of the queue is full for a while."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

MB = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path, home: Home) -> Iterator[Path]:
    """Put a file system of 64 MB where the home has its queue."""
    state = home.folder / "oort"
    kept = tmp_path / "kept"
    shutil.copytree(state, kept)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", os.fspath(state)]
    if not shutil.which("mount") or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs the right to mount a file system (root)")
    try:
        shutil.copytree(kept, state, dirs_exist_ok=True)
        yield state
    finally:
        home.close()
        subprocess.run(["umount", "-l", state], check=True)


@pytest.mark.linux
def test_state_disk_full_for_a_while(
    home: Home, sandbox: Sandbox, tmp_path: Path, small_disk: Path
) -> None:
    """On a full disk the daemon waits; when there is space it goes on by itself.

    1. The queue is on a small disk. A file is sent; then the disk is filled to the last byte.
    2. Files are written: nothing is sent, the daemon lives, and its status says why.
    3. There is space again: they arrive, without a restart.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "first.fits")]
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(MB)) == MB:
                pass
            while file.write(bytes(512)) == 512:
                pass
        except OSError:
            pass
    wait_until(
        lambda: "free for the queue" in str(home.status()["daemon"]["warnings"]),
        timeout_s=30,
        every_s=0.1,
        what=home.told,
    )
    files += [make_fits(folder / f"{n}.fits", salt=n) for n in range(1, 200)]
    wait_until(lambda: "queue.waits" in home.told(), timeout_s=30, what=home.told)
    assert home.daemon is not None
    assert home.daemon.poll() is None
    assert len(sandbox.uploads()) == 1

    ballast.unlink()

    home.wait_for(OK=len(files))
    assert arrived(sandbox.files(), files)
    assert not home.status()["daemon"]["warnings"]
