"""No byte reaches the server: nobody listens, nobody is trusted, no name is found."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.certificates import Authority
from tests.support.files import arrived, make_fits
from tests.support.proxy import Plan, Proxy
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


@pytest.mark.nightly
def test_whatever_keeps_a_connection_from_coming_to_be_is_the_links(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The link is offline with a reason for people, the file is held at no cost, and then it flows.

    1. A daemon sends over https; then the port refuses, or nobody accepts (the connection times
       out), or TLS comes to nothing: a certificate that has expired, of an authority that nobody
       knows, of another host; or plain http is spoken there; or the name is not found.
    2. A file is written: the link is offline and says why, the file is held, no attempt is counted.
    3. The trouble is over: the file arrives, with one counted attempt, and the link is online.
    """
    folder = tmp_path / "dome"
    authority = Authority(tmp_path)
    home.configure({"ca_bundle": str(authority.bundle), "connect_timeout_s": "1"})
    home.watch(folder := _made(folder))
    with Proxy(sandbox.port, tls=authority.good()) as proxy:
        home.readdress(proxy.url)
        good = proxy.url
        home.start()
        files = [make_fits(folder / "0.fits")]
        home.wait_for(OK=1)

        def lose_the_name() -> None:
            taken = home.told().count("keys.changed")
            home.readdress("https://no-such-host.invalid")
            wait_until(
                lambda: home.told().count("keys.changed") > taken, timeout_s=30, what=home.told
            )

        def serve(tls: Callable[[], object]) -> Callable[[], None]:
            return lambda: setattr(proxy, "tls", tls())

        troubles: dict[str, tuple[Callable[[], None], str]] = {
            "nobody listens": (proxy.refuse, "Connection refused"),
            "nobody accepts": (proxy.never_accept, "no connection within 1 s"),
            "expired": (serve(authority.expired), "certificate has expired"),
            "unknown authority": (serve(authority.of_nobody_known), "not trusted"),
            "another host": (serve(authority.of_another_host), "not valid for '127.0.0.1'"),
            "plain http": (serve(lambda: None), "speaks no TLS"),
            "no such name": (lose_the_name, "no such host, or no name server"),
        }
        for number, (trouble, (begin, words)) in enumerate(troubles.items(), start=1):
            begin()
            proxy.cut()
            files.append(make_fits(folder / f"{number}.fits", salt=number))
            link = home.wait_for_link("offline", words)
            assert link["next_attempt_at"] is not None
            waiting = home.wait_for_row(files[-1].name, substatus="pending", attempts=0)
            assert words in waiting["error"], trouble

            proxy.tls = authority.good()
            proxy.listen()
            if trouble == "no such name":
                home.readdress(good)
            home.wait_for_row(files[-1].name, substatus="done")
            home.wait_for_link("online")
    assert arrived(sandbox.files(), files)
    assert {row["attempts"] for row in home.json("uploads")} == {1}
    assert len(sandbox.uploads()) == len(files)


@pytest.mark.nightly
def test_an_outage_is_probed_by_one_at_a_time_and_is_quiet(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """While the server is away there is a probe now and then, hardly a line in the log, hardly a write.

    1. Six files wait while every connection is reset as soon as it is made.
    2. For eight seconds: no two connections at once, each later than the one before by up to
       `link_retry_max_s`; not one line in the log; the queue is written once a probe at most.
    3. The server is there again: all six arrive, with one counted attempt each.
    """
    home.configure({"link_retry_max_s": "3", "rescan_s": "60"})
    home.watch(folder := _made(tmp_path / "dome"))
    with Proxy(sandbox.port) as proxy:
        home.readdress(proxy.url)
        proxy.plan = Plan(resets_after_up=0)
        home.start()
        files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(6)]
        home.wait_for_link("offline", "connection broke")
        home.wait_for_row("5.fits", substatus="pending")
        wait_until(lambda: home.link()["state"] == "offline" and proxy.accepted > 12, timeout_s=60)

        log = home.log_file.stat().st_size
        accepted, proxy.most_at_once = proxy.accepted, 0
        writes = _count_writes(home, for_s=8)
        probes = proxy.accepted - accepted

        assert 2 <= probes <= 4, probes
        assert proxy.most_at_once == 1
        assert writes <= probes + 1, (writes, probes)
        assert home.log_file.read_bytes()[log:] == b""
        rows = home.json("uploads")
        assert {(row["substatus"], row["attempts"]) for row in rows} == {("held", 0)}

        proxy.plan = Plan()
        home.wait_for(OK=6)
    assert arrived(sandbox.files(), files)
    assert {row["attempts"] for row in home.json("uploads")} == {1}


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _count_writes(home: Home, *, for_s: float) -> int:
    """Return how often something was committed to the queue in that time."""
    file = home.folder / "oort" / "oort.db"
    until = time.monotonic() + for_s
    versions = set()
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as queue:
        while time.monotonic() < until:
            versions.add(queue.execute("PRAGMA data_version").fetchone())
            threading.Event().wait(0.05)
    return len(versions) - 1
