"""Many files and folders at once, while the daemon runs: unpacked, copied, moved, made in depth."""

from __future__ import annotations

import shutil
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

NO_RESCAN = {"rescan_s": "3600"}
"""So that files are found as they come, or not at all."""


def tree(folder: Path, count: int, *, name: str, salt: int) -> list[Path]:
    """Make a tree of nested folders with so many files, 20 in each."""
    return [
        make_fits(
            folder / f"{n // 400}" / f"{n // 100}" / f"{n // 20}" / f"{name}_{n}.fits",
            2 * 2880,
            salt=salt + n,
        )
        for n in range(count)
    ]


def bring(source: Path, folder: Path, count: int) -> Iterator[tuple[list[Path], list[str]]]:
    """Make three trees; yield what is in each, and the command that brings it into a folder."""
    tar, tarred = source / "made.tar", source / "tar"
    files = tree(tarred, count, name="tar", salt=0)
    subprocess.run(["tar", "-cf", str(tar), "-C", str(source), "tar"], check=True)
    yield files, ["tar", "-xf", str(tar), "-C", str(folder)]
    files = tree(source / "cp", count, name="cp", salt=count)
    yield files, ["cp", "-r", str(source / "cp"), str(folder)]
    files = tree(source / "mv", count, name="mv", salt=2 * count)
    kept = [source / "kept" / path.relative_to(source / "mv") for path in files]
    shutil.copytree(source / "mv", source / "kept")
    yield kept, ["mv", str(source / "mv"), str(folder / "mv")]


def burst(home: Home, sandbox: Sandbox, tmp_path: Path, count: int, *, wait_s: float) -> None:
    folder, source = tmp_path / "dome", tmp_path / "source"
    folder.mkdir()
    home.configure(NO_RESCAN | {"workers": "8"})
    home.watch(folder)
    home.start()
    files: list[Path] = []
    for more, command in bring(source, folder, count):
        files += more
        subprocess.run(command, check=True)
        home.wait_for(wait_s, OK=len(files))
    home.becomes_idle()
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == len(files)
    (watch,) = home.status()["watches"]
    assert (watch["state"], watch["reason"]) == ("watching", None)


@pytest.mark.nightly
def test_trees_unpacked_copied_and_moved_in(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """What lies in folders that are as new as the files in them arrives at once, and once.

    1. `tar -x` of 200 files in ten new nested folders, `cp -r` of another such tree, `mv` of a
       third one: each arrives while the next scan would be an hour away.
    2. The daemon comes to rest, and no file was sent twice.
    """
    burst(home, sandbox, tmp_path, 200, wait_s=60)


@pytest.mark.soak
@pytest.mark.timeout(4000)
def test_20_000_files_unpacked_copied_and_moved_in(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The same with 20,000 files in three times 350 folders.

    1. `tar -x`, `cp -r`, `mv` of trees of 6,667 files each. 2. All 20,001 arrive once each.
    """
    burst(home, sandbox, tmp_path, 6_667, wait_s=1000)


@pytest.mark.nightly
def test_deep_folders_and_folders_that_move(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Folders that are made in depth, move in and move out, while files are written into them.

    1. Twenty times `mkdir -p x/y/z && write x/y/z/f`, as fast as that goes: all arrive.
    2. A folder into which a program writes a file every few hundredths of a second is moved into
       the watched one, to another name, and out again: all that is there while it is in arrives.
    3. Out of it, it is no ghost: what is written there then does not arrive. It comes back in under
       a third name: that arrives too. Each file is there once, whatever its folder was called.
    """
    folder, outside = tmp_path / "dome", tmp_path / "outside"
    folder.mkdir()
    home.configure(NO_RESCAN)
    home.watch(folder, "-d", "nights")
    home.start()
    files = []
    for n in range(20):
        deep = folder / f"x{n}" / "y" / "z"
        subprocess.run(["mkdir", "-p", str(deep)], check=True)
        files.append(make_fits(deep / f"deep_{n}.fits", salt=n))
    home.wait_for(OK=20)

    def write(where: Path, first: int) -> list[Path]:
        written = []
        for n in range(first, first + 15):
            written.append(make_fits(where / "sub" / f"moving_{n}.fits", salt=n))
            threading.Event().wait(0.02)
        return written

    write(outside, 100)
    outside.rename(folder / "in")
    write(folder / "in", 200)
    (folder / "in").rename(folder / "on")
    write(folder / "on", 300)
    names = {path.name for path in (folder / "on" / "sub").iterdir()}
    assert len(names) == 45
    wait_until(lambda: names <= _stored(sandbox), timeout_s=60, every_s=0.2, what=home.told)
    (folder / "on").rename(outside)
    write(outside, 400)
    threading.Event().wait(2)
    assert not [name for name in _stored(sandbox) if name.startswith("moving_4")]
    outside.rename(folder / "again")
    write(folder / "again", 500)

    files += sorted((folder / "again" / "sub").iterdir())
    wait_until(lambda: len(_stored(sandbox)) == 95, timeout_s=60, every_s=0.2, what=home.told)
    home.becomes_idle()
    assert arrived(sandbox.files(), files)
    status = home.status()
    assert status["queue"]["by_status"]["Error"] == 0
    assert status["attention"] == []


def _stored(sandbox: Sandbox) -> set[str]:
    return {file["name"] for file in sandbox.files()}
