"""A watched folder on a network file system: no events, and a server that goes away."""

from __future__ import annotations

import re
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.support import mounted
from tests.support.files import arrived, make_fits
from tests.support.glance import Glance

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.linux, pytest.mark.nightly]


@pytest.mark.timeout(180)
def test_files_that_another_host_writes(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """On a share that gives no events files are found by polling, and wait for ten seconds at least.

    1. Two shares are watched: one whose type names its kind (fuse.sshfs), one that is plain `fuse`.
       A local folder is watched with `--polling`.
    2. The shares are polled by themselves, and `oort status` says why; the local folder as well.
    3. A file in the local folder arrives without waiting for the shares. Another host writes a file on each (behind the mount's back), and one grows for a while:
       each arrives whole and once, not before it was quiet for ten seconds.
    4. The server of a share dies while a file is read from it: its watch is `missing` with the
       system's words, no attempt is counted, and a local file arrives. The share is mounted anew
       with one more file: both arrive.
    """
    named, plain, local = tmp_path / "named", tmp_path / "plain", tmp_path / "local"
    local.mkdir()
    behind = {place: tmp_path / f"server-of-{place.name}" for place in (named, plain)}
    for folder in behind.values():
        folder.mkdir()
    home.configure({"poll_s": "1"})
    home.configure({"rescan_s": "600"})
    with (
        mounted.share(behind[named], named) as share,
        mounted.share(behind[plain], plain, subtype=None),
        home,
    ):
        home.watch(named)
        home.watch(plain)
        home.watch(local, "--polling")
        home.start()
        look = Glance(home)
        for place in (named, plain):
            assert "network file system" in look.until_watch(place.name, "polling")

        assert look.until_watch("local", "polling") == "polling is set"
        files = [make_fits(behind[named] / "a.fits"), make_fits(behind[plain] / "b.fits", salt=1)]
        files.append(make_fits(local / "c.fits", salt=3))
        whole = make_fits(tmp_path / "whole.fits", 40 * 2880, salt=2).read_bytes()
        grows = behind[named] / "grows.dat"
        files.append(grows)
        pause = threading.Event()
        for end in range(10_000, len(whole), 30_000):
            grows.write_bytes(whole[:end])
            pause.wait(1.5)
        grows.write_bytes(whole)

        look.until_rows(OK=4)
        assert arrived(sandbox.files(), files)
        assert sandbox.files()[0]["name"] == "c.fits"
        assert len(sandbox.uploads()) == 4
        for row in look.rows()[:-1]:
            settled = home.json("status", row["path"])["history"][1]["cause"]
            assert float(settled.split("not changed for ")[1].split(" s")[0]) >= 10

        home.configure({"bwlimit": "1M"})
        files.append(make_fits(behind[named] / "large.fits", 3000 * 2880, salt=6))
        look.until(lambda: look.status()["active"] and look.status()["active"][0]["bytes_sent"])
        share.kill()
        # What the kernel says of a FUSE file system that died: ENOTCONN, or first ECONNABORTED.
        assert re.search("not connected|connection abort", look.until_watch("named", "missing"))
        look.until(lambda: [row["status"] for row in look.rows_of("large.fits")] == ["New"])
        (row,) = look.rows_of("large.fits")
        assert (row["attempts"], row["substatus"]) == (0, "held")
        home.configure({"bwlimit": ""})
        files.append(make_fits(local / "meanwhile.fits", salt=4))
        look.until_rows(OK=5)
        share.unmount()
        files.append(make_fits(behind[named] / "later.fits", salt=5))
        share.mount()
        look.until_rows(OK=7)
        assert arrived(sandbox.files(), files)


def _wait_on_a_stalled_share(
    home: Home, look: Glance, share: mounted.Share, behind: Path, turn: int = 0
) -> list[Path]:
    """Have more files than there are workers wait on a share, which then stalls while they are taken."""
    home.oort("pause")
    files = [make_fits(behind / f"{turn}-{n}.fits", salt=10 * turn + n) for n in range(1, 9)]
    look.until(lambda: [row["substatus"] for row in look.rows()].count("held") == 8)
    share.stall()
    home.oort("resume")
    return files


@pytest.mark.soak
@pytest.mark.timeout(240)
def test_share_that_stalls(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A share whose server stalls stops nothing but its own watch, not even an end and a start.

    1. A local folder and a share are watched. More files than there are workers wait on the share;
       its server stalls, and the workers take them: the watch is `missing`, a local file arrives.
    2. SIGTERM ends the daemon in time. It starts all the same: a local file arrives, and
       `oort status PATH` answers.
    3. The server goes on: the share's files arrive, each once.
    """
    local, place, behind = tmp_path / "local", tmp_path / "share", tmp_path / "server"
    local.mkdir()
    behind.mkdir()
    home.configure({"poll_s": "1"})
    with mounted.share(behind, place) as share, home:
        home.watch(local)
        home.watch(place)
        home.start()
        look = Glance(home)
        files = _wait_on_a_stalled_share(home, look, share, behind)
        files.append(make_fits(local / "first.fits", salt=20))
        look.until_rows(OK=1)
        assert "does not answer" in look.until_watch("share", "missing")

        began = time.monotonic()
        home.signal(signal.SIGTERM)
        assert home.ended() == 0
        assert time.monotonic() - began < 2 + 3 + 5  # grace, what design allows, a busy machine
        home.start()
        files.append(make_fits(local / "second.fits", salt=21))
        look.until_rows(OK=2)
        assert home.json("status", local / "second.fits")["status"] == "OK"

        share.go_on()
        look.until_rows(OK=10)
        assert arrived(sandbox.files(), files)
        assert len(sandbox.uploads()) == 10


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_share_that_stalls_and_goes_on(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A share may stall as often as it likes: the daemon goes on with it each time.

    1. A local folder and a share are watched. More files than there are workers wait on the share;
       its server stalls, and the workers take them: the watch is `missing`, a local file arrives.
    2. The server goes on: the share's files arrive, each once, and the watch is polled again.
    3. The same once more, in the same life of the daemon.
    """
    local, place, behind = tmp_path / "local", tmp_path / "share", tmp_path / "server"
    local.mkdir()
    behind.mkdir()
    home.configure({"poll_s": "1"})
    with mounted.share(behind, place) as share, home:
        home.watch(local)
        home.watch(place)
        home.start()
        look = Glance(home)
        for turn in range(2):
            for old in behind.iterdir():
                old.unlink()
            files = _wait_on_a_stalled_share(home, look, share, behind, turn)
            files.append(make_fits(local / f"{turn}-local.fits", salt=100 + turn))
            look.until_rows(OK=9 * turn + 1)
            assert "does not answer" in look.until_watch("share", "missing")
            share.go_on()
            look.until_rows(OK=9 * turn + 9)
            look.until_watch("share", "polling")
            assert arrived(sandbox.files()[9 * turn :], files)
        assert len(sandbox.uploads()) == 18
