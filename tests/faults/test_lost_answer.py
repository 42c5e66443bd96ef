"""The server stores a file and its answer is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.files import arrived, make_fits

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
