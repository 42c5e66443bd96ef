"""A watched folder on a network file system: no events, and a server that goes away."""

from __future__ import annotations

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

pytestmark = [pytest.mark.linux, pytest.mark.slow]


@pytest.mark.timeout(180)
def test_files_that_another_host_writes(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """On a share that gives no events files are found by polling, and wait for ten seconds at least.

    1. Two shares are watched: one whose type names its kind (fuse.sshfs), one that is plain `fuse`.
    2. Both are polled by themselves, and `oort status` says why.
    3. Another host writes a file on each (behind the mount's back), and one grows for a while:
       each arrives whole and once, not before it was quiet for ten seconds.
    """
    named, plain = tmp_path / "named", tmp_path / "plain"
    behind = {place: tmp_path / f"server-of-{place.name}" for place in (named, plain)}
    for folder in behind.values():
        folder.mkdir()
    home.configure({"poll_s": "1"})
    home.configure({"rescan_s": "600"})
    with (
        mounted.share(behind[named], named),
        mounted.share(behind[plain], plain, subtype=None),
        home,
    ):
        home.watch(named)
        home.watch(plain)
        home.start()
        look = Glance(home)
        for place in (named, plain):
            assert "network file system" in look.until_watch(place.name, "polling")

        files = [make_fits(behind[named] / "a.fits"), make_fits(behind[plain] / "b.fits", salt=1)]
        whole = make_fits(tmp_path / "whole.fits", 40 * 2880, salt=2).read_bytes()
        grows = behind[named] / "grows.dat"
        files.append(grows)
        pause = threading.Event()
        for end in range(10_000, len(whole), 30_000):
            grows.write_bytes(whole[:end])
            pause.wait(1.5)
        grows.write_bytes(whole)

        look.until_rows(OK=3)
        assert arrived(sandbox.files(), files)
        assert len(sandbox.uploads()) == 3
        for row in look.rows():
            settled = home.json("status", row["path"])["history"][1]["cause"]
            assert float(settled.split("not changed for ")[1].split(" s")[0]) >= 10


@pytest.mark.timeout(400)
def test_share_that_stalls_and_dies(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A share whose server stalls or dies stops nothing but its own watch, which resumes by itself.

    1. A local folder and a share are watched. More files than there are workers wait on the share;
       its server stalls, and the workers take them: the watch is `missing`, a local file arrives.
    2. The server goes on: the share's files arrive, each once.
    3. The server dies: the watch is `missing` with the system's words, a local file arrives. It is
       mounted anew with one more file: that arrives.
    4. The server stalls again. SIGTERM ends the daemon in time; it starts all the same, a local
       file arrives, and `oort status` answers. The server goes on: a file of the share arrives.
    """
    local, share, behind = tmp_path / "local", tmp_path / "share", tmp_path / "server"
    local.mkdir()
    behind.mkdir()
    make_fits(behind / "old.fits")
    home.configure({"poll_s": "1"})
    with mounted.share(behind, share) as mount, home:
        home.watch(local)
        home.watch(share)
        home.start()
        look = Glance(home)
        look.until_rows(OK=1)
        home.oort("pause")
        files = [behind / "old.fits"]
        files += [make_fits(behind / f"{n}.fits", salt=n) for n in range(1, 9)]
        look.until(lambda: [row["substatus"] for row in look.rows()].count("held") == 8)
        mount.stall()
        home.oort("resume")
        files.append(make_fits(local / "first.fits", salt=20))
        look.until(lambda: [row["status"] for row in look.rows_of("first.fits")] == ["OK"], 120)
        assert "does not answer" in look.until_watch("share", "missing")

        mount.go_on()
        look.until_rows(OK=10)
        look.until_watch("share", "polling")
        assert arrived(sandbox.files(), files)

        mount.kill()
        assert "not connected" in look.until_watch("share", "missing")
        files.append(make_fits(local / "second.fits", salt=21))
        look.until_rows(OK=11)
        mount.unmount()
        files.append(make_fits(behind / "later.fits", salt=22))
        mount.mount()
        look.until_rows(OK=12)

        mount.stall()
        look.until_watch("share", "missing")
        began = time.monotonic()
        home.signal(signal.SIGTERM)
        assert home.ended() == 0
        assert time.monotonic() - began < 15
        home.start()
        files.append(make_fits(local / "third.fits", salt=23))
        look.until_rows(OK=13)
        assert home.json("status", local / "third.fits")["status"] == "OK"
        files.append(make_fits(behind / "last.fits", salt=24))
        mount.go_on()
        look.until_rows(OK=14)
        assert arrived(sandbox.files(), files)
        assert len(sandbox.uploads()) == 14
