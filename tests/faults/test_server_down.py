"""The server is not there, or ends in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


def test_server_down_at_start_costs_no_attempt(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Files wait while the server is down, at no cost, and flow when it is back.

    1. The server is stopped; the daemon is started with five files.
    2. `oort status` says offline, the files are held, no attempt is counted.
    3. The server is back: all arrive, each with one counted attempt.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(5)]
    home.watch(folder)
    sandbox.stop()
    home.start()
    wait_until(lambda: home.status()["link"]["state"] == "offline", timeout_s=30, what=home.told)
    waiting = home.json("status", files[0])
    assert waiting["substatus"] == "held"
    assert waiting["attempts"] == 0

    sandbox.start()

    home.wait_for(OK=5)
    assert arrived(sandbox.files(), files)
    assert {row["attempts"] for row in home.json("uploads")} == {1}
    wait_until(lambda: home.status()["link"]["state"] == "online", what=home.told)


def test_outage_in_the_middle(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Connections are cut and refused for a while; afterwards everything is there once.

    1. Twenty files are on their way when the server refuses and resets all connections.
    2. After two seconds it listens again.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    sandbox.rule(method="POST", path="/datafiles/", read_bytes_per_s=400_000)
    files = [make_fits(folder / f"{n}.fits", 100 * 2880, salt=n) for n in range(20)]
    wait_until(sandbox.uploads, what=home.told)

    sandbox.refuse(2.0, cut=True)

    home.wait_for(OK=20)
    assert arrived(sandbox.files(), files)
