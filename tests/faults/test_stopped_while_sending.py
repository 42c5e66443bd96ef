"""The daemon is asked to end while a large file is on its way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.support.files import BLOCK, arrived, fits_bytes, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

GRACE_S = 2.0
MARGIN_S = 3.0


def test_sigterm_with_a_large_upload_in_hand(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """SIGTERM ends the daemon in order within its grace; the file arrives once after the next start.

    1. A file of 200 MB is on its way to a server that reads slowly, when SIGTERM comes.
    2. The daemon ends with exit 0 within `stop_grace_s` + 3 s; nothing is stored.
    3. Started again, and the server fast again: the file arrives once, whole.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    large = folder / "large.fits"
    pixels = 70_000 * BLOCK
    head = fits_bytes().replace(f"{3 * BLOCK:20d}".encode(), f"{pixels:20d}".encode())[:BLOCK]
    with large.open("wb") as file:
        file.write(head)
        file.truncate(BLOCK + pixels)
    home.watch(folder)
    slow = sandbox.rule(method="POST", path="/datafiles/", read_bytes_per_s=500_000)
    home.start()
    wait_until(
        lambda: [one for one in sandbox.uploads() if one["bytes_received"] > 100_000],
        timeout_s=30,
        what=home.told,
    )

    began = time.monotonic()
    assert home.stop() == 0
    assert time.monotonic() - began < GRACE_S + MARGIN_S, home.told()
    assert not sandbox.files()
    sandbox.remove(slow)
    home.start()

    home.wait_for(OK=1)
    assert arrived(sandbox.files(), [large])


def test_sigterm_while_the_answer_is_awaited(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """An upload that can end within the grace ends, and is recorded before the daemon ends.

    1. A file was sent whole, and the server takes two seconds to answer. SIGTERM comes meanwhile.
    2. The daemon ends with exit 0, long before its grace of twenty seconds is over; the row is OK.
    3. Started again it asks nothing about that file, and sends it no second time.
    """
    folder = tmp_path / "dome"
    large = make_fits(folder / "a.fits", 20 * BLOCK)
    home.configure({"stop_grace_s": "20"})
    home.watch(folder)
    sandbox.rule(method="POST", path="/datafiles/$", delay_s=2)
    home.start()
    wait_until(
        lambda: [one for one in sandbox.uploads() if one["body_complete"]],
        timeout_s=30,
        what=home.told,
    )
    assert sandbox.uploads()[0]["status"] is None

    began = time.monotonic()
    assert home.stop() == 0
    assert time.monotonic() - began < 15, home.told()
    assert home.row("a.fits")["status"] == "OK", home.told()
    sandbox.clear()
    later = make_fits(folder / "b.fits", salt=1)
    home.start()
    home.wait_for(OK=2)
    assert arrived(sandbox.files(), [large, later])
    assert [one["file"] for one in sandbox.uploads()] == ["a.fits", "b.fits"]
    assert not sandbox.requests("GET", "a.fits")
