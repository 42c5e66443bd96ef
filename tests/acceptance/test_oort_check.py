"""`oort check`, the heartbeat and `oort queue backup`, as processes.

1. The level is the exit code; one line in the format of the monitoring plugins.
2. Each level provoked: well, a file that needs a person, no daemon, an old file that waits, a queue
   that cannot be read.
3. The heartbeat is called while it is well, its /fail when it is critical; what cannot be delivered
   is logged once; no key goes with it.
4. A copy of the queue while the daemon runs: whole, for its owner alone, never over another file.
"""

from __future__ import annotations

import contextlib
import http.server
import re
import sqlite3
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.files import make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.slow

_LINE = re.compile(
    r"OORT (OK|WARNING|CRITICAL|UNKNOWN) - [^|]+"
    r"( \| pending=\d+ errors=\d+ oldest_pending_s=\d+ lost=\d+)?\n"
)


def checked(home: Home, *options: str) -> tuple[int, str]:
    done = home.run("oort", "check", *options, check=False)
    assert done.stderr == ""
    assert _LINE.fullmatch(done.stdout), done.stdout
    return done.returncode, done.stdout


def test_the_levels(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    images = tmp_path / "images"
    make_fits(images / "a.fits")
    home.watch(images)
    code, line = checked(home)
    assert code == 2
    assert "the daemon is not running" in line

    home.start()
    home.wait_for(OK=1)
    assert checked(home) == (
        0,
        "OORT OK - the file is safe | pending=0 errors=0 oldest_pending_s=0 lost=0\n",
    )

    home.configure({"truncated_after_s": "1"})
    (images / "cut.fits").write_bytes(make_fits(tmp_path / "whole.fits").read_bytes()[:3000])
    home.wait_for(Error=1)
    code, line = checked(home)
    assert (code, "1 file needs you" in line) == (1, True)
    home.oort("skip", images / "cut.fits")
    assert checked(home)[0] == 0

    sandbox.refuse()
    make_fits(images / "b.fits", salt=1)
    home.wait_for(New=1)
    home.wait_for_link("offline")
    wait_until(
        lambda: checked(home, "--warn-age", "0.5")[0] == 1,
        timeout_s=20,
        what=lambda: str(checked(home)),
    )
    assert checked(home, "--warn-age", "0", "--crit-age", "0.5")[0] == 2


def test_a_queue_that_cannot_be_read_is_unknown(home: Home, tmp_path: Path) -> None:
    home.watch(tmp_path)
    (home.folder / "oort" / "oort.db").write_bytes(b"this is no database, and never was one")
    assert checked(home)[0] == 3
    (home.folder / "oort" / "config.toml").write_text("workers = 'many'\n")
    code, line = checked(home)
    assert code == 3
    assert "workers" in line


class Listener(http.server.BaseHTTPRequestHandler):
    """Notes what is called, and answers as it is told."""

    called: list[tuple[str, str]]
    status = 200

    def do_GET(self) -> None:
        self.called.append((self.path, str(self.headers)))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def listener() -> Iterator[tuple[type[Listener], str]]:
    """Listen for heartbeats; give what is called, and the address."""
    noting = type("Noting", (Listener,), {"called": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), noting) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        with contextlib.ExitStack() as stack:
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            yield noting, f"http://127.0.0.1:{server.server_port}/ping/abc?from=dome"


def test_the_heartbeat(
    home: Home, sandbox: Sandbox, listener: tuple[type[Listener], str], tmp_path: Path
) -> None:
    noting, url = listener
    images = tmp_path / "images"
    images.mkdir()
    home.watch(images)
    home.configure({"heartbeat_url": url, "heartbeat_s": "1"})
    home.start()
    wait_until(
        lambda: noting.called[-1:] and noting.called[-1][0] == "/ping/abc?from=dome",
        timeout_s=20,
        what=lambda: str(noting.called),
    )
    sandbox.renew_key("upload")  # what is stored is refused from now on: critical
    make_fits(images / "a.fits")
    wait_until(
        lambda: noting.called[-1][0] == "/ping/abc/fail?from=dome",
        timeout_s=30,
        what=lambda: str(noting.called),
    )
    noting.status = 500
    before = len(noting.called)
    wait_until(
        lambda: len(noting.called) > before + 2, timeout_s=20, what=lambda: str(noting.called)
    )
    assert home.told().count("heartbeat.not_delivered") == 1
    sent = "".join(headers for _, headers in noting.called)
    assert not any(key in sent for key in sandbox.keys)


def test_a_copy_of_the_queue(home: Home, tmp_path: Path) -> None:
    images = tmp_path / "images"
    make_fits(images / "a.fits")
    home.watch(images)
    copy = tmp_path / "queue-copy.db"
    done = home.run("oort", "queue", "backup", copy, check=False)
    assert (done.returncode, "there is no queue yet" in done.stderr) == (1, True)
    home.start()
    home.wait_for(OK=1)
    home.oort("queue", "backup", copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT status, name FROM uploads").fetchall() == [
            ("OK", "a.fits")
        ]
    before = copy.read_bytes()
    done = home.run("oort", "queue", "backup", copy, check=False)
    assert (done.returncode, "is there already" in done.stderr) == (1, True)
    assert copy.read_bytes() == before
    done = home.run("oort", "queue", "backup", "/proc/nowhere/copy.db", check=False)
    assert (done.returncode, "cannot be written" in done.stderr) == (1, True)
