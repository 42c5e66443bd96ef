"""Servers that misbehave byte by byte: a listening socket, and a function per connection."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING

from tests.support.wait import wait_until

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

RESET = struct.pack("ii", 1, 0)
ANSWER = (
    b'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"pk":1}'
)


class RawServer:
    """Accepts on a port of its own and gives each connection to `handler`, in a thread of its own.

    What a handler raises is kept in `errors`, what it returns in `results`. With `tls` the handler
    is given the encrypted socket.
    """

    def __init__(
        self,
        handler: Callable[[Connection], object] | None,
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self._handler = handler
        self._tls = tls
        self._listener = socket.create_server((host, 0), backlog=8)
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.stopping = threading.Event()
        self.results: list[object] = []
        self.errors: list[BaseException] = []
        self.accepted = 0
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        if handler is not None:
            self._start(self._accept)

    def __enter__(self) -> RawServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open and wait for the threads."""
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(timeout=20)

    def result(self) -> object:
        """Wait for the first handler to return, and return what it returned."""
        return wait_until(lambda: self.results or self.errors, what="no handler returned")[0]

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, name="raw server")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            # As real servers do; an answer held back by Nagle would be lost when we close.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.accepted += 1
            self._open.append(sock)
            self._start(self._handle, sock)

    def _handle(self, sock: socket.socket) -> None:
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            assert self._handler is not None
            self.results.append(self._handler(Connection(sock, self.stopping)))
        except (OSError, AssertionError) as error:
            self.errors.append(error)
        finally:
            sock.close()


class Connection:
    """One accepted connection, with what the scenarios are made of."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self.sock = sock
        self.stopping = stopping
        self.received = b""

    def read_head(self) -> bytes:
        """Read until the empty line after the headers; what came of the body is in `received`."""
        while b"\r\n\r\n" not in self.received:
            if not (data := self.sock.recv(65536)):
                break
            self.received += data
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        return head

    def read_body(self, count: int) -> bytes:
        """Read `count` bytes of the body in all, or less at its end."""
        while len(self.received) < count:
            if not (data := self.sock.recv(min(65536, count - len(self.received)))):
                break
            self.received += data
        return self.received

    def read_request(self) -> bytes:
        """Read one request with a Content-Length whole; return its head."""
        head = self.read_head()
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                self.read_body(int(value))
        return head

    def how_it_ends(self) -> str:
        """Read on until the other side closes; return "reset" or "end"."""
        try:
            while data := self.sock.recv(65536):
                self.received += data
        except ConnectionResetError:
            return "reset"
        return "end"

    def reset(self) -> None:
        """Close with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        socket.socket.close(self.sock)

    def hold(self) -> None:
        """Do nothing until the server is closed."""
        self.stopping.wait(60)
