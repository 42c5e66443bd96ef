"""Listens on loopback, says so, and ends on SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from arcsecond.errors import InputError
from arcsecond.sandbox import space
from arcsecond.sandbox.app import SandboxApp
from arcsecond.sandbox.database import StorageError, StorageInUseError
from arcsecond.sandbox.exchange import reset
from arcsecond.sandbox.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOST = "127.0.0.1"
_KEEP_ALIVE_S = 75
_LAST_ANSWERS_S = 1.0
_BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Ready:
    """What a sandbox says once it listens."""

    url: str
    username: str
    upload_key: str
    access_key: str
    storage: str


class _Protocol(H11Protocol):
    """HTTP/1.1 whose requests know their connection, so that it can be reset."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it the same way
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class Listener(uvicorn.Server):
    """The server; can stop listening for a while on the port that it has."""

    def __init__(self, app: SandboxApp, sock: socket.socket, announce: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                date_header=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                backlog=_BACKLOG,
            )
        )
        self._app = app
        self._address = sock.getsockname()
        self._announce = announce
        self._reopening: asyncio.Task[None] | None = None
        self._held: socket.socket | None = None
        self._door = asyncio.Lock()

    @property
    def is_listening(self) -> bool:
        """Whether new connections are accepted."""
        return self._held is None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, give the answers in hand a moment, then reset what is left."""
        self._stop_listening()
        for sock in (*(sockets or ()), *((self._held,) if self._held else ())):
            sock.close()
        self._app.waiting.closing.set()
        await self._until_idle()
        for connection in list(self.server_state.connections):
            reset(connection.transport)
        await self._until_idle()

    async def _until_idle(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _LAST_ANSWERS_S
        while self.server_state.tasks and loop.time() < deadline:
            await asyncio.sleep(0.01)

    def _stop_listening(self) -> None:
        for server in self.servers:
            server.close()

    async def refuse(self, for_s: float, *, cut: bool, spare: asyncio.Transport) -> None:
        """Refuse new connections for some seconds; with `cut`, reset all others but `spare`."""
        async with self._door:
            self._forget_reopening()
            if self._held is None:
                self._stop_listening()
                # Bound but not listening: connections are refused, and nobody can take the port.
                self._held = bind(self._address[1])
            self._reopening = asyncio.create_task(self._reopen_after(for_s))
        if cut:
            for connection in list(self.server_state.connections):
                if connection.transport is not spare:
                    reset(connection.transport)

    async def resume(self) -> None:
        """Listen again, if we do not."""
        async with self._door:
            self._forget_reopening()
            await self._listen()

    async def _reopen_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        async with self._door:
            self._reopening = None
            await self._listen()

    def _forget_reopening(self) -> None:
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None

    async def _listen(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            server = await asyncio.get_running_loop().create_server(
                lambda: _Protocol(self.config, self.server_state, {}), sock=held, backlog=_BACKLOG
            )
            self.servers = [server]


def bind(port: int) -> socket.socket:
    """Return a socket bound to a loopback port, any free one for 0; raises OSError."""
    # The protocol by name: asyncio switches off Nagle only where it sees it.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows: SO_REUSEADDR would steal the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((HOST, port))
    except OSError:
        sock.close()
        raise
    return sock


def serve(
    storage: Path,
    *,
    port: int,
    page_size: int | None,
    faults: bool,
    announce: Callable[[Ready], None],
) -> None:
    """Serve from `storage` until SIGTERM or Ctrl-C; raises InputError where that cannot be."""
    try:
        store = Store(storage)
    except StorageInUseError as error:
        raise InputError(
            f"The storage {storage} is in use by another sandbox.",
            hint="Stop it, or give another folder with --storage.",
        ) from error
    except (StorageError, OSError) as error:
        words = getattr(error, "strerror", None) or error
        raise InputError(f"The storage {storage} cannot be used: {words}.") from error
    try:
        space.seed(store)
        sock = _bound(port)
        account = store.accounts()[0]
        ready = Ready(
            url=f"http://{HOST}:{sock.getsockname()[1]}",
            username=account.username,
            upload_key=account.upload_key,
            access_key=account.access_key,
            storage=str(storage),
        )
        app = SandboxApp(store, page_size=page_size, faults=faults)
        listener = Listener(app, sock, lambda: announce(ready))
        app.listener = listener
        _run(listener, sock)
    finally:
        store.close()


def _bound(port: int) -> socket.socket:
    try:
        return bind(port)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise InputError(
            f"Port {port} is taken." if taken else f"Port {port}: {error.strerror}.",
            hint="Give another one with --port; 0 takes any free one.",
        ) from error


def _run(listener: Listener, sock: socket.socket) -> None:
    # uvicorn raises the signal again when it is done, for whoever was there before: nobody, here,
    # because an ending that was asked for is a success.
    def ended(*_: Any) -> None:
        """Leave it at that."""

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ended)
    listener.run(sockets=[sock])
