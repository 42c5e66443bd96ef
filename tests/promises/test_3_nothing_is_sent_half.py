"""Promise 3: a file goes out quiet and whole; what changes on its way is not recorded as sent."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from tests.support.files import BLOCK, arrived, fits_bytes, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

SIZE = 600 * BLOCK


def test_a_file_goes_out_when_it_is_quiet_and_whole(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Files that grow in pieces, closed after each, are sent once, when the last piece is there.

    A FITS file without its data, a .gz without its end and a file held open by its writer stay
    where they are, while whole files beside them are sent.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    image, packed, text = fits_bytes(SIZE), gzip.compress(fits_bytes(SIZE, salt=1)), b"x" * 5000
    paths = [folder / "image.fits", folder / "packed.fits.gz", folder / "text.dat"]
    writer = paths[2].open("wb")
    try:
        for part in range(3):
            for path, content in zip(paths[:2], (image, packed), strict=True):
                with path.open("ab") as file:
                    file.write(content[part * len(content) // 4 : (part + 1) * len(content) // 4])
            writer.write(text[:1000])
            writer.flush()
            make_fits(folder / f"whole_{part}.fits", salt=10 + part)
            home.wait_for(OK=part + 1)
            assert {row["substatus"] for row in _open(home)} == {"settling..."}
        assert not {one["file"] for one in sandbox.uploads()} & {path.name for path in paths}
        for path, content in zip(paths[:2], (image, packed), strict=True):
            with path.open("ab") as file:
                file.write(content[3 * len(content) // 4 :])
    finally:
        writer.close()

    home.wait_for(OK=6)
    assert arrived(sandbox.files(), folder.iterdir())
    assert len(sandbox.uploads()) == 6


def _open(home: Home) -> list[dict[str, object]]:
    return [row for row in home.json("uploads") if row["status"] == "New"]


def test_what_changes_on_its_way_is_not_recorded_as_sent(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A file that is rewritten while it is sent is stored in its new version alone, and says so."""
    folder = tmp_path / "dome"
    path = make_fits(folder / "a.fits", SIZE)
    home.configure({"bwlimit": "200k"})
    home.watch(folder)
    home.start()
    wait_until(
        lambda: [one for one in sandbox.uploads() if one["bytes_received"] > 50_000],
        timeout_s=40,
        what=home.told,
    )

    path.write_bytes(fits_bytes(SIZE, salt=5))
    home.configure({"bwlimit": "off"})

    home.wait_for(OK=1)
    assert arrived(sandbox.files(), [path])
    row = home.json("status", path)
    assert row["attempts"] == 1
    assert [step["substatus"] for step in row["history"]].count("done") == 1
    assert any("changed" in step["cause"] for step in row["history"]), row["history"]
