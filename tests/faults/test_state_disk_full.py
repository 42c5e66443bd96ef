"""The disk of the queue is full, for a while or when the daemon starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.files import BLOCK, arrived, make_fits
from tests.support.queue_file import is_sound, rows_of
from tests.support.small_disk import SmallDisk, small_disk
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


@pytest.fixture
def disk(home: Home) -> Iterator[SmallDisk]:
    """Put a file system of 64 MB where the home has its queue."""
    with small_disk(home.folder / "oort", mb=64) as mounted:
        yield mounted
        home.close()


@pytest.mark.linux
@pytest.mark.timeout(240)
def test_state_disk_full_for_a_while(
    home: Home, sandbox: Sandbox, tmp_path: Path, disk: SmallDisk
) -> None:
    """On a full disk the daemon waits; when there is space it goes on by itself.

    1. The queue is on a small disk. A file is sent; another is on its way when the disk is filled
       to the last byte.
    2. Files are written: nothing more is sent, the daemon lives, and its status says why.
    3. Commands that would write are refused in a line or two: neither config.toml nor anything
       else is half written, and nothing that was asked is done later.
    4. There is space again: all files arrive once, without a restart.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "first.fits")]
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)
    sandbox.rule(method="POST", file="way", read_bytes_per_s=100_000, times=1)
    files += [make_fits(folder / "way.fits", 400 * BLOCK, salt=1000)]
    wait_until(
        lambda: "uploading..." in {row.substatus for row in rows_of(disk.folder / "oort.db")},
        timeout_s=30,
        what=home.told,
    )
    disk.fill()
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
    assert len(sandbox.uploads()) <= 2

    config = (disk.folder / "config.toml").read_bytes()
    for words in (("pause",), ("config", "set", "workers", "3"), ("unwatch", "dome", "-y")):
        refused = home.run("oort", *words, check=False)
        assert refused.returncode == 1
        assert "No space left on device" in refused.stderr
        assert "--debug" not in refused.stderr
        assert len(refused.stderr.splitlines()) <= 2
    assert (disk.folder / "config.toml").read_bytes() == config
    assert not list((disk.folder / "control").glob("*"))

    disk.free()

    home.wait_for(OK=len(files))
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == len(files)
    assert not home.status()["daemon"]["warnings"]


@pytest.mark.linux
@pytest.mark.timeout(240)
@pytest.mark.nightly
def test_state_disk_full_at_the_start(
    home: Home, sandbox: Sandbox, tmp_path: Path, disk: SmallDisk
) -> None:
    """A daemon that finds a full disk says so and ends, or waits; it never leaves half a queue.

    1. The disk is full to the last byte, or has so few free that the tables of the first start do
       not all fit: the daemon ends with exit 1 and the reason, or waits and ends when asked to.
    2. There is space: it starts as if it were the first time.
    3. Stopped, and the disk filled again: `oort status` answers; a start is as in 1.
    4. There is space: the file that was written meanwhile arrives, and nothing is sent twice.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    home.watch(folder)
    for leave in (0, 40_000, 120_000):
        disk.fill(leave=leave)
        _starts_or_says_why(home)
        disk.free()
    home.start()
    home.wait_for(OK=1)
    assert home.stop() == 0

    files += [make_fits(folder / "b.fits", salt=1)]
    for leave in (0, 40_000):
        disk.fill(leave=leave)
        assert home.status()["queue"]["by_status"]["OK"] == 1
        _starts_or_says_why(home)
        disk.free()

    home.start()
    home.wait_for(OK=2)
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) <= 2
    assert home.stop() == 0
    assert is_sound(disk.folder / "oort.db")


def _starts_or_says_why(home: Home) -> None:
    """Start a daemon; it ends with exit 1 and words, or runs, and ends within seconds when asked to."""
    home.start(wait=False)
    daemon = home.daemon
    assert daemon is not None
    wait_until(
        lambda: daemon.poll() is not None or home.has_told("daemon.started"),
        timeout_s=40,
        what=home.told,
    )
    if daemon.poll() is None:
        assert home.stop() == 0
        return
    assert home.ended() == 1
    last = home.told().splitlines()[-3:]
    assert any("Error: " in line for line in last), last
    assert "--debug" not in last[-1]


@pytest.mark.linux
@pytest.mark.timeout(240)
def test_no_room_for_the_nightly_copy(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A disk that has room for the queue and none for its copy is not filled with half of one.

    1. The copies have a disk of their own, which is full when the daemon starts.
    2. It runs, says in its log that there is no copy, and sends the file; no half copy is left.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    home.watch(folder)
    with small_disk(home.folder / "oort" / "backups", mb=1) as copies:
        copies.fill()
        home.start()
        home.wait_for(OK=1)
        wait_until(lambda: home.has_told("queue.not_copied"), timeout_s=20, what=home.told)
        assert [path.name for path in copies.folder.iterdir()] == ["ballast"]
        assert home.stop() == 0
    assert arrived(sandbox.files(), files)
