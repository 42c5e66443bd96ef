"""The server stores a file and its answer is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


def test_lost_answer_is_settled_by_asking(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """The connection is reset after the file was stored: it is found there, not sent again.

    1. The server stores three files and resets each connection instead of answering.
    2. The daemon asks for each; all are OK, with one POST each.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    sandbox.rule(method="POST", path="/datafiles/", drop=True, when="after", times=3)

    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(3)]

    home.wait_for(OK=3)
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == 3


@pytest.mark.nightly
def test_lost_answer_of_a_file_that_is_deleted_meanwhile(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A file that is gone here is asked for before it is called so: what the server has is safe.

    1. The server stores one file and resets the connection; of another one it breaks off in the
       middle. It answers no question about either.
    2. Both are deleted here. They go on waiting: nobody knows yet.
    3. The server answers again: the first is OK, the second `file gone`. Nothing was sent again.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.configure({"max_attempts": "1000"})
    home.watch(folder)
    home.start()
    sandbox.rule(method="GET", path="/datafiles/", status=503)
    sandbox.rule(file="^stored", drop=True, when="after", times=1)
    sandbox.rule(file="^cut", drop=True, when="during", after_bytes=20_000, times=1)
    files = [
        make_fits(folder / f"{name}.fits", 40 * 2880, salt=n)
        for n, name in enumerate(("stored", "cut"))
    ]
    wait_until(lambda: len(sandbox.uploads()) == 2, timeout_s=60, what=home.told)
    for file in files:
        home.wait_for_row(file.name, status="New", may_be_stored=1)
    kept = files[0].rename(tmp_path / "stored.fits")
    files[1].unlink()
    seen = len(sandbox.requests("GET", "/datafiles/"))
    wait_until(
        lambda: len(sandbox.requests("GET", "/datafiles/")) > seen + 2,
        timeout_s=60,
        what=home.told,
    )
    assert {home.row(file.name)["status"] for file in files} <= {"New", "Preparing"}

    sandbox.clear()
    home.wait_for(OK=1, Skipped=1)
    assert home.row("stored.fits")["substatus"] == "done"
    assert home.row("cut.fits")["substatus"] == "file gone"
    assert arrived(sandbox.files(), [kept])
    assert len(sandbox.uploads()) == 2
