"""A file changes while it is on its way."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.files import BLOCK, arrived, fits_bytes, make_fits, sha256_of
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

MANY_BLOCKS = 400 * BLOCK
ONE_BLOCK = 20 * BLOCK
"""Less than the 64 KiB in which a form goes out: when it waits, its last byte has been read."""
FIRST_BLOCK = 64 * 1024
NEXT_TO_NOTHING = "1b"
"""A byte a second: uploads begin, and their first block waits until the limit is another one."""


def _size(path: Path) -> int:
    return path.stat().st_size


def _write_at(path: Path, place: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"another")


def _write_at_start(path: Path) -> None:
    _write_at(path, 4 * 80 + 20)  # into the value of a card that says nothing of the size


def _write_at_middle(path: Path) -> None:
    _write_at(path, _size(path) // 2)


def _write_at_end(path: Path) -> None:
    _write_at(path, _size(path) - 7)


def _set_back(path: Path) -> None:
    """Write another content, and give the file the time that it had before."""
    before = path.stat().st_mtime_ns
    with path.open("r+b") as file:
        file.write(fits_bytes(_size(path), salt=98))
    os.utime(path, ns=(before, before))


def _truncate(path: Path) -> None:
    content = fits_bytes(10 * BLOCK, salt=2)
    with path.open("r+b") as file:
        file.write(content)
        file.truncate(len(content))


def _grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(BLOCK))


def _replace(path: Path) -> None:
    _replace_by(path, fits_bytes(_size(path), salt=3))


def _replace_of_same_time(path: Path) -> None:
    before = path.stat().st_mtime_ns
    _replace_by(path, fits_bytes(_size(path), salt=4), mtime_ns=before)


def _replace_by_older(path: Path) -> None:
    _replace_by(path, fits_bytes(_size(path), salt=5), mtime_ns=1_600_000_000_123_456_789)


def _replace_by_larger(path: Path) -> None:
    _replace_by(path, fits_bytes(_size(path) + BLOCK, salt=6))


def _replace_by(path: Path, content: bytes, mtime_ns: int | None = None) -> None:
    aside = path.with_name(f".{path.name}")
    aside.write_bytes(content)
    if mtime_ns is not None:
        os.utime(aside, ns=(mtime_ns, mtime_ns))
    aside.replace(path)


def _rewrite(path: Path) -> None:
    path.write_bytes(fits_bytes(_size(path), salt=7))


def _delete_and_write_again(path: Path) -> None:
    size = _size(path)
    path.unlink()
    path.write_bytes(fits_bytes(size, salt=8))


CHANGES: tuple[Callable[[Path], None], ...] = (
    _write_at_start,
    _write_at_middle,
    _write_at_end,
    _set_back,
    _truncate,
    _grow,
    _replace,
    _replace_of_same_time,
    _replace_by_older,
    _replace_by_larger,
    _rewrite,
    _delete_and_write_again,
)


def _make(folder: Path, size: int) -> list[Path]:
    return [
        make_fits(folder / f"{size}{change.__name__}.fits", size, salt=100 + n)
        for n, change in enumerate(CHANGES)
    ]


def _read_so_far(home: Home, path: Path) -> int:
    """Return how much of a file the daemon has read, 0 where it does not have it open (proc(5), fdinfo)."""
    assert home.daemon is not None
    process = Path(f"/proc/{home.daemon.pid}")
    for descriptor in (process / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if descriptor.readlink() == path:
                told = (process / "fdinfo" / descriptor.name).read_text()
                return int(told.partition("pos:")[2].split()[0])
    return 0


def _under_way(sandbox: Sandbox, least_bytes: int) -> int:
    return len([one for one in sandbox.uploads() if one["bytes_received"] >= least_bytes])


def _check(home: Home, sandbox: Sandbox, files: list[Path]) -> None:
    """Each file is there once, as it is now, and no connection but the last carried it whole."""
    home.wait_for(OK=len(files))
    assert arrived(sandbox.files(), files)
    whole = [one["file"] for one in sandbox.uploads() if one["body_complete"]]
    assert sorted(whole) == sorted(path.name for path in files)
    # What was begun of the version before is not held against this one.
    assert [row["attempts"] for row in home.json("uploads")] == [1] * len(files)


@pytest.mark.nightly
def test_changed_while_it_is_sent(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """What changes while it is being sent is never stored torn: the new version is sent.

    1. A dozen files are on their way, slowly, each at some place in its middle.
    2. Each is changed: written into at its start, its middle, its end; written anew and its mtime
       set back; truncated, grown; replaced by a rename with another one of its size, of its size
       and mtime, older, larger; written anew in place; deleted and written anew.
    3. The limit is taken away: the server has the new versions, and never had others.
    """
    folder = tmp_path / "dome"
    files = _make(folder, MANY_BLOCKS)
    home.configure({"bwlimit": "600k", "workers": str(len(files))})
    home.watch(folder)
    home.start()
    wait_until(lambda: _under_way(sandbox, 100_000) == len(files), timeout_s=60, what=home.told)

    for change, path in zip(CHANGES, files, strict=True):
        change(path)
    home.configure({"bwlimit": "off"})

    _check(home, sandbox, files)


@pytest.mark.nightly
def test_changed_around_its_first_and_its_last_byte(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A change is noticed before the first block has left, and after the last byte was read.

    1. The bandwidth is next to nothing. Two dozen uploads have begun: of a dozen long files the first block
       waits; of a dozen short ones all was read, and nothing but the leave to go is missing.
    2. Each is changed, in the dozen ways.
    3. The limit is taken away: the server has the new versions, and never had others.
    """
    folder = tmp_path / "dome"
    files = _make(folder, MANY_BLOCKS) + _make(folder, ONE_BLOCK)
    home.configure({"bwlimit": NEXT_TO_NOTHING, "workers": str(len(files))})
    home.watch(folder)
    home.start()
    wait_until(
        lambda: all(_read_so_far(home, path) >= min(_size(path), FIRST_BLOCK) for path in files),
        timeout_s=60,
        what=home.told,
    )

    for change, path in zip(CHANGES * 2, files, strict=True):
        change(path)
    home.configure({"bwlimit": "off"})

    _check(home, sandbox, files)


def test_deleted_while_it_is_sent(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A file that is deleted while it is sent, or waits for that, is gone; nothing of it is stored.

    1. The bandwidth is next to nothing. One file's upload has begun, another one waits for the worker.
    2. Both are deleted; the limit is taken away.
    3. Both are Skipped `file gone`, and the server has neither.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(2)]
    home.configure({"bwlimit": NEXT_TO_NOTHING, "workers": "1"})
    home.watch(folder)
    home.start()
    wait_until(
        lambda: any(_read_so_far(home, path) == _size(path) for path in files),
        timeout_s=60,
        what=home.told,
    )
    wait_until(lambda: home.status()["queue"]["total"] == 2, timeout_s=30, every_s=0.1)

    for path in files:
        path.unlink()
    home.configure({"bwlimit": "off"})

    home.wait_for(Skipped=2)
    assert [row["substatus"] for row in home.json("uploads")] == ["file gone"] * 2
    assert sandbox.files() == []


def test_deleted_in_the_middle_of_its_body(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A large file that is deleted when a part of it has left is gone; nothing of it is stored.

    1. A file is on its way, slowly, some way into its body.
    2. It is deleted; the limit is taken away.
    3. It is Skipped `file gone`: the server got no whole body, and has nothing.
    """
    folder = tmp_path / "dome"
    path = make_fits(folder / "a.fits", MANY_BLOCKS)
    home.configure({"bwlimit": "100k"})
    home.watch(folder)
    home.start()
    wait_until(lambda: _under_way(sandbox, 100_000) == 1, timeout_s=60, what=home.told)
    assert sandbox.uploads()[0]["bytes_received"] < MANY_BLOCKS / 2

    path.unlink()
    home.configure({"bwlimit": "off"})

    home.wait_for_row("a.fits", status="Skipped", substatus="file gone")
    assert sandbox.files() == []
    assert not any(one["body_complete"] for one in sandbox.uploads())


def test_changed_when_all_of_it_has_left(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A change while the answer is awaited is none of the upload: what was sent is whole.

    1. The server takes its time to answer. Four files have been sent, closing boundary and all.
    2. One is written into, one grows, one is replaced by one of its size and mtime, one is deleted.
    3. The server has all four as they were; three are said to have changed after the upload.
    """
    folder = tmp_path / "dome"
    changes = (_write_at_middle, _grow, _replace_of_same_time, os.unlink)
    files = [make_fits(folder / f"{n}.fits", ONE_BLOCK, salt=n) for n in range(len(changes))]
    before = sorted((path.name, sha256_of(path)) for path in files)
    sandbox.rule(method="POST", path="/datafiles/$", delay_s=4)
    home.configure({"workers": "4"})
    home.watch(folder)
    home.start()
    wait_until(
        lambda: len([one for one in sandbox.uploads() if one["body_complete"]]) == len(files),
        timeout_s=60,
        what=home.told,
    )
    for change, path in zip(changes, files, strict=True):
        change(path)

    home.wait_for(OK=4)
    wait_until(
        lambda: (
            sorted(row["substatus"] for row in home.json("uploads"))
            == [*["changed after upload"] * 3, *["done"] * 4]
        ),
        timeout_s=60,
        every_s=0.2,
        what=home.told,
    )
    assert sorted((one["name"], one["sha256"]) for one in sandbox.files()) == before
    assert len(sandbox.uploads()) == len(files)
