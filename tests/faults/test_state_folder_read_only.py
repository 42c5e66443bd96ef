"""The state folder cannot be written: from the start, from some moment on, or by this user."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.files import arrived, make_fits
from tests.support.small_disk import failing_disk, small_disk
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


@pytest.mark.linux
@pytest.mark.timeout(240)
def test_state_folder_read_only_at_the_start(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """On a read-only disk a start is refused with the reason, and `oort status` answers.

    1. A file is sent, the daemon is stopped, and the disk of its queue becomes read-only.
    2. `oort start`, `oort pause` and `oort config set` end with exit 1 and say why in two lines;
       `oort status` tells that the file is safe.
    3. The disk can be written again: what was written meanwhile arrives, nothing is sent twice.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    home.watch(folder)
    with small_disk(home.folder / "oort") as disk:
        home.start()
        home.wait_for(OK=1)
        home.stop()
        disk.read_only()
        files += [make_fits(folder / "b.fits", salt=1)]
        for words in (("start",), ("pause",), ("config", "set", "workers", "3")):
            refused = home.run("oort", *words, check=False)
            assert refused.returncode == 1
            assert "Read-only file system" in refused.stderr
            assert len(refused.stderr.splitlines()) <= 2
            assert "--debug" not in refused.stderr
        assert home.status()["queue"]["by_status"]["OK"] == 1
        assert home.json("status", files[0])["substatus"] == "done"

        disk.writable()
        home.start()
        home.wait_for(OK=2)
        assert arrived(sandbox.files(), files)
        assert len(sandbox.uploads()) == 2
        home.stop()


@pytest.mark.linux
@pytest.mark.timeout(240)
@pytest.mark.nightly
def test_disk_becomes_read_only_while_the_daemon_runs(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A disk in which the kernel found an error stops the daemon's work, not the daemon.

    1. The queue is on a disk of its own; a file is sent; the kernel finds an error and lets nothing
       be written any more.
    2. Files are written: the daemon lives, sends none, and `oort status` says that its disk is
       read-only.
    3. SIGTERM ends it. The disk is repaired; the next start sends what waits, each file once.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    home.watch(folder)
    with failing_disk(home.folder / "oort", tmp_path / "disk.img") as disk:
        home.start()
        home.wait_for(OK=1)
        disk.fail()
        files += [make_fits(folder / f"{n}.fits", salt=n) for n in range(1, 20)]
        wait_until(lambda: home.has_told("queue.waits"), timeout_s=40, what=home.told)
        assert home.daemon is not None
        assert home.daemon.poll() is None
        assert len(sandbox.uploads()) == 1
        status = home.status()
        assert status["daemon"]["running"]
        assert any("read-only" in text for text in status["daemon"]["warnings"])

        assert home.stop() in (0, 1)
        disk.repair()
        home.start()
        home.wait_for(OK=len(files))
        assert arrived(sandbox.files(), files)
        assert len(sandbox.uploads()) == len(files)
        home.stop()


@pytest.mark.linux
@pytest.mark.timeout(240)
def test_state_folder_of_somebody_else(home: Home, tmp_path: Path) -> None:
    """A state folder of another user is refused with its name, whatever the command.

    1. The state folder belongs to another user, for that user alone. Root is without its right to
       go where it likes.
    2. `oort start`, `oort status`, `oort pause` and `oort watch` end with exit 1 and at most two
       lines that name it.
    """
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root, and setpriv (util-linux)")
    state = home.folder / "oort"
    for path in [*state.rglob("*"), state]:
        os.chown(path, 65_534, 65_534)
    dropped = "-dac_override,-dac_read_search"
    for words in (["start"], ["status"], ["pause"], ["watch", str(tmp_path), "-y"]):
        refused = subprocess.run(
            [
                "setpriv",
                "--bounding-set",
                dropped,
                "--inh-caps",
                dropped,
                sys.executable,
                "-m",
                "oort",
                *words,
            ],
            env=home.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert refused.returncode == 1, words
        assert str(state) in refused.stderr
        assert "Permission denied" in refused.stderr
        assert len(refused.stderr.splitlines()) <= 2


@pytest.mark.nightly
def test_wrong_modes_are_mended(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """What others could read is for its owner alone again when the daemon has started.

    1. Everything in the home is readable and writable by everybody (somebody copied it).
    2. The daemon starts and sends a file: nothing of it is open to others any more.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)
    home.stop()
    state = home.folder / "oort"
    for path in [state, *state.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    files += [make_fits(folder / "b.fits", salt=1)]

    home.start()

    home.wait_for(OK=2)
    home.oort("pause")
    wide = [
        str(path.relative_to(state))
        for path in [state, *state.rglob("*")]
        if stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    assert not wide
    assert arrived(sandbox.files(), files)
