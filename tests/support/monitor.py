"""`oort monitor` as a process of its own, and plain HTTP to look at it.

with running_monitor(home) as monitor:
    assert monitor.get("/healthz").status == 200
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.support.sandbox import Reply
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.daemon import Home

_ANSWER_S = 30.0


class Monitor:
    """A monitor of one home; ended by the block that started it."""

    def __init__(self, home: Home, *options: str, environment: Mapping[str, str] = {}) -> None:
        self._home = home
        self._environment = environment
        self._words = [sys.executable, "-m", "oort", "monitor", *options]
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self.port = 0

    def start(self, port: int = 0) -> None:
        """Start it and return when it listens."""
        with (self._home.folder / "monitor.stderr").open("ab") as complaints:
            self._process = subprocess.Popen(
                [*self._words, "--port", str(port)],
                env={**self._home.environment, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert "http://" in line, (line, self.complaints())
        self.url = next(word for word in line.split() if word.startswith("http://"))
        self.port = urlsplit(self.url).port or 0

    def complaints(self) -> str:
        """Return what it said on stderr."""
        return (self._home.folder / "monitor.stderr").read_text()

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; return its exit code."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            return process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)
            raise
        finally:
            if process.stdout is not None:
                process.stdout.close()

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str | None] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """Ask on a connection of its own; a header of None is not sent, not even the usual `Host`."""
        sent = {"Host": f"127.0.0.1:{self.port}", **(headers or {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_S)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())

    def get(self, path: str, **headers: str | None) -> Reply:
        """Ask for a path; underscores in the names of headers stand for dashes."""
        return self.request("GET", path, {k.replace("_", "-"): v for k, v in headers.items()})

    @contextlib.contextmanager
    def listening(self, **headers: str) -> Iterator[Events]:
        """Listen to the news as an open page does."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_S)
        with contextlib.closing(connection):
            connection.request("GET", "/events", headers=headers)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            yield Events(answer)

    def page_token(self) -> str:
        """Return the token that an open page is given."""
        with self.listening() as events:
            return str(events.next("hello")["token"])

    def order(self, command: str, what: Any, **headers: str | None) -> Reply:
        """Send an order as the page does, but for the headers that are given."""
        sent: dict[str, str | None] = {
            "Origin": f"http://127.0.0.1:{self.port}",
            "Content-Type": "application/json",
        }
        if "X_Oort_Token" not in headers:
            sent["X-Oort-Token"] = self.page_token()
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", f"/{command}", sent, json.dumps(what).encode())


class Events:
    """The news that a page gets, one by one."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self._answer = answer

    def next(self, name: str) -> Any:
        """Return the data of the next event of that name."""
        found = ""
        while True:
            line = self._answer.readline().decode()
            assert line, "the stream ended"
            if line.startswith("event: "):
                found = line.removeprefix("event: ").strip()
            elif line.startswith("data: ") and found == name:
                return json.loads(line.removeprefix("data: "))

    def wait_for(self, reached: Any) -> Any:
        """Return the first state of the page of which `reached` is true."""
        while True:
            page = self.next("page")
            if reached(page):
                return page


@contextlib.contextmanager
def running_monitor(
    home: Home, *options: str, environment: Mapping[str, str] = {}
) -> Iterator[Monitor]:
    """Run a monitor on a free port for the time of the block."""
    monitor = Monitor(home, *options, environment=environment)
    monitor.start()
    try:
        yield monitor
    finally:
        monitor.stop()


def open_files(pid: int) -> list[str]:
    """Return what a process has open."""
    folder = f"/proc/{pid}/fd"
    found = []
    for name in os.listdir(folder):  # noqa: PTH208  # a listing that changes while it is read
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"{folder}/{name}"))  # noqa: PTH115
    return found


def wait_for_open(pid: int, name: str, *, is_open: bool) -> None:
    """Wait until a process has, or has not, a file of that name open."""
    wait_until(lambda: any(name in one for one in open_files(pid)) == is_open)
