"""Promise 4: the user's files are read, never touched."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.files import BLOCK, arrived, fits_bytes, make_fits, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


def _look(folder: Path) -> dict[str, tuple[str | None, int, int, int, int, int]]:
    """Return what can be seen of a folder and all in it, but the times of reading."""
    seen = {}
    for path in (folder, *folder.rglob("*")):
        content = sha256_of(path) if path.is_file() else None
        stat = path.stat()
        changes = (stat.st_mtime_ns, stat.st_ctime_ns)
        seen[str(path)] = (content, stat.st_mode, stat.st_ino, stat.st_nlink, *changes)
    return seen


def test_a_watched_folder_is_the_same_afterwards(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Whatever became of them: no file or folder was changed in any way, and none was added.

    The folder holds files that are stored, one that is refused, one that is cut and settles, a
    hidden and an empty one, and an empty folder. Not even a mode or a link was changed and changed
    back: a ctime cannot be set.
    """
    folder = tmp_path / "dome"
    for n in range(5):
        make_fits(folder / f"M31/{n}.fits", salt=n)
    make_fits(folder / "M31/refused.fits", salt=10)
    make_fits(folder / ".hidden.fits", salt=11)
    (folder / "M31/cut.fits").write_bytes(fits_bytes(salt=12)[: 2 * BLOCK])
    (folder / "M31/empty.fits").touch()
    (folder / "M42").mkdir()
    before = _look(folder)
    sandbox.rule(method="POST", path="/datafiles/$", file="^refused", status=400)
    home.watch(folder)
    home.start()

    home.wait_for(OK=5, Error=1, New=1)
    assert home.row("M31/cut.fits")["substatus"] == "settling..."
    assert home.row("M31/refused.fits")["status"] == "Error"
    assert home.stop() == 0

    assert _look(folder) == before


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """Give a folder of five files that the kernel lets nobody change, whatever they try."""
    folder, real = tmp_path / "dome", tmp_path / "disk"
    folder.mkdir()
    for n in range(5):
        make_fits(real / f"M31/{n}.fits", salt=n)
    for options in (["--bind", os.fspath(real)], ["-o", "remount,bind,ro"]):
        words = ["mount", *options, os.fspath(folder)]
        if not shutil.which("mount") or subprocess.run(words, check=False).returncode:
            pytest.skip("needs the right to mount a folder (root)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.linux
def test_a_folder_that_cannot_be_written_is_all_that_is_needed(
    home: Home, sandbox: Sandbox, read_only: Path
) -> None:
    """From a read-only mount every file arrives: no rename, mode, packing or file beside is tried."""
    home.watch(read_only)
    home.start()

    home.wait_for(OK=5)

    assert arrived(sandbox.files(), (read_only / "M31").iterdir())
    assert "Read-only" not in home.told()
