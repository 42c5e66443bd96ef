"""Promise 1: every file in a watched folder ends in OK, or in Skipped or Error with the reason."""

from __future__ import annotations

import shutil
import signal
import subprocess
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from astropy.io import fits

from tests.support.files import BLOCK, arrived, astropy_fits, fits_bytes, make_fits, overflow_in
from tests.support.small_disk import small_disk
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


def test_real_fits_files_arrive_as_they_are(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """The FITS files that astropy ships arrive with equal SHA-256; what astropy calls cut does not."""
    folder = tmp_path / "dome"
    folder.mkdir()
    files = [path for path in astropy_fits() if path.stat().st_size]
    assert len(files) > 20
    for path in files:
        shutil.copy(path, folder / path.name)
    largest = max(files, key=lambda path: (path.suffix == ".fits", path.stat().st_size))
    (folder / "cut.fits").write_bytes(largest.read_bytes()[: -2 * BLOCK])
    there = sorted(folder.iterdir())
    short = [path for path in there if _astropy_calls_it_cut(path)]
    assert folder / "cut.fits" in short
    home.configure({"truncated_after_s": "2"})
    home.watch(folder)
    home.start()

    home.wait_for(OK=len(there) - len(short), Error=len(short))
    assert arrived(sandbox.files(), [path for path in there if path not in short])
    rows = home.json("uploads", "--limit", "0")
    errors = {(row["path"], row["substatus"]) for row in rows if row["status"] != "OK"}
    assert errors == {(str(path), "truncated file") for path in short}


def _astropy_calls_it_cut(path: Path) -> bool:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with fits.open(path) as hdus:
            len(hdus)
    return any("truncated" in str(warning.message) for warning in caught)


def test_a_folder_copied_into_a_running_watch_arrives_complete_and_once(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A thousand files that `cp -r` writes into a running watch arrive, each once."""
    source = tmp_path / "source"
    files = [
        make_fits(source / f"set{n // 100}" / f"frame_{n:04d}.fits", salt=n) for n in range(1000)
    ]
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()

    subprocess.run(["cp", "-r", str(source), str(folder / "night")], check=True)

    home.wait_for(OK=1000, timeout_s=110)
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == 1000


def test_files_from_before_the_daemon_ran_arrive(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """What lay there before the daemon started, and what came while it was stopped, arrives."""
    folder = tmp_path / "dome"
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(5)]
    home.watch(folder)
    home.start()
    home.wait_for(OK=5)
    assert home.stop() == 0

    files += [make_fits(folder / "later" / f"later_{n}.fits", salt=10 + n) for n in range(5)]
    home.start()

    home.wait_for(OK=10)
    assert arrived(sandbox.files(), files)


def test_every_file_ends_at_the_server_or_with_its_reason(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Each regular file that is neither hidden nor empty is OK, or Skipped or Error with a reason."""
    folder = tmp_path / "dome"
    for n in range(8):
        make_fits(folder / f"good_{n}.fits", salt=n)
    make_fits(folder / "deep/er/good.fits", salt=20)
    make_fits(folder / "refused.fits", salt=21)
    (folder / "cut.fits").write_bytes(fits_bytes(salt=22)[: 2 * BLOCK])
    (folder / "notes.txt").write_text("clouds at 3 h")
    for n in (1, 2):
        make_fits(folder / "one name" / str(n) / "same.fits", salt=30 + n)
    left_out = [make_fits(folder / ".cache" / "a.fits"), make_fits(folder / ".b.fits")]
    left_out.append(folder / "empty.fits")
    left_out[-1].touch()
    sandbox.rule(
        method="POST", path="/datafiles/", file="^refused", status=422, body={"file": "No"}
    )
    home.configure({"truncated_after_s": "2"})
    home.watch(folder, "-d", "one dataset for all")
    home.start()

    home.wait_for(OK=11, Error=3)

    rows = {row["path"]: row for row in home.json("uploads", "--limit", "0")}
    there = {str(path) for path in folder.rglob("*") if path.is_file()} - set(map(str, left_out))
    assert rows.keys() == there
    for path, row in rows.items():
        assert row["status"] == "OK" or row["error"], path
    by_reason = {Path(path).name: row["substatus"] for path, row in rows.items() if row["error"]}
    assert by_reason == {
        "refused.fits": "error",
        "cut.fits": "truncated file",
        "same.fits": "name conflict",
    }
    assert {row["path"] for row in home.status()["attention"]} == {
        path for path, row in rows.items() if row["status"] == "Error"
    }


def test_the_queue_drains_by_itself_when_the_cause_is_gone(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """After kill -9, standing still and a link that was down, everything arrives without anybody.

    1. Files are written while the daemon is dead, of which no event will tell, and it is started
       again.
    2. It stands still (SIGSTOP) while a folder is moved in and files are renamed: then it goes on,
       and takes the events that the kernel kept. Those that the kernel lost have tests of their
       own.
    3. The server is away while more are written; the daemon is killed and started meanwhile.
    4. The server is back: all arrive, once each, and nobody has typed anything.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)

    home.kill()
    files += [make_fits(folder / "dead" / f"{n}.fits", salt=10 + n) for n in range(5)]
    home.start()
    home.signal(signal.SIGSTOP)
    for n in range(5):
        aside = make_fits(tmp_path / "aside" / f"moved_{n}.fits.tmp", salt=20 + n)
        aside.rename(aside.with_suffix(""))
    (tmp_path / "aside").rename(folder / "moved in")
    files += sorted((folder / "moved in").iterdir())
    home.signal(signal.SIGCONT)
    home.wait_for(OK=len(files))

    sandbox.stop()
    files += [make_fits(folder / f"away_{n}.fits", salt=30 + n) for n in range(5)]
    wait_until(
        lambda: home.status()["link"]["state"] == "offline",
        timeout_s=40,
        every_s=0.5,
        what=home.told,
    )
    home.kill()
    files += [make_fits(folder / f"away_{n}.fits", salt=30 + n) for n in range(5, 10)]
    home.start()
    home.wait_for(New=10)
    sandbox.start()

    home.wait_for(OK=len(files))
    assert arrived(sandbox.files(), files)


@pytest.mark.nightly
@pytest.mark.linux
def test_the_queue_drains_after_a_full_disk_and_lost_events(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A disk that was full, and events that the kernel has lost, cost no file either.

    1. The disk of the queue is filled to the last byte. The daemon stands still while more files
       are made than the kernel keeps events for, and then some to send: none of these has one.
    2. It goes on: it tells that the disk is full, and sends nothing. There is space: all arrive.
    3. The disk is full again, the daemon is killed, more are written; there is space when it starts
       again: all arrive, once each, and so does what is written then. Nobody has typed anything.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    home.configure({"rescan_s": "3600"})
    home.watch(folder)
    with small_disk(home.folder / "oort", mb=64) as disk, home:
        home.start()
        home.wait_for(OK=1)
        disk.fill()
        home.signal(signal.SIGSTOP)
        overflow_in(folder)
        files += [make_fits(folder / f"lost_{n}.fits", salt=10 + n) for n in range(5)]
        home.signal(signal.SIGCONT)
        wait_until(
            lambda: "free for the queue" in str(home.status()["daemon"]["warnings"]),
            timeout_s=40,
            every_s=0.5,
            what=home.told,
        )
        assert len(sandbox.uploads()) == 1
        disk.free()
        home.wait_for(OK=len(files))

        disk.fill()
        home.kill()
        files += [make_fits(folder / "dead" / f"{n}.fits", salt=20 + n) for n in range(5)]
        disk.free()
        home.start()
        home.wait_for(OK=len(files))
        files.append(make_fits(folder / "later.fits", salt=30))
        home.wait_for(OK=len(files))
        assert arrived(sandbox.files(), files)
        assert len(sandbox.uploads()) == len(files)
        assert not home.status()["daemon"]["warnings"]
