"""A sandbox as a process of its own, its fault switchboard, and plain HTTP to look at it.

    with running_sandbox(tmp_path / "sandbox") as sandbox:
        sandbox.rule(method="POST", path="/datafiles/", status=503, times=2)
        …                                   # what is tested talks to sandbox.url
        assert [file["name"] for file in sandbox.files()] == ["a.fits"]

The fixture `sandbox` of `tests/conftest.py` is one with the switchboard open.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from email.message import Message
    from pathlib import Path

_ANSWER_S = 60.0
_END_S = 20.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer as it came."""

    status: int
    headers: Message
    content: bytes

    def json(self) -> Any:
        """Return the answer's JSON."""
        return json.loads(self.content)


class Sandbox:
    """`python -m arcsecond.sandbox`: started, stopped, killed, started again on its port."""

    def __init__(self, storage: Path, *, page_size: int | None = None, faults: bool = True) -> None:
        self.storage = storage
        self.url = ""
        self.username = ""
        self.upload_key = ""
        self.access_key = ""
        self.keys: set[str] = set()
        """Every key that it gave out, also those that are not valid any more."""
        self.port = 0
        self._options = ["--faults"] * faults
        if page_size is not None:
            self._options += ["--page-size", str(page_size)]
        self._process: subprocess.Popen[bytes] | None = None
        self._control: http.client.HTTPConnection | None = None
        self._lock = threading.Lock()

    # The process

    @property
    def pid(self) -> int:
        """The process that serves."""
        assert self._process is not None
        return self._process.pid

    @property
    def portal(self) -> str:
        """The subdomain of the portal that a fresh storage has."""
        membership, *_ = self.get(f"/profiles/{self.username}/").json()["memberships"]
        return str(membership["organisation"]["subdomain"])

    def start(self) -> None:
        """Start it and wait until it listens; a second time on the same port."""
        self.storage.parent.mkdir(parents=True, exist_ok=True)
        complaints = self.storage.parent / f"{self.storage.name}.stderr"
        argv = [sys.executable, "-m", "arcsecond.sandbox", "--json", *self._options]
        argv += ["--port", str(self.port), "--storage", str(self.storage)]
        with complaints.open("ab") as stderr:
            self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=stderr)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._end()
            raise AssertionError(f"the sandbox did not start: {complaints.read_text()}")
        said = json.loads(line)
        self.url, self.username = said["url"], said["username"]
        self.upload_key, self.access_key = said["upload_key"], said["access_key"]
        self.keys |= {self.upload_key, self.access_key}
        self.port = urlsplit(self.url).port or 0

    def stop(self) -> int:
        """Ask it to end with SIGTERM; return its exit code."""
        if self._process is not None:
            self._process.terminate()
        return self._end()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
        self._end()

    def _end(self) -> int:
        self._forget_connection()
        if self._process is None:
            return 0
        process, self._process = self._process, None
        try:
            return process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_END_S)
            raise
        finally:
            if process.stdout is not None:
                process.stdout.close()

    # The switchboard

    def rule(self, **rule: Any) -> int:
        """Add a rule (docs/sandbox.md has the words); return its id."""
        return int(self._switch("POST", "", rule)["id"])

    def refuse(self, for_s: float = 3600.0, *, cut: bool = False) -> None:
        """Refuse connections, for so long or until `clear`; with `cut`, reset the open ones."""
        self._switch("POST", "", {"refuse": True, "for_s": for_s, "cut": cut})

    def clear(self) -> None:
        """Forget all rules, and accept connections again."""
        self._switch("DELETE", "")

    def remove(self, rule: int) -> None:
        """Forget one rule."""
        self._switch("DELETE", f"{rule}/")

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules in force with their counters `matched` and `applied`."""
        return list(self._switch("GET", "")["rules"])

    def files(self) -> list[dict[str, Any]]:
        """Return every stored data file, of every portal, in the order of its storing."""
        return list(self._switch("GET", "files/"))

    def add_records(self, dataset: str, files: Sequence[Mapping[str, Any]]) -> None:
        """Make data files of name, size and tags that have no bytes: a record that lost its file."""
        self._switch("POST", "files/", {"dataset": dataset, "files": list(files)})

    def requests(self, method: str | None = None, path: str = "") -> list[dict[str, Any]]:
        """Return what was asked so far, of that method and with that text in its path."""
        return [
            request
            for request in self._switch("GET", "requests/")
            if method in (None, request["method"]) and path in request["path"]
        ]

    def uploads(self) -> list[dict[str, Any]]:
        """Return the requests that sent a file, or tried to."""
        return self.requests("POST", "/datafiles/")

    def forget_requests(self) -> None:
        """Empty the record of requests."""
        self._switch("DELETE", "requests/")

    def renew_key(self, kind: str) -> str:
        """Replace the `upload` or the `access` key, as the web site does; return the new one."""
        key = str(self._switch("POST", "keys/", {"kind": kind})[f"{kind}_key"])
        setattr(self, f"{kind}_key", key)
        self.keys.add(key)
        return key

    def add_portal(self, subdomain: str, role: str | None = "member") -> None:
        """Add a portal, or change the account's role in one; None makes it a stranger there."""
        self._switch("POST", "portals/", {"subdomain": subdomain, "role": role})

    def _switch(self, method: str, path: str, body: Any = None) -> Any:
        # One kept connection: it goes on working while new ones are refused.
        content = None if body is None else json.dumps(body).encode()
        with self._lock:
            try:
                reply, answer = self._ask(method, path, content)
            except http.client.RemoteDisconnected:  # it was idle for too long
                self._forget_connection()
                reply, answer = self._ask(method, path, content)
        assert reply.status < 300, f"{method} /_faults/{path}: {reply.status} {answer!r}"
        return json.loads(answer) if answer else None

    def _ask(
        self, method: str, path: str, content: bytes | None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        if self._control is None:
            self._control = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_S)
        headers = {"Content-Type": "application/json"}
        self._control.request(method, f"/_faults/{path}", content, headers)
        reply = self._control.getresponse()
        return reply, reply.read()

    def _forget_connection(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None

    # Plain requests of the API, to prepare and to look

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Reply:
        """Ask on a connection of its own; with the access key, or with `key` ("" for none)."""
        key = self.access_key if key is None else key
        sent = {"X-Arcsecond-API-Authorization": f"Key {key}"} if key else {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_S)
        with contextlib.closing(connection):
            connection.request(method, path, body, {**sent, **(headers or {})})
            reply = connection.getresponse()
            return Reply(reply.status, reply.headers, reply.read())

    def get(self, path: str, *, key: str | None = None) -> Reply:
        """Ask for a path."""
        return self.request("GET", path, key=key)

    def send(self, method: str, path: str, value: Any, *, key: str | None = None) -> Reply:
        """Send JSON."""
        headers = {"Content-Type": "application/json"}
        return self.request(method, path, body=json.dumps(value).encode(), headers=headers, key=key)

    def create_dataset(
        self, name: str, *, telescope: str | None = None, portal: str | None = None
    ) -> str:
        """Create a dataset; return its UUID."""
        prefix = f"/{portal}" if portal else ""
        reply = self.send("POST", f"{prefix}/datasets/", {"name": name, "telescope": telescope})
        assert reply.status == 201, reply
        return str(reply.json()["uuid"])

    def telescopes(self, portal: str | None = None) -> list[dict[str, Any]]:
        """Return the telescopes of the account, or of a portal."""
        found = self.get(f"/{portal}/telescopes/" if portal else "/telescopes/").json()
        return list(found["results"] if isinstance(found, dict) else found)

    def datasets(self) -> list[dict[str, Any]]:
        """Return the datasets of the account."""
        found = self.get("/datasets/?page_size=1000").json()
        return list(found["results"] if isinstance(found, dict) else found)

    def upload(
        self,
        dataset: str,
        name: str,
        content: bytes,
        *,
        tags: Sequence[str] = (),
        portal: str | None = None,
        key: str | None = None,
    ) -> Reply:
        """Upload a file as somebody else would: to put a namesake there, for one."""
        body, content_type = form(
            [("dataset", dataset), ("file", (name, content)), ("tags", ",".join(tags))]
        )
        path = f"/{portal}/datafiles/" if portal else "/datafiles/"
        headers = {"Content-Type": content_type}
        return self.request("POST", path, body=body, headers=headers, key=key)


def form(parts: Sequence[tuple[str, str | tuple[str, bytes]]]) -> tuple[bytes, str]:
    """Return a multipart body and its content type; a pair of name and bytes is a file."""
    boundary = secrets.token_hex(16)
    body = bytearray()
    for name, value in parts:
        file_name = f'; filename="{value[0]}"' if isinstance(value, tuple) else ""
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file_name}\r\n\r\n'
        content = value[1] if isinstance(value, tuple) else value.encode()
        body += head.encode() + content + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return bytes(body), f"multipart/form-data; boundary={boundary}"


@contextlib.contextmanager
def running_sandbox(
    storage: Path, *, page_size: int | None = None, faults: bool = True
) -> Iterator[Sandbox]:
    """Run a sandbox on a free port for the time of the block."""
    sandbox = Sandbox(storage, page_size=page_size, faults=faults)
    sandbox.start()
    try:
        yield sandbox
    finally:
        sandbox.stop()
