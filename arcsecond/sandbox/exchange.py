"""One request and what is known of it, from its first line to the reset that may end it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qsl

from arcsecond.sandbox.answers import RefusedError, to_json
from arcsecond.sandbox.faults import Plan
from arcsecond.sandbox.store import timestamp
from arcsecond.sandbox.values import PERSONAL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope

    from arcsecond.sandbox.faults import Rules
    from arcsecond.sandbox.store import Store
    from arcsecond.sandbox.values import Account

LARGEST_BODY_BYTES = 64 * 1024 * 1024
_LINGER_NOT = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_NARROW_BYTES = 64 * 1024
"""With less, loopback's large segments wait for the kernel's timers, and nothing flows for seconds."""


class GoneError(Exception):
    """The client left, or a rule cut it off: there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Key:
    """Whose key came with a request, and which of the two."""

    account: Account
    is_upload_key: bool


@dataclass(slots=True)
class Record:
    """What `/_faults/requests/` shows of a request."""

    id: int
    method: str
    path: str
    query: str
    connection: int
    user_agent: str
    status: int | None = None
    bytes_received: int = 0
    body_complete: bool = False
    key: str | None = None
    file: str | None = None
    dataset: str | None = None
    stored: bool = False
    reset: bool = False
    done: bool = False


@dataclass(slots=True)
class Waiting:
    """Waiting that ends early when the server does."""

    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, seconds: float | None) -> None:
        """Wait, for ever where `seconds` is None; return early when the server ends."""
        try:
            await asyncio.wait_for(self.closing.wait(), seconds)
        except TimeoutError:
            return


class Exchange:
    """One request: what the views ask it, and how its body is read under the rules in force."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        *,
        store: Store,
        rules: Rules,
        waiting: Waiting,
        page_size: int | None,
        number: int,
    ) -> None:
        self.store = store
        self.page_size = page_size
        self.rules = rules
        self.waiting = waiting
        self.method: str = scope["method"]
        self.full_path: str = scope["path"]
        self.path = self.full_path
        self.portal = PERSONAL
        self.verb = "GET" if self.method in ("HEAD", "OPTIONS") else self.method
        """The method whose rights are needed: asking about is reading."""
        self.key: Key | None = None
        self.plan = Plan()
        self.is_gone = False
        self._scope = scope
        self._receive = receive
        self.transport: asyncio.Transport = scope["state"]["transport"]
        client = scope["client"] or ("", 0)
        self.record = Record(
            id=number,
            method=self.method,
            path=self.full_path,
            query=scope["query_string"].decode("latin-1"),
            connection=client[1],
            user_agent=self.header(b"user-agent"),
        )

    # What was asked

    def header(self, name: bytes) -> str:
        """Return a header, or the empty text."""
        return next((v.decode("latin-1") for k, v in self._scope["headers"] if k == name), "")

    @cached_property
    def query(self) -> dict[str, str]:
        """The query; of several values of one name the last."""
        return dict(
            parse_qsl(self._scope["query_string"].decode("latin-1"), keep_blank_values=True)
        )

    @property
    def filters(self) -> dict[str, str]:
        """The query without what turns pages; empty where a rule ignores filters."""
        if self.plan.ignore_filters:
            return {}
        return {k: v for k, v in self.query.items() if k not in ("page", "page_size", "format")}

    @property
    def shown_until(self) -> str | None:
        """The time since which nothing that was stored is shown yet, where a rule wants that."""
        return None if self.plan.lag_s is None else timestamp(self.plan.lag_s)

    def url(self, path: str) -> str:
        """Return the absolute URL of a path, as the client would write the server's name."""
        host, port = self._scope["server"]
        return f"http://{self.header(b'host') or f'{host}:{port}'}{path}"

    # Its body

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes; raises GoneError when the client leaves before its end."""
        began_at = asyncio.get_running_loop().time()
        if self.plan.read_bytes_per_s is not None:
            narrow(self.transport)
        while not self.record.body_complete:
            if self.plan.read_bytes_per_s == 0:
                await self.waiting.wait(None)
                self.cut()
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.is_gone = True
                raise GoneError
            chunk: bytes = message.get("body", b"")
            self.record.bytes_received += len(chunk)
            self.record.body_complete = not message.get("more_body", False)
            self.meddle()
            if self.plan.read_bytes_per_s:
                due_at = began_at + self.record.bytes_received / self.plan.read_bytes_per_s
                await self.waiting.wait(due_at - asyncio.get_running_loop().time())
            if chunk:
                yield chunk

    def meddle(self) -> None:
        """Do what a rule wants done in the middle of the body; raises GoneError after a reset."""
        kill, drop, arrived = self.plan.kill, self.plan.drop, self.record.bytes_received
        if kill and kill.after_bytes is not None and arrived >= kill.after_bytes:
            self.kill()
        if drop and drop.when == "during" and arrived >= drop.after_bytes:
            self.cut()

    def kill(self) -> None:
        """Kill the process that the plan names, once."""
        kill, self.plan.kill = self.plan.kill, None
        if kill is not None:
            with suppress(ProcessLookupError):
                # Windows has no SIGKILL; its SIGTERM is as hard.
                os.kill(kill.pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    async def drain(self) -> None:
        """Read the body and forget it."""
        async for _ in self.chunks():
            pass

    async def body(self) -> bytes:
        """Return a body that is no file; raises RefusedError where it is too large."""
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > LARGEST_BODY_BYTES:
                raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large.")
        return bytes(body)

    async def json(self) -> dict[str, Any]:
        """Return the body's JSON object; raises RefusedError."""
        return self.as_json(await self.body())

    @staticmethod
    def as_json(body: bytes) -> dict[str, Any]:
        """Return the JSON object of a body, an empty one of none; raises RefusedError."""
        try:
            value = json.loads(body or b"{}")
            to_json(value)  # a lone surrogate is valid JSON, and no text
        except ValueError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"JSON parse error - {error}") from error
        if not isinstance(value, dict):
            words = "Invalid data. Expected a dictionary."
            raise RefusedError(HTTPStatus.BAD_REQUEST, {"non_field_errors": [words]})
        return value

    # Its end

    def cut(self) -> NoReturn:
        """Reset the connection; raises GoneError."""
        self.record.reset = self.is_gone = True
        reset(self.transport)
        raise GoneError

    async def until_gone(self) -> None:
        """Wait until the server has noticed that the client is gone, so that it sends nothing."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


def reset(transport: asyncio.Transport) -> None:
    """End a connection with RST, so that what is on its way in either direction is lost."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()


def narrow(transport: asyncio.Transport) -> None:
    """Let the kernel take in as little as it can ahead of a slow reader."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _NARROW_BYTES)
