"""The watched folder is renamed away, deleted, and made again."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

LONGER_THAN_A_RESCAN_S = 3.0


def _state(home: Home) -> str:
    (watch,) = home.status()["watches"]
    return str(watch["state"])


def _becomes(home: Home, state: str) -> None:
    wait_until(
        lambda: _state(home) == state,
        timeout_s=30,
        every_s=0.1,
        what=lambda: f"{_state(home)}\n{home.told()}",
    )


def test_folder_renamed_away_and_back_deleted_and_made_again(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A folder that goes is `missing`; when it comes back, whatever is in it arrives.

    1. A file is sent. The folder is renamed away; a file is written where it went: nothing is sent.
    2. It is renamed back: that file arrives, and one that is written then.
    3. It is deleted and made again, with other files, one in a new folder: they arrive.
    4. No file is `file gone` or asks for anybody.
    """
    folder, away = tmp_path / "dome", tmp_path / "away"
    files = [make_fits(folder / "a.fits", salt=0)]
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)

    folder.rename(away)
    _becomes(home, "missing")
    make_fits(away / "b.fits", salt=1)
    threading.Event().wait(LONGER_THAN_A_RESCAN_S)
    assert len(sandbox.uploads()) == 1
    away.rename(folder)
    _becomes(home, "watching")
    files += [folder / "b.fits", make_fits(folder / "c.fits", salt=2)]
    home.wait_for(OK=3)
    assert arrived(sandbox.files(), files)
    kept = tmp_path / "kept"
    shutil.copytree(folder, kept)

    shutil.rmtree(folder)
    _becomes(home, "missing")
    more = [make_fits(folder / "d.fits", salt=3), make_fits(folder / "new/e.fits", salt=4)]
    _becomes(home, "watching")
    home.wait_for(OK=5)
    more.append(make_fits(folder / "new/f.fits", salt=5))
    home.wait_for(OK=6)

    assert arrived(sandbox.files(), [*kept.iterdir(), *more])
    assert home.status()["queue"]["by_status"] == {
        status: 6 if status == "OK" else 0 for status in home.status()["queue"]["by_status"]
    }
