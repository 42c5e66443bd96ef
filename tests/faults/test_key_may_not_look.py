"""The key may upload, and may not look at data files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.files import arrived, fits_bytes, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(300)]

POST = {"method": "POST", "path": "/datafiles/$"}


def test_key_may_not_look(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Where nobody may look, a file is sent, and only an own whole attempt makes a namesake ours.

    1. Every GET of data files is 403. A file's answer is lost after storing; another's connection
       breaks in the middle of the body, and somebody else has stored a file of that name since;
       a third has a namesake from before; a fourth is new.
    2. The first is OK, `not verifiable with this key`, and counted as unproven. The second and the
       third are Error `name conflict` with the reason. The fourth is OK.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    dataset = sandbox.create_dataset("M31")
    sandbox.upload(dataset, "namesake.fits", fits_bytes(salt=77))
    home.watch(folder, "-d", "M31")
    home.start()
    sandbox.rule(method="GET", path="/datafiles/", status=403)
    sandbox.rule(**POST, file="lost", drop=True, when="after", times=1)
    sandbox.rule(**POST, file="half", drop=True, when="during", after_bytes=100_000, times=1)
    sandbox.rule(**POST, file="half", skip=1, status=503, headers={"Retry-After": "2"}, times=1)
    half = make_fits(folder / "half.fits", 2880 * 6000, salt=1)
    wait_until(
        lambda: [r for r in sandbox.uploads() if r["file"] == "half.fits" and r["reset"]],
        timeout_s=40,
        what=home.told,
    )
    size = half.stat().st_size
    sandbox.add_records(dataset, [{"name": "half.fits", "size": size, "tags": []}])
    lost = make_fits(folder / "lost.fits", salt=2)
    namesake = make_fits(folder / "namesake.fits", salt=3)
    new = make_fits(folder / "new.fits", salt=4)

    status = home.wait_for(OK=2, Error=2)
    rows = {row["path"]: row for row in home.json("uploads")}
    assert rows[str(lost)]["substatus"] == rows[str(new)]["substatus"] == "done"
    assert rows[str(lost)]["unproven"]
    assert not rows[str(new)]["unproven"]
    assert status["queue"]["unproven"] == 1
    (*_, last) = home.json("status", lost)["history"]
    assert "not verifiable with this key" in last["cause"]
    for path in (half, namesake):
        assert rows[str(path)]["substatus"] == "name conflict"
        assert "this key may not read it" in rows[str(path)]["error"]
    ours = [file for file in sandbox.files() if file["name"] in ("lost.fits", "new.fits")]
    assert arrived(ours, [lost, new])
