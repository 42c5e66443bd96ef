"""A file changes while it is on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.files import BLOCK, arrived, fits_bytes, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

SIZE = 1000 * BLOCK


def _truncate(path: Path) -> None:
    content = fits_bytes(100 * BLOCK, salt=2)
    with path.open("r+b") as file:
        file.write(content)
        file.truncate(len(content))


def _grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(BLOCK))


def _replace(path: Path) -> None:
    aside = path.with_name("aside.tmp")
    aside.write_bytes(fits_bytes(SIZE, salt=3))
    aside.replace(path)


def _rewrite(path: Path) -> None:
    path.write_bytes(fits_bytes(SIZE, salt=4))


CHANGES = (_truncate, _grow, _replace, _rewrite)


def test_changed_while_it_is_sent(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """What changes while it is being sent is never stored torn: the new version is sent.

    1. Four files are on their way, slowly.
    2. One is truncated, one grows, one is replaced by another of its size, one rewritten in place.
    3. The limit is taken away: the server has the new versions, and never had others.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / f"{n}.fits", SIZE, salt=n) for n in range(len(CHANGES))]
    home.configure({"bwlimit": "400k", "workers": "4"})
    home.watch(folder)
    home.start()
    wait_until(lambda: _under_way(sandbox) == len(files), timeout_s=40, what=home.told)

    for change, path in zip(CHANGES, files, strict=True):
        change(path)
    home.configure({"bwlimit": "off"})

    home.wait_for(OK=len(files))
    assert arrived(sandbox.files(), files)


def _under_way(sandbox: Sandbox) -> int:
    return len([one for one in sandbox.uploads() if one["bytes_received"] > 50_000])
