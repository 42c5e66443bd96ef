"""A file that is stored already changes, or only seems to."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.files import BLOCK, arrived, fits_bytes, make_fits, sha256_of
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

SIZE = 20 * BLOCK


def _touch(path: Path) -> None:
    os.utime(path)


def _set_older(path: Path) -> None:
    os.utime(path, ns=(1, 1_500_000_000_000_000_001))


def _copy_over(path: Path) -> None:
    """Put a file of the same content and another inode in its place."""
    aside = path.with_name(f".{path.name}")
    aside.write_bytes(path.read_bytes())
    aside.replace(path)


def _rewrite(path: Path) -> None:
    path.write_bytes(fits_bytes(SIZE, salt=97))


def _replace_by_older(path: Path) -> None:
    aside = make_fits(path.with_name(f".{path.name}"), SIZE, salt=98)
    os.utime(aside, ns=(1, 1_500_000_000_000_000_001))
    aside.replace(path)


def _replace_of_same_time(path: Path) -> None:
    before = path.stat().st_mtime_ns
    aside = make_fits(path.with_name(f".{path.name}"), SIZE, salt=99)
    os.utime(aside, ns=(before, before))
    aside.replace(path)


def _grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


SAME: dict[str, Callable[[Path], None]] = {
    "touched.fits": _touch,
    "set_older.fits": _set_older,
    "copied_over.fits": _copy_over,
}
OTHER: dict[str, Callable[[Path], None]] = {
    "rewritten.fits": _rewrite,
    "replaced_by_older.fits": _replace_by_older,
    "replaced_of_same_time.fits": _replace_of_same_time,
    "grown.fits": _grow,
}


@pytest.mark.nightly
def test_changed_after_it_was_stored(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """What was stored stays; that a file is another one since is told, that it was touched is not.

    1. Seven files are stored.
    2. One is touched, one gets an older mtime, one is copied over itself; one is rewritten in its
       size, one replaced by an older file of its size, one by another of its size and mtime, one
       grows.
    3. Four have changed after the upload, and are not called safe; nothing was sent again.
    """
    folder = tmp_path / "dome"
    changes = SAME | OTHER
    files = [make_fits(folder / name, SIZE, salt=n) for n, name in enumerate(changes)]
    stored = sorted((path.name, sha256_of(path)) for path in files)
    home.watch(folder)
    home.start()
    home.wait_for(OK=len(files))

    for path, change in zip(files, changes.values(), strict=True):
        change(path)

    wait_until(lambda: _changed(home) == sorted(OTHER), timeout_s=60, every_s=0.3, what=home.told)
    assert sorted((one["name"], one["sha256"]) for one in sandbox.files()) == stored
    assert len(sandbox.uploads()) == len(files)
    queue = home.status()["queue"]
    assert (queue["changed"], queue["by_status"]["OK"]) == (len(OTHER), len(files))


def _changed(home: Home) -> list[str]:
    return sorted(
        Path(row["path"]).name
        for row in home.json("uploads")
        if row["substatus"] == "changed after upload"
    )


def test_hard_links_and_holes(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A further name of a stored file is a file of its own; a hole is sent as the zeros that it is.

    1. A file is stored; a hard link to it is made in the same folder.
    2. A FITS file is written whose pixels, all but the last, are a hole.
    3. The link is sent under its name, the first file is not sent again; the hole arrives as zeros.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "first.fits")]
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)

    (folder / "second.fits").hardlink_to(files[0])
    hole = folder / "hole.fits"
    content = fits_bytes(BLOCK + 100 * BLOCK)
    with hole.open("wb") as file:
        file.write(content[:BLOCK])
        file.seek(len(content) - 1)
        file.write(b"\1")
    assert hole.stat().st_blocks * 512 < len(content) / 2
    files += [folder / "second.fits", hole]

    home.wait_for(OK=3)
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == 3


def test_written_by_tools_that_keep_times(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A copy that bears its source's time is complete when it is, whatever its time says.

    1. Files of last year are copied into the folder by `cp -p`, and by `tar` in a folder of theirs.
    2. They are sent, once, as they are.
    """
    source = tmp_path / "archive"
    for n in range(5):
        path = make_fits(source / f"{n}.fits", salt=n)
        os.utime(path, ns=(1, 1_760_000_000_000_000_000 + n))
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    for path in sorted(source.iterdir())[:3]:
        subprocess.run(["cp", "-p", path, folder / f"copy_{path.name}"], check=True)
    archive = tmp_path / "archive.tar"
    subprocess.run(["tar", "-cf", archive, "-C", tmp_path, "archive"], check=True)
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 8

    home.wait_for(OK=8)
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == 8
