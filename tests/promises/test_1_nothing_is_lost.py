"""Promise 1: every file in a watched folder ends in OK, or in Skipped or Error with the reason."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.support.files import arrived, astropy_fits, make_fits

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


def test_real_fits_files_arrive_as_they_are(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """The FITS files that astropy ships go through a watch and arrive with equal SHA-256."""
    folder = tmp_path / "dome"
    folder.mkdir()
    files = [path for path in astropy_fits() if path.stat().st_size]
    assert len(files) > 20
    for path in files:
        shutil.copy(path, folder / path.name)
    home.watch(folder)
    home.start()

    home.configure({"truncated_after_s": "2"})
    home.wait_for(OK=len(files) - 3)
    rows = home.json("uploads", "--limit", "0")
    short = {row["path"] for row in rows if row["substatus"] == "truncated file"}
    whole = [path for path in files if str(folder / path.name) not in short]

    ended = home.wait_for(OK=len(whole))
    assert arrived(sandbox.files(), whole)
    assert ended["queue"]["by_status"]["Skipped"] == 0


def test_a_folder_copied_into_a_running_watch_arrives_complete_and_once(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A thousand files that `cp -r` writes into a running watch arrive, each once."""
    source = tmp_path / "source"
    files = [
        make_fits(source / f"set{n // 100}" / f"frame_{n:04d}.fits", salt=n) for n in range(1000)
    ]
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()

    subprocess.run(["cp", "-r", str(source), str(folder / "night")], check=True)

    home.wait_for(OK=1000, timeout_s=110)
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == 1000


def test_files_from_before_the_daemon_ran_arrive(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """What lay there before the daemon started, and what came while it was stopped, arrives."""
    folder = tmp_path / "dome"
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(5)]
    home.watch(folder)
    home.start()
    home.wait_for(OK=5)
    assert home.stop() == 0

    files += [make_fits(folder / "later" / f"later_{n}.fits", salt=10 + n) for n in range(5)]
    home.start()

    home.wait_for(OK=10)
    assert arrived(sandbox.files(), files)
