"""The server stores a file and shows it only seconds later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(300)]

POST = {"method": "POST", "path": "/datafiles/$"}
LAG_S = 6


def test_stored_and_shown_late(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """What is shown late is asked for again; it is stored once, and never taken for another file.

    1. Everything is shown six seconds after it was stored. A file's answer is lost; another's is
       a 500 after storing; another's a 504; the daemon is killed while a fourth is answered.
    2. It starts again at once. All four are OK, each is at the server once, and none was a name
       conflict on its way.
    """
    home.oort("config", "set", "retry_base_s", "1")
    folder = tmp_path / "dome"
    known = make_fits(folder / "known.fits")
    home.watch(folder, "-d", "M31")
    home.start()
    home.wait_for(OK=1)
    sandbox.rule(method="GET", path="/datafiles/", lag_s=LAG_S)
    sandbox.rule(**POST, file="lost", drop=True, when="after", times=1)
    sandbox.rule(**POST, file="error", status=500, stored=True, times=1)
    sandbox.rule(**POST, file="proxy", status=504, stored=True, content_type="text/html", times=1)
    assert home.daemon is not None
    sandbox.rule(**POST, file="killed", kill_pid=home.daemon.pid, when="after", times=1)
    files = [
        make_fits(folder / f"{n}.fits", salt=n_) for n_, n in enumerate(("lost", "error", "proxy"))
    ]
    wait_until(lambda: len(sandbox.files()) == 4, timeout_s=40, what=home.told)
    files.append(make_fits(folder / "killed.fits", salt=9))
    home.ended()
    home.start()

    home.wait_for(OK=5)
    assert arrived(sandbox.files(), [known, *files])
    for path in files:
        causes = [step["substatus"] for step in home.json("status", path)["history"]]
        assert "name conflict" not in causes, causes
    assert home.status()["attention"] == []


def test_error_after_storing_at_a_server_that_takes_names_twice(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A 500 that came after the file was stored is settled by asking, not by sending it again.

    1. The server stores each file under a name of its own making and answers 500, three times.
    2. The files are found, OK, with one POST each: nothing is there twice.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder, "-d", "M31")
    home.start()
    sandbox.rule(**POST, status=500, stored=True, rename="suffix", times=2)
    files = [make_fits(folder / f"M 31 {n}.fits", salt=n) for n in range(2)]
    wait_until(lambda: len(sandbox.files()) == 2, timeout_s=40, what=home.told)
    home.wait_for(OK=2)
    assert len(sandbox.uploads()) == len(sandbox.files()) == len(files)
