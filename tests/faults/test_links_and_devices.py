"""Links that lead in circles or outside, links that are put in place later, and what is no file."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from tests.support.files import arrived, make_fits
from tests.support.glance import Glance

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


def _lay_traps(folder: Path, outside: Path) -> None:
    """Put into a watched folder all that leads in circles or nowhere, or is no file."""
    (folder / "self").symlink_to(".")
    (folder / "deep").mkdir()
    (folder / "deep/parent").symlink_to("..")
    (folder / "deep/whole").symlink_to(folder)
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    (folder / "nowhere.fits").symlink_to("not-there.fits")
    (folder / "ring.fits").symlink_to("ring.fits")
    (folder / "out").symlink_to(outside)
    (folder / "out.fits").symlink_to(outside / "out.fits")
    os.mkfifo(folder / "pipe.fits")
    listening = socket.socket(socket.AF_UNIX)
    here = os.open(folder, os.O_RDONLY)
    listening.bind(f"/proc/self/fd/{here}/socket.fits")  # a path of its own would be too long
    os.close(here)
    listening.close()
    if os.geteuid() == 0:
        os.mknod(folder / "device.fits", stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero


@pytest.mark.nightly
def test_links_in_circles_links_outside_and_devices(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Circles end, what leads outside is sent only where that is asked for, and devices never.

    1. Two folders hold a file, a link to it, links in circles, links outside, a FIFO, a socket and
       a device, all with names of images. One watch follows links, the other does not.
    2. Each file arrives once, a link to a file inside as a file of that name; what lies outside
       only from the watch that follows links. No scan hangs: a later file arrives.
    3. `oort status PATH` tells why the others have no row.
    """
    strict, follows, outside = tmp_path / "strict", tmp_path / "follows", tmp_path / "outside"
    make_fits(outside / "out.fits", salt=1)
    make_fits(outside / "more.fits", salt=2)
    (outside / "back").symlink_to(follows)
    for salt, folder in enumerate((strict, follows), start=3):
        make_fits(folder / "real.fits", salt=salt)
        (folder / "alias.fits").symlink_to("real.fits")
        _lay_traps(folder, outside)
    home.watch(strict)
    home.watch(follows, "--follow-symlinks")
    home.start()
    look = Glance(home)
    look.until_rows(OK=7)
    late = [make_fits(folder / "deep/late.fits", salt=9) for folder in (strict, follows)]
    look.until_rows(OK=9)

    files = [folder / name for folder in (strict, follows) for name in ("real.fits", "alias.fits")]
    outer = [follows / "out.fits", follows / "out/out.fits", follows / "out/more.fits"]
    assert sorted(row["path"] for row in look.rows()) == sorted(
        str(path) for path in (*files, *outer, *late)
    )
    assert len(sandbox.uploads()) == 9, [one["name"] for one in sandbox.files()]
    assert home.json("status", strict / "pipe.fits")["error"] == "no regular file"
    assert "outside" in home.json("status", strict / "out.fits")["error"]
    assert look.watch("strict")["left_out"]["outside"] == 2


@pytest.mark.nightly
def test_link_put_in_place_between_scan_and_upload(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """What a link leads to that was put in place after the scan is never sent.

    1. Files wait while the daemon is paused: one in the watched folder, one in a folder below.
    2. The file is replaced by a link to one outside of the same size and time, the folder by a link
       to a folder outside with such a file, a third file by a FIFO.
    3. The daemon is resumed: nothing of what lies outside is sent; each row ends with the reason.
    4. The links are taken away and the files put back: they arrive by themselves.
    """
    folder, outside, kept = tmp_path / "dome", tmp_path / "outside", tmp_path / "kept"
    names = ("swapped.fits", "sub/inner.fits", "pipe.fits")
    folder.mkdir()
    home.watch(folder)
    home.start()
    look = Glance(home)
    home.oort("pause")
    for salt, name in enumerate(names):
        file = make_fits(folder / name, salt=salt)
        secret = make_fits(outside / name, salt=50 + salt)
        shutil.copystat(file, secret)
    look.until(lambda: [row["substatus"] for row in look.rows()] == ["held"] * 3)

    shutil.copytree(folder, kept)
    for name in ("swapped.fits", "pipe.fits"):
        (folder / name).unlink()
    shutil.rmtree(folder / "sub")
    (folder / "swapped.fits").symlink_to(outside / "swapped.fits")
    (folder / "sub").symlink_to(outside / "sub")
    os.mkfifo(folder / "pipe.fits")
    home.oort("resume")
    look.until(lambda: not {row["status"] for row in look.rows()} & {"New", "Preparing"})
    assert not sandbox.uploads()
    for name in names:
        (row,) = look.rows_of(name)
        assert row["status"] in ("Error", "Skipped"), row
        assert row["error"], row

    for name in ("swapped.fits", "pipe.fits", "sub"):
        (folder / name).unlink()
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    look.until_rows(OK=3)
    assert arrived(sandbox.files(), [folder / name for name in names])
