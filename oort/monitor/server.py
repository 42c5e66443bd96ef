"""Listens where it may, says so, and ends on SIGTERM or Ctrl-C with 0."""

from __future__ import annotations

import signal
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from oort.clock import SystemClock
from oort.errors import OortError
from oort.monitor.app import Monitor
from oort.monitor.security import Access, host_name, is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

    from oort.locations import Locations

_BACKLOG: Final = 128
_LAST_ANSWERS_S: Final = 2
_MOST_CONNECTIONS: Final = 250


@dataclass(frozen=True, slots=True)
class Options:
    """What `oort monitor` was asked for; the host is a name or an address, port 0 any free one."""

    host: str = "127.0.0.1"
    port: int = 5001
    token: str | None = None
    read_only: bool = False
    allowed_hosts: tuple[str, ...] = field(default_factory=tuple)


class _Server(uvicorn.Server):
    """The server; ends the streams of open pages before it waits for its last answers."""

    def __init__(self, monitor: Monitor, announce: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                monitor.app(),
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_graceful_shutdown=_LAST_ANSWERS_S,
            )
        )
        self._monitor = monitor
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End every stream, then the server."""
        await self._monitor.close()
        await super().shutdown(sockets)


def serve(locations: Locations, options: Options, announce: Callable[[str], None]) -> None:
    """Serve the page until SIGTERM or Ctrl-C; `announce` gets its address once it is there.

    Raises `OortError` where that cannot be, and for a host that others can reach without a token.
    """
    family, address = _resolved(options)
    access = Access(
        token=options.token,
        hosts=frozenset(
            name
            for name in (host_name(one) for one in (options.host, *options.allowed_hosts))
            if name is not None
        ),
        read_only=options.read_only,
    )
    with _bound(family, address, options.port) as sock:
        port = sock.getsockname()[1]
        shown = f"[{options.host}]" if ":" in options.host else options.host
        monitor = Monitor(locations, SystemClock(), access)
        server = _Server(monitor, lambda: announce(f"http://{shown}:{port}"))
        _run(server, sock)


def _resolved(options: Options) -> tuple[socket.AddressFamily, str]:
    """Return family and address of the host. Raises OortError where a token is needed."""
    try:
        found = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OortError(f"--host {options.host} is no host of this machine: {error}") from error
    if options.token is None and not is_loopback(str(one[4][0]) for one in found):
        raise OortError(
            f"--host {options.host} can be reached from other machines, and needs a token",
            hint="--token-file FILE names one, or OORT_MONITOR_TOKEN; `openssl rand -hex 32` makes one",
        )
    family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, str(address[0])


def _bound(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    # The protocol by name: asyncio switches off Nagle only where it sees it.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows: SO_REUSEADDR would steal the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise OortError(
            f"{address} port {port} cannot be used: {error.strerror}",
            hint="give another one with --port; 0 takes any free one",
        ) from error
    return sock


def _run(server: _Server, sock: socket.socket) -> None:
    # uvicorn raises the signal again when it is done, for whoever was there before: nobody, here,
    # because an ending that was asked for is a success.
    def ended(*_: Any) -> None:
        """Leave it at that."""

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ended)
    server.run(sockets=[sock])
