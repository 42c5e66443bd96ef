"""Promise 4: the user's files are read, never touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.files import make_fits, sha256_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home


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
