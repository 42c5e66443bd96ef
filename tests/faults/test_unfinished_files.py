"""Files that are shorter than they say: they wait, a person is told, and nothing else waits for them."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.files import BLOCK, arrived, fits_bytes, make_fits
from tests.support.formats import xisf_bytes
from tests.support.wait import wait_until
from tests.support.writers import appending

if TYPE_CHECKING:
    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


def _zipped(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.fits", content)
    return target.getvalue()


WHOLE = {
    "cut.fits": fits_bytes(20 * BLOCK, salt=1),
    "cut.xisf": xisf_bytes([20_000, 30_000]),
    "cut.fits.gz": gzip.compress(fits_bytes(20 * BLOCK, salt=2)),
    "cut.fits.bz2": bz2.compress(fits_bytes(20 * BLOCK, salt=3)),
    "cut.zip": _zipped(fits_bytes(20 * BLOCK, salt=4)),
}


def _substates(home: Home) -> dict[str, str]:
    return {Path(row["path"]).name: row["substatus"] for row in home.json("uploads")}


@pytest.mark.nightly
def test_short_files_wait_until_they_are_whole(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A file that is shorter than its format announces is sent when the rest has come.

    1. Of a FITS, an XISF, a gzip, a bzip2 and a zip file the last byte, or the last block, is
       missing. A FITS file that lacks the padding of its last block lacks nothing.
    2. The unpadded one is sent; the others settle, and go on settling.
    3. The rest is appended to each: they are sent, once, whole.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    unpadded = folder / "unpadded.fits"
    padded = fits_bytes(20 * BLOCK, salt=5).replace(
        f"NAXIS1  = {19 * BLOCK:20d}".encode(), f"NAXIS1  = {19 * BLOCK - 100:20d}".encode()
    )
    unpadded.write_bytes(padded[:-100])
    kept = {
        name: len(whole) - (BLOCK if name.endswith(".xisf") else 1) for name, whole in WHOLE.items()
    }
    for name, whole in WHOLE.items():
        (folder / name).write_bytes(whole[: kept[name]])
    home.watch(folder)
    home.start()

    home.wait_for(OK=1, New=len(WHOLE))
    make_fits(folder / "later.fits", salt=6)
    home.wait_for(OK=2)
    assert _substates(home) == {
        **dict.fromkeys(WHOLE, "settling..."),
        "unpadded.fits": "done",
        "later.fits": "done",
    }

    for name, whole in WHOLE.items():
        with (folder / name).open("ab") as file:
            file.write(whole[kept[name] :])
    files = [*folder.iterdir()]

    home.wait_for(OK=len(files))
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == len(files)


@pytest.mark.nightly
def test_files_that_stay_short_need_a_person(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """What stays short is an Error that says what is missing and what to do; nothing else waits.

    1. Five files stay short for longer than `truncated_after_s`: each is Error `truncated file`,
       with the reason, and the status names the commands.
    2. One is completed, one gets another byte: both settle again, and the completed one is sent.
    3. One is forced: it is sent as it is. One whose watch checks no structure is sent as it is.
    """
    folder, lying = tmp_path / "dome", tmp_path / "lying"
    folder.mkdir()
    lying.mkdir()
    for name, whole in WHOLE.items():
        (folder / name).write_bytes(whole[:-1])
    (lying / "camera.fits").write_bytes(WHOLE["cut.fits"][:-1000])
    home.configure({"truncated_after_s": "4"})
    home.watch(folder)
    home.watch(lying)
    config = home.folder / "oort" / "config.toml"
    before, _, after = config.read_text().rpartition('path = "')
    config.write_text(f'{before}check_structure = false\npath = "{after}')
    home.start()

    home.wait_for(OK=1, Error=len(WHOLE))
    rows = {Path(row["path"]).name: row for row in home.status()["attention"]}
    assert {row["substatus"] for row in rows.values()} == {"truncated file"}
    assert rows["cut.fits"]["error"].endswith("1 bytes are missing")
    assert rows["cut.xisf"]["error"] == "1 bytes of its attachments are missing"
    told = home.oort("status", folder / "cut.fits")
    assert f"`oort retry --force {rows['cut.fits']['id']}` sends it as it is." in told
    assert "oort retry --force" in home.oort("status")
    assert len(sandbox.uploads()) == 1

    (folder / "cut.fits").write_bytes(WHOLE["cut.fits"])
    with (folder / "cut.fits.gz").open("ab") as file:
        file.write(b"?")
    home.oort("retry", "--force", folder / "cut.xisf")

    home.wait_for(OK=3, Error=3)
    sent = [folder / "cut.fits", folder / "cut.xisf", lying / "camera.fits"]
    assert arrived(sandbox.files(), sent)
    history = home.json("status", folder / "cut.fits.gz")["history"]
    assert [step["substatus"] for step in history].count("settling...") == 2


@pytest.mark.nightly
def test_files_that_never_finish_stop_no_other(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A file that grows for ever, and two thousand that never settle, stop nothing.

    1. A program appends to one file again and again and holds another one open; two thousand FITS
       files are short.
    2. Twenty good files are written: they are sent while all that goes on.
    3. Nothing of the others is, and the status says why. The program ends: its two files are sent,
       whole.
    """
    folder = tmp_path / "dome"
    (folder / "short").mkdir(parents=True)
    short = fits_bytes(2 * BLOCK)[:-1]
    for n in range(2000):
        (folder / "short" / f"{n}.fits").write_bytes(short)
    grows, held = folder / "night.log", folder / "held.raw"
    held.write_bytes(os.urandom(1000))
    home.configure({"settle_s": "3"})
    home.watch(folder)
    with appending(grows), held.open("r+b"):
        home.start()
        wait_until(
            lambda: home.status()["queue"]["total"] == 2002,
            timeout_s=60,
            every_s=0.3,
            what=home.told,
        )
        good = [make_fits(folder / f"{n}.fits", salt=n) for n in range(20)]

        home.wait_for(OK=20)
        assert arrived(sandbox.files(), good)
        assert len(sandbox.uploads()) == 20
        assert home.json("status", held)["error"] == "a program has it open for writing"

    home.wait_for(OK=22)
    assert arrived(sandbox.files(), [*good, grows, held])
    assert len(sandbox.uploads()) == 22
