"""The server does not take a file's tags."""

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


def test_tags_cannot_be_written(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Tags that cannot be written leave the file OK, and are tried again without another upload.

    1. The server keeps no tags of the form, and every PATCH fails: the file is OK, with the cause
       `tags not written`, and the PATCH comes again.
    2. PATCH works again: the tags are written; there was one POST.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder, "-d", "M31")
    sandbox.rule(**POST, omit=["tags"])
    broken = sandbox.rule(method="PATCH", status=500)
    home.start()
    path = make_fits(folder / "a.fits")
    wait_until(lambda: sandbox.requests("PATCH"), timeout_s=40, what=home.told)
    home.wait_for(OK=1)
    (*_, last) = home.json("status", path)["history"]
    assert "tags not written" in last["cause"]
    wait_until(lambda: len(sandbox.requests("PATCH")) >= 3, timeout_s=90, what=home.told)

    sandbox.remove(broken)
    wait_until(lambda: sandbox.requests("PATCH")[-1]["status"] == 200, timeout_s=90, what=home.told)
    wait_until(
        lambda: home.json("status", path)["history"][-1]["cause"] == "tags written",
        timeout_s=40,
        every_s=0.5,
    )
    assert arrived(sandbox.files(), [path])
    assert len(sandbox.uploads()) == 1


def test_refused_hash_tag(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A 400 that names `tags` is answered by sending without the hash tag, once.

    1. The first form is refused for its tags.
    2. The file is sent again at once without that tag, with a warning; the next is sent without it.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder, "-d", "M31")
    sandbox.rule(**POST, status=400, body={"tags": ["Too long a tag."]}, times=1)
    home.start()
    files = [make_fits(folder / "0.fits", salt=0)]
    wait_until(sandbox.files, timeout_s=40, what=home.told)
    files.append(make_fits(folder / "1.fits", salt=1))
    status = home.wait_for(OK=2)
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == 3
    assert not any("sha256" in tag for file in sandbox.files() for tag in file["tags"])
    assert any("Too long a tag." in text for text in status["daemon"]["warnings"])
