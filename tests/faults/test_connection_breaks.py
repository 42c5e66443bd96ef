"""The connection breaks, or stalls, after bytes were sent; or it is merely slow."""

from __future__ import annotations

import time
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from oort.clock import SystemClock
from tests.support.files import BLOCK, arrived, make_fits
from tests.support.proxy import Plan, Proxy
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

UPLOAD = b"POST /datafiles/"
LARGE = 3000 * BLOCK
"""More than the kernel takes on behalf of somebody who does not read."""
LONGEST_S = 15.0
"""No step of a file lasts longer: the time-outs are below 2 s, the rest is for a busy machine."""


@pytest.fixture
def proxy(sandbox: Sandbox) -> Iterator[Proxy]:
    with Proxy(sandbox.port) as running:
        yield running


@pytest.fixture
def folder(home: Home, proxy: Proxy, tmp_path: Path) -> Path:
    """Return a folder that is watched, its server behind the proxy, with short time-outs."""
    made = tmp_path / "dome"
    made.mkdir()
    home.configure({"connect_timeout_s": "1", "read_timeout_s": "1.5"})
    home.watch(made)
    home.readdress(proxy.url)
    return made


def test_one_file_that_breaks_every_connection_does_not_stop_the_others(
    home: Home, sandbox: Sandbox, folder: Path
) -> None:
    """It uses up its own attempts and ends in Error with what to do; the link stays online.

    1. Of nine files one breaks its connection after 20,000 bytes, every time.
    2. Eight arrive; the ninth is in Error after `max_attempts`, its status says that it is tried
       again in a day and which command does it now, and the link is online.
    3. The trouble is over and somebody says `oort retry`: it arrives.
    """
    home.configure({"max_attempts": "3"})
    rule = sandbox.rule(file="^bad", drop=True, when="during", after_bytes=20_000)
    bad = make_fits(folder / "bad.fits", 40 * BLOCK)
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(8)]
    home.start()

    home.wait_for(OK=8, Error=1)
    row = home.json("status", bad)
    assert (row["substatus"], row["attempts"]) == ("error", 3)
    in_s = (datetime.fromisoformat(row["next_attempt_at"]) - SystemClock().now()).total_seconds()
    assert 86_000 < in_s <= 86_400
    assert "connection broke" in row["error"]
    told = home.oort("status", bad)
    assert "It is tried again at" in told
    assert f"oort retry {row['id']}" in told
    assert home.status()["link"]["state"] == "online"
    assert arrived(sandbox.files(), files)

    sandbox.remove(rule)
    home.oort("retry", bad)
    home.wait_for(OK=9)
    assert arrived(sandbox.files(), [*files, bad])


def test_a_broken_connection_without_proof_is_the_links(
    home: Home, sandbox: Sandbox, proxy: Proxy, folder: Path
) -> None:
    """Where nothing proves the link, no attempt is counted, and the file is asked for before it is sent.

    1. A file is on its way at 50 kB/s when its connection is reset and the port refuses.
    2. The link is offline, the file waits at no cost, and may be stored.
    3. The port listens again: the server is asked for the file, then it is sent, one counted attempt.
    """
    proxy.plan = Plan(once=UPLOAD, bytes_per_s=50_000)
    home.start()
    file = make_fits(folder / "a.fits", 300 * BLOCK)
    wait_until(
        lambda: [one for one in sandbox.uploads() if one["bytes_received"] > 20_000],
        timeout_s=60,
        what=home.told,
    )
    proxy.refuse()
    proxy.cut()
    home.wait_for_link("offline")
    home.wait_for_row("a.fits", substatus="pending", attempts=0, may_be_stored=1)

    proxy.plan = Plan()
    proxy.listen()
    home.wait_for(OK=1)
    assert home.row("a.fits")["attempts"] == 1
    assert arrived(sandbox.files(), [file])
    asked = [(one["method"], one["path"]) for one in sandbox.requests(path="/datafiles/")]
    first, *questions, last = asked
    assert first == last == ("POST", "/datafiles/")
    assert questions
    assert {method for method, _ in questions} == {"GET"}


def test_a_cable_pulled_in_the_middle_of_a_body_ends_at_the_time_out(
    home: Home, sandbox: Sandbox, proxy: Proxy, folder: Path
) -> None:
    """Where no byte moves and no reset comes, the attempt ends by itself, at no cost to the file.

    1. After 100 kB of a file's body nothing is carried any more, in no direction, and nothing said.
    2. Within the time-outs the link is offline; the file waits uncounted, and may be stored.
    3. The cable is in again: the server is asked for the file, then it is sent, one counted attempt.
    """
    proxy.plan = Plan(once=UPLOAD, bytes_per_s=400_000)
    home.start()
    file = make_fits(folder / "a.fits", LARGE)
    wait_until(
        lambda: [one for one in sandbox.uploads() if one["bytes_received"] > 100_000],
        timeout_s=60,
        what=home.told,
    )
    proxy.freeze()
    pulled = time.monotonic()
    home.wait_for_link("offline")
    assert time.monotonic() - pulled < LONGEST_S
    home.wait_for_row("a.fits", substatus="pending", attempts=0, may_be_stored=1)
    (cut,) = sandbox.uploads()
    assert not cut["done"]

    proxy.plan = Plan()
    proxy.listen()
    home.wait_for(OK=1)
    assert home.row("a.fits")["attempts"] == 1
    assert arrived(sandbox.files(), [file])
    methods = [one["method"] for one in sandbox.requests(path="/datafiles/")]
    assert methods[0] == methods[-1] == "POST"
    assert set(methods[1:-1]) == {"GET"}
    home.wait_for_link("online")


@pytest.mark.nightly
def test_stalls_end_at_their_limits(
    home: Home, sandbox: Sandbox, proxy: Proxy, folder: Path
) -> None:
    """Whatever the other side keeps to itself, the file ends OK with one copy there, and soon.

    1. The answer to an upload is swallowed; or cut in its middle; or comes after the connection
       was reset in its place: the server is asked, and the file is not sent again.
    2. An upload is not read: it fails within `read_timeout_s`, counted, and is sent again.
    3. The answer comes byte by byte, later than any time-out in all: that is waited for.
    """
    home.start()
    cases: dict[str, tuple[Plan, int, int]] = {
        "swallowed": (Plan(once=UPLOAD, swallows=True, times=1), 1, 1),
        "cut": (Plan(once=UPLOAD, resets_after_down=40, times=1), 1, 1),
        "reset": (Plan(once=UPLOAD, resets_after_down=0, times=1), 1, 1),
        "unread": (Plan(once=UPLOAD, never_reads=True, times=1), 2, 2),
        "byte by byte": (Plan(once=UPLOAD, drip_s=0.008, times=1), 1, 1),
    }
    files = []
    for number, (name, (plan, posts, attempts)) in enumerate(cases.items()):
        proxy.plan = plan
        proxy.cut()
        seen = len(sandbox.uploads())
        size = LARGE if plan.never_reads else 20 * BLOCK
        files.append(make_fits(folder / f"{name}.fits", size, salt=number))
        row = home.wait_for_row(f"{name}.fits", substatus="done")
        made = len(sandbox.uploads()) - seen
        # The proxy gives what was not read to nobody: the server may not have seen that request.
        assert posts - plan.never_reads <= made <= posts, (name, made)
        told = home.json("status", files[-1])
        assert row["attempts"] == attempts, (name, told)
        steps = [datetime.fromisoformat(one["at"]) for one in told["history"]]
        lasted = [(after - before).total_seconds() for before, after in pairwise(steps)]
        assert max(lasted) < LONGEST_S, (name, told)
    assert arrived(sandbox.files(), files)
    assert home.status()["link"]["state"] == "online"


def test_a_link_of_50_kb_a_second_is_slow_and_no_trouble(
    home: Home, sandbox: Sandbox, proxy: Proxy, folder: Path
) -> None:
    """A file that needs three times as long as any time-out arrives at the first attempt.

    1. 500 kB go over a link of 50 kB/s with a read time-out of 3 s.
    """
    home.configure({"read_timeout_s": "3"})
    proxy.plan = Plan(bytes_per_s=50_000)
    home.start()
    file = make_fits(folder / "a.fits", 174 * BLOCK)

    home.wait_for(OK=1)
    assert home.row("a.fits")["attempts"] == 1
    assert arrived(sandbox.files(), [file])
    assert len(sandbox.uploads()) == 1
