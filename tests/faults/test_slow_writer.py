"""A program takes its time over a file: nothing of it goes out before it is finished."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits

from tests.support import writers
from tests.support.daemon import QUICK, Home
from tests.support.files import BLOCK, arrived, fits_bytes, make_fits, sha256_of
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.sandbox import Sandbox
    from tests.support.writers import Writer

SIZE = 200 * BLOCK
PAUSE_S = 2.5
"""Longer than a file must be quiet by default."""


@pytest.fixture
def home(tmp_path: Path, sandbox: Sandbox) -> Iterator[Home]:
    """Give a home that waits for its files as long as it does by default."""
    with Home(tmp_path / "observatory") as made:
        made.log_in(sandbox)
        made.configure({key: value for key, value in QUICK.items() if key != "settle_s"})
        yield made


WRITERS: dict[str, Callable[[Path, bytes], Writer]] = {
    "grown.fits": writers.grown,
    "grown.raw": writers.grown,
    "headed.fits": writers.grown_then_headed,
    "preallocated.fits": writers.preallocated,
    "sized.fits": writers.sized,
    "closed_after_each_piece.fits": writers.sized_then_closed_after_each_piece,
    "mapped.fits": writers.mapped,
}


@pytest.mark.linux
@pytest.mark.nightly
def test_writers_that_pause(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """However a file is written, with pauses or not, it is sent once, when it is finished.

    1. Seven programs write a file each, in pieces, with pauses of 2.5 s: one grows a FITS file and
       one a file of no known format; one rewrites the header behind the close; one has reserved
       the size with fallocate, one has set it with ftruncate; one of those opens and closes the
       file for each piece; one writes through a map whose file is closed.
    2. During the pauses nothing is sent.
    3. They finish: each file is sent once, as it is at the end.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    files = [folder / name for name in WRITERS]
    programs = [
        write(path, fits_bytes(SIZE, salt=n) if path.suffix == ".fits" else os.urandom(SIZE))
        for n, (path, write) in enumerate(zip(files, WRITERS.values(), strict=True))
    ]
    rounds = 0
    for rounds, _ in enumerate(writers.take_turns(programs, pause_s=PAUSE_S), 1):
        unfinished = {path.name for path in files} - _finished_after(rounds)
        sent = {one["file"] for one in sandbox.uploads()}
        assert not sent & unfinished, home.told()
    assert rounds > writers.PIECES

    home.wait_for(OK=len(files))
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == len(files)


def _rewrite_header(path: Path, *, salt: int) -> None:
    """Write a keyword of the header anew, by a handle of its own."""
    with path.open("r+b") as file:
        file.seek(4 * 80)
        file.write(fits_bytes(SIZE, salt=salt)[4 * 80 : 5 * 80])


@pytest.mark.linux
def test_header_written_right_after_the_close(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A header that is written again at once is part of the file, though a close shortens the wait.

    1. `settle_s` is nowhere set. A FITS file is written and closed: it is whole, by its format.
    2. A twentieth of a second later its header is written anew, and the file closed again.
    3. It is sent once, with the new header.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    assert "settle_s" not in (home.folder / "oort" / "config.toml").read_text()
    path = make_fits(folder / "a.fits", SIZE, salt=1)
    threading.Event().wait(0.05)
    _rewrite_header(path, salt=2)

    home.wait_for(OK=1)
    assert path.read_bytes() != fits_bytes(SIZE, salt=1)
    assert arrived(sandbox.files(), [path])
    assert len(sandbox.uploads()) == 1


@pytest.mark.nightly
@pytest.mark.linux
def test_header_written_two_seconds_after_the_close(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A header that is written when the file was stored already is told, with what can be done.

    1. `settle_s` is nowhere set. A FITS file is written and closed, and stored within two seconds.
    2. Then its header is written anew. The server keeps the earlier version, whole; the file is
       `changed after upload`, is not called safe, and `oort status` says what can be done.
    3. Somebody types `oort retry`. The stored version is not replaced: the file is in Error, and the
       reason says why, and to rename it.
    4. It is renamed: the new version arrives, beside the earlier one.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    assert "settle_s" not in (home.folder / "oort" / "config.toml").read_text()
    path = make_fits(folder / "a.fits", SIZE, salt=1)
    closed = time.monotonic()
    home.wait_for(OK=1)
    threading.Event().wait(max(0.0, closed + 2.0 - time.monotonic()))
    stored = sandbox.files()
    assert arrived(stored, [path])

    _rewrite_header(path, salt=2)
    wait_until(
        lambda: home.json("status", path)["substatus"] == "changed after upload",
        timeout_s=60,
        every_s=0.2,
        what=home.told,
    )
    assert home.status()["queue"]["changed"] == 1
    assert "1 file changed after the upload (`oort uploads" in home.oort("status")
    assert "The file is safe" not in home.oort("status")
    row = home.json("status", path)["id"]
    told = home.oort("status", path)
    assert f"`oort retry {row}`" in told
    assert "Rename the file" in told

    home.oort("retry", str(row))
    refused = home.wait_for_row("a.fits", substatus="name conflict")
    assert "earlier version, which is not replaced; rename the file" in refused["error"]
    assert sandbox.files() == stored
    assert len(sandbox.uploads()) == 1

    renamed = path.rename(folder / "b.fits")
    home.wait_for(OK=2)
    assert [one["sha256"] for one in sandbox.files()] == [stored[0]["sha256"], sha256_of(renamed)]


def _finished_after(rounds: int) -> set[str]:
    """Return who has written the last piece by then, or may have."""
    done = set()
    if rounds >= writers.PIECES:
        done.add("closed_after_each_piece.fits")
    if rounds > writers.PIECES:
        done |= WRITERS.keys() - {"headed.fits"}
    return done


@pytest.mark.linux
@pytest.mark.soak
@pytest.mark.timeout(300)
def test_a_minute_of_one_megabyte_a_second(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A file that is written for a minute and more, with long pauses, is sent once, at the end.

    1. A program writes a FITS file at 1 MB/s for a minute, with pauses of 20 s, the file held open.
    2. It closes the file, opens it again a tenth of a second later and writes its header anew.
    3. The file is sent once, after the last close, with the new header.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    path = folder / "long.fits"
    content = fits_bytes(20_834 * BLOCK, salt=1)
    pauses = 0
    with path.open("wb") as file:
        for _ in writers.write_at_rate(
            file, content, bytes_per_s=1_000_000, pause_every=15_000_000, pause_s=20.0
        ):
            pauses += 1
            assert not sandbox.uploads(), home.told()
        assert not sandbox.uploads(), home.told()
    threading.Event().wait(writers.BEFORE_REOPENING_S)
    _rewrite_header(path, salt=2)
    assert pauses >= 3

    home.wait_for(OK=1)
    assert arrived(sandbox.files(), [path])
    assert len(sandbox.uploads()) == 1


@pytest.mark.linux
@pytest.mark.nightly
def test_a_writer_that_cannot_be_seen(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Where the kernel does not tell who writes, a quiet file is waited for twice as long.

    1. The daemon may not ask for the writers: it has no CAP_LEASE, and the files are another
       user's.
    2. A file of no known format is written with pauses of 2.5 s: nothing is sent.
    3. It is finished: it is sent once, as it is at the end.
    """
    blindfold = ("setpriv", "--bounding-set=-lease")
    folder = tmp_path / "dome"
    folder.mkdir()
    probe = make_fits(folder / "first.fits")
    files = [probe, folder / "slow.raw"]
    if not shutil.which("setpriv") or os.geteuid() != 0:
        pytest.skip("needs root and setpriv, to take a right away from the daemon")
    _give_away(probe)
    assert _writer_seen_by(blindfold, probe) == "None"
    assert _writer_seen_by((), probe) == "False"
    home.watch(folder)
    home.start(under=blindfold)
    home.wait_for(OK=1)

    for _ in writers.take_turns([writers.grown(files[1], os.urandom(SIZE))], pause_s=PAUSE_S):
        _give_away(files[1])
        assert len(sandbox.uploads()) == 1, home.told()

    home.wait_for(OK=2)
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == 2


def _give_away(path: Path) -> None:
    os.chown(path, 12345, 12345)


def _writer_seen_by(through: tuple[str, ...], path: Path) -> str:
    script = (
        "import os, sys; from oort.detect.writers import has_writer; "
        "print(has_writer(os.open(sys.argv[1], os.O_RDONLY)))"
    )
    done = subprocess.run(
        [*through, sys.executable, "-c", script, path], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _update(path: Path) -> None:
    """Write a header keyword as people do who use astropy."""
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["OBJECT"] = "M31"


def _append_hdu(path: Path) -> None:
    fits.append(path, np.arange(1000, dtype=">i2"))


def _append_pieces(path: Path) -> None:
    for _ in range(6):
        with path.open("ab") as file:
            file.write(os.urandom(1000))


def _replace(path: Path) -> None:
    aside = make_fits(path.with_name(".aside"), SIZE, salt=99)
    aside.replace(path)


def _rename(path: Path) -> None:
    path.rename(path.with_name("renamed.fits"))


STEPS: dict[str, Callable[[Path], None]] = {
    "updated.fits": _update,
    "extended.fits": _append_hdu,
    "appended.raw": _append_pieces,
    "replaced.fits": _replace,
    "aside.part": _rename,
}


@pytest.mark.nightly
def test_finished_in_a_second_step(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """What is done to a file right after it was closed is part of it: it is sent once, with that.

    1. Five files are written and closed.
    2. Within the time for which a file must be quiet one has a keyword updated by astropy, one gets
       a further HDU, one is opened and appended to six times, one is replaced by a rename, and one
       was written under a passing name and is renamed.
    3. Each is sent once, as it is then.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.configure({"settle_s": "4"})
    home.watch(folder)
    home.start()
    for n, (name, finish) in enumerate(STEPS.items()):
        finish(make_fits(folder / name, SIZE, salt=n))
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    assert len(files) == len(STEPS)

    home.wait_for(OK=len(files))
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == len(files)
    wait_until(lambda: not home.status()["queue"]["by_status"]["New"], every_s=0.2)
