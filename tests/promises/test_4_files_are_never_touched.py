"""Promise 4: the user's files are read, never touched."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.files import arrived, make_fits, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


def _look(folder: Path) -> dict[str, tuple[str, int, int, int]]:
    return {
        str(path): (
            sha256_of(path),
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            path.stat().st_ino,
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_watched_folder_is_the_same_afterwards(home: Home, tmp_path: Path) -> None:
    """Content, mode, time and inode of each file are the same, and no file was added."""
    folder = tmp_path / "dome"
    for n in range(5):
        make_fits(folder / f"M31/{n}.fits", salt=n)
    before = _look(folder)
    home.watch(folder)
    home.start()

    home.wait_for(OK=5)

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
