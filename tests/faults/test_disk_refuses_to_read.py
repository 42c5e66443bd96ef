"""The disk of the watched folder does not give a file's bytes (EIO)."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.files import arrived, make_fits
from tests.support.syscalls import needs_strace, tracer_of, under_strace
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


@pytest.mark.nightly
@pytest.mark.linux
def test_a_file_that_cannot_be_read_for_a_while(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A bad spot on the disk is told of its file, stops no other, and may pass.

    1. Every read of one file of three fails with EIO.
    2. The others arrive; it waits to be tried again, and says why; the link is online.
    3. The disk reads again: it arrives once, without a command.
    """
    needs_strace()
    home.configure({"max_attempts": "1000"})
    folder = tmp_path / "dome"
    bad = make_fits(folder / "bad.fits", 40 * 2880)
    files = [bad, *(make_fits(folder / f"{n}.fits", salt=n) for n in (1, 2))]
    home.watch(folder)
    reads = "read,pread64"
    fault = ("-P", str(bad), "-e", f"trace={reads}", "-e", f"inject={reads}:error=EIO")
    home.start(under=under_strace(tmp_path / "strace", *fault))
    assert home.daemon is not None

    home.wait_for(OK=2)
    waits = home.wait_for_row(
        "bad.fits", substatus="waiting to retry", error="it cannot be read: Input/output error"
    )
    assert waits["attempts"] >= 1
    late = make_fits(folder / "late.fits", salt=3)
    home.wait_for(OK=3)
    assert arrived(sandbox.files(), [*files[1:], late])
    assert home.link()["state"] == "online"
    told = home.json("status", bad)
    assert "Input/output error" in told["error"]
    os.kill(tracer_of(home.daemon.pid), signal.SIGTERM)

    home.wait_for(OK=4)
    assert arrived(sandbox.files(), [*files, late])
    wait_until(lambda: home.row("bad.fits")["error"] is None, what=home.told)
    assert home.stop() == 0
