"""The network itself is down, for minutes: no route, a pulled cable, no names."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.files import BLOCK, arrived, make_fits
from tests.support.namespace import NAME, Cable, why_not
from tests.support.proxy import Plan, Proxy
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


SILENT_S: Final = 4.0
BUSY_S: Final = 15.0
"""For the probe of the link after a time-out, and for a machine with other work."""


@pytest.fixture
def cable() -> Iterator[Cable]:
    with Cable() as laid:
        yield laid


@pytest.mark.nightly
def test_the_network_is_down_for_a_while(
    home: Home, sandbox: Sandbox, tmp_path: Path, cable: Cable
) -> None:
    """No route, a pulled cable, no names: nothing is counted, little is said, and all flows afterwards.

    1. The daemon starts without any network: the link is offline; the cable is plugged in, and a
       file arrives.
    2. The cable is pulled for six seconds, then names are not found for another six; files come all
       the time.
    3. Everything is back: all arrive, with one counted attempt each and at most a few lines in the
       log for the time in between.
    """
    _live_through(home, sandbox, tmp_path, cable, each_s=6.0, resumes_s=30.0)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_the_network_is_down_for_ten_minutes(
    home: Home, sandbox: Sandbox, tmp_path: Path, cable: Cable
) -> None:
    """The same for ten minutes and with the probe's longest wait left as it is: back within a minute."""
    home.configure({"link_retry_max_s": "60"})
    _live_through(home, sandbox, tmp_path, cable, each_s=300.0, resumes_s=60.0)


@pytest.mark.nightly
def test_the_cable_is_pulled_in_the_middle_of_a_body(
    home: Home, sandbox: Sandbox, tmp_path: Path, cable: Cable
) -> None:
    """What was on its way when the cable was pulled ends at the time-out, at no cost, and comes again.

    1. Some hundred kB of a large file have gone out when the cable is pulled: no byte, no end and no
       reset comes from either side.
    2. Within the time-outs the link is offline; the file waits uncounted, and may be stored.
    3. The cable is in again: the server is asked for the file, then it is sent, one counted attempt.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.configure({"connect_timeout_s": "2", "read_timeout_s": str(SILENT_S)})
    home.watch(folder)
    with Proxy(sandbox.port, host=cable.host) as proxy:
        proxy.plan = Plan(once=b"POST /datafiles/", bytes_per_s=400_000)
        home.readdress(f"http://{NAME}:{proxy.port}")
        home.start(under=cable.under(tmp_path))
        assert home.daemon is not None
        cable.plug_in(home.daemon.pid)
        file = make_fits(folder / "a.fits", 3000 * BLOCK)
        wait_until(
            lambda: [one for one in sandbox.uploads() if one["bytes_received"] > 200_000],
            timeout_s=60,
            what=home.told,
        )
        cable.pull()
        pulled = time.monotonic()
        home.wait_for_link("offline")
        assert time.monotonic() - pulled < SILENT_S + BUSY_S
        home.wait_for_row("a.fits", substatus="pending", attempts=0, may_be_stored=1)
        assert not sandbox.files()

        proxy.plan = Plan()
        sandbox.forget_requests()
        cable.mend()
        home.wait_for(OK=1)
    assert home.row("a.fits")["attempts"] == 1
    assert arrived(sandbox.files(), [file])
    whole = [one for one in sandbox.uploads() if one["body_complete"]]
    assert len(whole) == 1
    first, *_ = sandbox.requests(path="/datafiles/")
    assert first["method"] == "GET"


def _live_through(
    home: Home,
    sandbox: Sandbox,
    tmp_path: Path,
    cable: Cable,
    *,
    each_s: float,
    resumes_s: float,
) -> None:
    folder = tmp_path / "dome"
    folder.mkdir()
    home.configure({"connect_timeout_s": "2", "read_timeout_s": "4", "rescan_s": "60"})
    home.watch(folder)
    with Proxy(sandbox.port, host=cable.host) as proxy:
        home.readdress(f"http://{NAME}:{proxy.port}")
        files = [make_fits(folder / "first.fits")]
        home.start(under=cable.under(tmp_path))
        home.wait_for_link("offline", "unreachable")
        assert home.daemon is not None
        cable.plug_in(home.daemon.pid)
        home.wait_for(OK=1)
        log = home.log_file.stat().st_size

        cable.pull()
        files += _written(folder, "cable", for_s=each_s)
        assert home.link()["state"] == "offline", home.told()
        cable.lose_names()
        files += _written(folder, "names", for_s=each_s)
        home.wait_for_link("offline", "no such host, or no name server")
        for file in files[1:]:
            row = home.wait_for_row(file.name, attempts=0)
            assert row["status"] == "New"
        said = home.log_file.read_bytes()[log:].splitlines()
        assert len(said) <= 10, said

        cable.mend()
        back = time.monotonic()
        wait_until(lambda: len(sandbox.files()) > 1, timeout_s=120, every_s=0.1, what=home.told)
        assert time.monotonic() - back < resumes_s
        home.wait_for(OK=len(files))
    assert arrived(sandbox.files(), files)
    assert {home.row(file.name)["attempts"] for file in files} == {1}


def _written(folder: Path, name: str, *, for_s: float) -> list[Path]:
    """Write ten files in that time, evenly."""
    files = []
    for number in range(10):
        files.append(make_fits(folder / f"{name}{number}.fits", salt=hash((name, number)) % 9999))
        threading.Event().wait(for_s / 10)
    return files
