"""A thin link in front of the server: so many bytes a second for all connections together.

The connections share it as they would a line: each in its turn, a few kilobytes at a time. What
went through is known at any moment, which a server's log tells only when a file is there.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Container

_PIECE: Final = 4096
_WINDOW: Final = 16 * 1024
"""Little is taken ahead: what a client has sent is nearly what the server has got."""
_TICK_S: Final = 0.01
_CREDIT_S: Final = 0.1
"""So much time may be caught up with: on a busy machine this thread does not run each tick."""


class Link:
    """Listens on a port of its own for the time of a `with` block; one thread carries all."""

    def __init__(self, to_port: int, *, bytes_per_s: float | None = None) -> None:
        self._to_port = to_port
        self._bytes_per_s = bytes_per_s
        self._selector = selectors.DefaultSelector()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="link")
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._partners: dict[socket.socket, socket.socket] = {}
        self._turns: list[socket.socket] = []  # of the clients, the one whose turn it is first
        self._credit = 0.0
        self.moved: list[tuple[float, int]] = []
        """When (wall clock), and how many bytes had gone up by then; a line for each piece."""
        self._total = 0
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        """The address to give to a client."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Link:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for sock in (*self._partners, self._listener):
            sock.close()
        self._selector.close()

    def total_at(self, when: float) -> int:
        """Return how many bytes had gone up at a time of the wall clock."""
        return next((total for at, total in reversed(self.moved) if at <= when), 0)

    def rate(self, since: float, until: float) -> float:
        """Return bytes a second between two times of the wall clock."""
        return (self.total_at(until) - self.total_at(since)) / (until - since)

    # -- carrying --------------------------------------------------------------------------------

    def _run(self) -> None:
        looked = time.monotonic()
        while not self._over.is_set():
            ready = {key.fileobj for key, _ in self._selector.select(_TICK_S)}
            now = time.monotonic()
            self._earn(now - looked)
            looked = now
            if self._listener in ready:
                self._accept()
            for sock in [one for one in self._partners if one in ready]:
                if sock not in self._turns:
                    self._carry(sock)
            self._carry_up(ready)
            if not self._may_send:
                time.sleep(_TICK_S / 2)

    def _earn(self, seconds: float) -> None:
        if self._bytes_per_s is not None:
            most = max(2 * _PIECE, self._bytes_per_s * _CREDIT_S)
            self._credit = min(self._credit + self._bytes_per_s * seconds, most)

    @property
    def _may_send(self) -> bool:
        return self._bytes_per_s is None or self._credit >= _PIECE

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self._to_port))
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._selector.register(sock, selectors.EVENT_READ)
            self._partners |= {client: server, server: client}
            self._turns.append(client)

    def _carry_up(self, ready: Container[object]) -> None:
        """Give a piece to each that has something to send, as long as there is credit, in turn."""
        for sock in list(self._turns):
            if not self._may_send:
                return
            if sock in ready:
                count = self._carry(sock)
                self._credit -= count
                self._total += count
                self.moved.append((time.time(), self._total))
                if sock in self._turns:  # it comes last now
                    self._turns.remove(sock)
                    self._turns.append(sock)

    def _carry(self, sock: socket.socket) -> int:
        """Hand on what is there, at most a piece; what ends at one side ends at both."""
        partner = self._partners.get(sock)
        if partner is None:
            return 0
        try:
            piece = sock.recv(_PIECE)
            partner.sendall(piece)
        except OSError:
            piece = b""
        if not piece:
            for one in (sock, partner):
                self._selector.unregister(one)
                self._partners.pop(one)
                if one in self._turns:
                    self._turns.remove(one)
                one.close()
        return len(piece)
