"""Files and folders that the daemon's user may not read, for a while."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.daemon import QUICK, Home
from tests.support.files import arrived, make_fits
from tests.support.glance import Glance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.sandbox import Sandbox

_NOBODY = 65534


@pytest.fixture
def open_ground() -> Iterator[Path]:
    """Give a folder that every user may enter, which those of pytest are not."""
    folder = Path(tempfile.mkdtemp(prefix="oort-test-"))
    folder.chmod(0o755)
    yield folder
    subprocess.run(["chmod", "-R", "u+rwX", folder], check=True)
    shutil.rmtree(folder)


def _give_away(folder: Path) -> Sequence[str]:
    """Hand a folder to a user who is not root; return what starts a program as that user."""
    if os.geteuid() != 0:
        return ()
    as_nobody = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    done = subprocess.run([*as_nobody, sys.executable, "-c", "import oort"], check=False)
    if done.returncode:
        pytest.skip("needs setpriv, and Python where another user may read it")
    subprocess.run(["chown", "-R", f"{_NOBODY}:{_NOBODY}", folder], check=True)
    return as_nobody


def _close_config_for_a_while(home: Home, look: Glance) -> None:
    """Put a config.toml in place that the daemon may not read at first: no scan is due for an hour."""
    config = home.folder / "oort/config.toml"
    aside = config.with_suffix(".new")
    aside.write_text(config.read_text().replace("rescan_s = 2", "rescan_s = 3600"))
    aside.chmod(0o000)
    aside.replace(config)
    look.until(lambda: "cannot be read" in str(look.status()["daemon"]["warnings"]))
    config.chmod(0o644)
    look.until(lambda: not look.status()["daemon"]["warnings"])
    look.until(lambda: home.told().count("config.taken") == 1)


@pytest.mark.linux
@pytest.mark.nightly
@pytest.mark.timeout(240)
def test_folders_and_files_that_may_not_be_read(sandbox: Sandbox, open_ground: Path) -> None:
    """What may not be read is told with its reason, stops nothing else, and goes when it may be.

    1. A folder, a folder whose entries may be listed but not looked at, and a file are closed to
       the daemon's user, who is not root; other files lie beside them.
    2. The others arrive. `oort status` names both folders and does not call everything safe;
       `oort status PATH` tells why a file below has no row; the closed file waits, with the reason.
    3. The modes are mended: everything arrives, without a restart.
    4. config.toml is replaced by one that is closed: its watches stay, with a warning, until it may
       be read. From then on no scan is due for an hour; a new file in the folder that was closed arrives.
    """
    folder = open_ground / "dome"
    files = [make_fits(folder / "a.fits"), make_fits(folder / "b/b.fits", salt=1)]
    closed = [make_fits(folder / "closed/c.fits", salt=2), make_fits(folder / "dim/d.fits", salt=3)]
    shut = make_fits(folder / "shut.fits", salt=4)
    with Home(open_ground / "observatory") as home:
        home.log_in(sandbox)
        home.configure(QUICK | {"retry_max_s": "2", "max_attempts": "1000"})
        home.watch(folder)
        as_user = _give_away(open_ground)
        (folder / "closed").chmod(0o000)
        (folder / "dim").chmod(0o444)
        shut.chmod(0o000)
        home.start(under=as_user)
        look = Glance(home)

        look.until_rows(OK=2)
        look.until(lambda: look.watch("dome")["unreadable"])
        assert sorted(look.watch("dome")["unreadable"]) == [
            "closed: Permission denied",
            "dim/d.fits: Permission denied",
        ]
        look.until(lambda: look.rows_of("shut.fits")[0]["substatus"] == "waiting to retry")
        (row,) = look.rows_of("shut.fits")
        assert row["error"] == "it cannot be opened: Permission denied"
        assert "dome: cannot be read: " in home.oort("status")
        told = home.run("oort", "status", closed[0], check=False)
        assert told.returncode == 1
        assert "closed cannot be read: Permission denied" in told.stderr

        shut.chmod(0o644)
        look.until_rows(OK=3)
        assert "a part of the watch" in home.oort("status")
        (folder / "closed").chmod(0o755)
        (folder / "dim").chmod(0o755)
        look.until_rows(OK=5)
        look.until(lambda: not look.watch("dome")["unreadable"])
        assert (look.watch("dome")["reason"], look.watch("dome")["missed_events"]) == (None, 0)
        look.until(lambda: "watch.renewed" in home.told())
        _close_config_for_a_while(home, look)
        late = make_fits(folder / "closed/late.fits", salt=5)
        if as_user:
            os.chown(late, _NOBODY, _NOBODY)
        look.until_rows(OK=6)
        assert arrived(sandbox.files(), [*files, *closed, shut, late])
        assert len(sandbox.uploads()) == 6
        assert home.stop() == 0
