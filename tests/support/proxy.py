"""A TCP proxy in front of a server, which does to each connection what the test has planned for it.

    with Proxy(sandbox.port) as proxy:
        proxy.plan = Plan(bytes_per_s=50_000)      # for every connection from now on
        proxy.plan_next(Plan(resets_after_up=1_000_000), Plan(swallows=True))
        proxy.refuse()                             # as if nobody listened on that port
        proxy.listen()
        proxy.freeze()                             # as if the cable was pulled: no byte, no reset

With `tls` it ends TLS in front of the server, as a web server does.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_RESET: Final = struct.pack("ii", 1, 0)
_TICK_S: Final = 0.02
_WINDOW: Final = 16 * 1024
"""Little is taken ahead, so that what a client has sent is nearly what the server has got."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done to one connection; without anything it is carried through."""

    once: bytes = b""
    """The plan begins when the client has sent these bytes, and so does its count."""
    times: int | None = None
    """On how many connections it begins; on the others it never does."""
    resets_after_up: int | None = None
    """Both sides are reset when so many bytes went to the server."""
    resets_after_down: int | None = None
    """Both sides are reset when so many bytes went to the client; 0: when an answer would."""
    swallows: bool = False
    """The server's answer is taken, and goes nowhere; the client waits."""
    never_reads: bool = False
    """Nothing of what the client sends is taken."""
    drip_s: float = 0.0
    """The answer comes byte by byte, so far apart."""
    bytes_per_s: float | None = None
    """How fast bytes go to the server."""
    answers: bytes | None = None
    """Says this once instead of the server as soon as the head is there, and resets the connection."""
    heard_s: float = 0.0
    """So long after `answers` comes the reset: time to read them; at once, they may be lost in it."""
    closes: bool = False
    """After `answers` the connection is closed in order instead."""


class Proxy:
    """Listens on a port of its own; one thread accepts, one more carries each connection."""

    def __init__(
        self, to_port: int, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self._to_port = to_port
        self.tls = tls
        """Who ends TLS here; another one, or none, is for the connections that follow."""
        self._host = host
        self._lock = threading.Lock()
        self._next: list[Plan] = []
        self._begun: dict[Plan, int] = {}
        self._connections: list[_Connection] = []
        self._threads: list[threading.Thread] = []
        self._callers: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self._frozen = threading.Event()
        self._over = threading.Event()
        self.plan = Plan()
        self.accepted = 0
        self.most_at_once = 0
        self._open_now = 0
        self.tls_errors: list[Exception] = []
        """Handshakes that came to nothing."""
        self.port = 0
        self.listen()

    @property
    def url(self) -> str:
        """The proxy's address, as a client is to use it."""
        return f"{'https' if self.tls else 'http'}://{self._host}:{self.port}"

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def plan_next(self, *plans: Plan) -> None:
        """Have the next connections go by these plans, one each."""
        with self._lock:
            self._next += plans

    def listen(self) -> None:
        """Accept connections (again)."""
        self._stop_listening()
        self._thaw()
        self._listener = self._open(backlog=64)
        self._start(self._accept, self._listener)

    def refuse(self) -> None:
        """Refuse connections; the open ones go on (`cut` resets them)."""
        self._stop_listening()

    def never_accept(self) -> None:
        """Let those who connect wait: the place where they wait is full."""
        self._stop_listening()
        self._listener = self._open(backlog=0)
        for _ in range(4):
            caller = socket.socket()
            caller.setblocking(False)
            caller.connect_ex((self._host, self.port))
            self._callers.append(caller)

    def freeze(self) -> None:
        """Carry nothing more, on no connection, and say nothing; `listen` ends it."""
        self._frozen.set()

    def _thaw(self) -> None:
        self._frozen.clear()

    def cut(self) -> None:
        """Reset every open connection."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.cut.set()

    def close(self) -> None:
        """Close all, and wait for the threads."""
        self._over.set()
        self._stop_listening()
        self.cut()
        for thread in self._threads:
            thread.join(timeout=20)

    def _open(self, *, backlog: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW)
        listener.bind((self._host, self.port))
        listener.listen(backlog)
        self.port = listener.getsockname()[1]
        return listener

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listener.close()
        for caller in self._callers:
            caller.close()
        self._callers.clear()

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, name="proxy", daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while not self._over.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self.accepted += 1
                self._open_now += 1
                self.most_at_once = max(self.most_at_once, self._open_now)
                plan = self._next.pop(0) if self._next else self.plan
            self._start(self._carry, sock, plan)

    def _carry(self, sock: socket.socket, plan: Plan) -> None:
        try:
            self._carry_one(sock, plan)
        finally:
            with self._lock:
                self._open_now -= 1

    def _carry_one(self, sock: socket.socket, plan: Plan) -> None:
        server = None
        try:
            sock.settimeout(10)
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
            server = socket.create_connection(("127.0.0.1", self._to_port), timeout=10)
            connection = _Connection(
                _Side(sock), _Side(server), plan, self._frozen, self._may_begin
            )
        except (OSError, ValueError) as error:  # a client that is gone has no address: ValueError
            if self.tls is not None and server is None:
                self.tls_errors.append(error)
            reset(sock)
            return
        with self._lock:
            self._connections.append(connection)
        try:
            connection.run(self._over)
        finally:
            with self._lock:
                self._connections.remove(connection)

    def _may_begin(self, plan: Plan) -> bool:
        with self._lock:
            count = self._begun[plan] = self._begun.get(plan, 0) + 1
        return plan.times is None or count <= plan.times


def reset(sock: socket.socket) -> None:
    """Close a socket with a reset, TLS or not, whatever was not sent yet."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    sock.close()


class _Side:
    """One end of a carried connection, without blocking."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.ended = False
        """It will send no more."""

    def receive(self, count: int) -> bytes:
        """Return what is there, at most so much; nothing where there is nothing yet, or no more."""
        try:
            data = self.sock.recv(count)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return b""
        except ssl.SSLEOFError:
            data = b""
        self.ended = not data
        return data

    def send(self, data: bytes) -> int:
        """Send as much as there is room for."""
        try:
            return self.sock.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return 0

    def holds_more(self) -> bool:
        """Tell whether TLS has taken bytes from the socket that nobody has read."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0


@dataclass(slots=True)
class _Connection:
    """Carries bytes both ways by its plan, until both ends are done or it is cut."""

    client: _Side
    server: _Side
    plan: Plan
    frozen: threading.Event
    may_begin: Callable[[Plan], bool]
    cut: threading.Event = field(default_factory=threading.Event)
    up: bytes = b""
    down: bytes = b""
    asked: bool = False
    begun: bool = False
    sent_up: int = 0
    sent_down: int = 0
    seen: bytes = b""
    began_at: float = field(default_factory=time.monotonic)
    dripped_at: float = 0.0

    def run(self, over: threading.Event) -> None:
        """Carry; every way out closes both ends."""
        self._begin(b"")
        orderly = False
        try:
            while not (self.cut.is_set() or over.is_set()):
                if self.frozen.is_set():
                    over.wait(_TICK_S)
                elif self._step():
                    orderly = True
                    return
        except OSError:
            pass  # one end is gone: so is the other
        finally:
            for side in (self.client, self.server):
                if orderly:
                    side.sock.close()
                else:
                    reset(side.sock)

    def _step(self) -> bool:
        """Do what can be done now; True: all is done, and both ends may be closed in order."""
        self._wait()
        if not self.up and not (self.begun and self.plan.never_reads):
            self.up = self.client.receive(self._room_up())
            self._begin(self.up)
        if self.begun and self.plan.answers is not None and b"\r\n\r\n" in self.seen:
            self._answer(self.plan.answers)
            if self.plan.closes:
                return True
            self.cut.wait(self.plan.heard_s)
            raise ConnectionResetError
        if not self.down:
            self.down = self.server.receive(_WINDOW)
            if self.begun and self.plan.swallows:
                self.down = b""
        self._send_up()
        self._send_down()
        if self.server.ended and not self.down:
            return not (self.begun and self.plan.swallows)
        return self.client.ended and not self.up

    def _begin(self, data: bytes) -> None:
        """Let the plan begin when its word has come."""
        self.seen = (self.seen + data)[-4 * _WINDOW :]
        if not self.asked and self.plan.once in self.seen:
            self.asked, self.begun = True, self.may_begin(self.plan)
            self.sent_up = self.sent_down = 0
            self.began_at = time.monotonic()

    def _room_up(self) -> int:
        if self.begun and self.plan.bytes_per_s is not None:
            due = (time.monotonic() - self.began_at) * self.plan.bytes_per_s - self.sent_up
            return max(1, min(_WINDOW, int(due)))
        return _WINDOW

    def _send_up(self) -> None:
        if not self.up:
            return
        data = self.up
        if self.begun and self.plan.bytes_per_s is not None:
            due = (time.monotonic() - self.began_at) * self.plan.bytes_per_s - self.sent_up
            data = data[: max(0, int(due))]
        if self.begun and self.plan.resets_after_up is not None:
            data = data[: max(0, self.plan.resets_after_up - self.sent_up)]
        count = self.server.send(data) if data else 0
        self.up = self.up[count:]
        self.sent_up += count
        limit = self.plan.resets_after_up
        if self.begun and limit is not None and self.sent_up >= limit:
            raise ConnectionResetError

    def _send_down(self) -> None:
        if not self.down:
            return
        data, limit = self.down, self.plan.resets_after_down
        if self.begun and limit is not None:
            data = data[: max(0, limit - self.sent_down)]
        if self.begun and self.plan.drip_s:
            now = time.monotonic()
            data = data[:1] if now - self.dripped_at >= self.plan.drip_s else b""
            self.dripped_at = now if data else self.dripped_at
        count = self.client.send(data) if data else 0
        self.down = self.down[count:]
        self.sent_down += count
        if self.begun and limit is not None and self.sent_down >= limit:
            raise ConnectionResetError

    def _answer(self, words: bytes) -> None:
        """Say the plan's own words to the client; what it still sends is left unread."""
        self.client.sock.settimeout(10)
        self.client.sock.sendall(words)

    def _wait(self) -> None:
        """Wait until there is something to carry, a tick at most: plans have clocks."""
        if self.client.holds_more() and not self.up:
            return
        with selectors.DefaultSelector() as selector:
            wanted = {self.client.sock: 0, self.server.sock: 0}
            if not self.client.ended and not self.up and not (self.begun and self.plan.never_reads):
                wanted[self.client.sock] |= selectors.EVENT_READ
            if not self.server.ended and not self.down:
                wanted[self.server.sock] |= selectors.EVENT_READ
            held_back = self.begun and (self.plan.bytes_per_s or self.plan.drip_s)
            if self.up and not held_back:
                wanted[self.server.sock] |= selectors.EVENT_WRITE
            if self.down and not held_back:
                wanted[self.client.sock] |= selectors.EVENT_WRITE
            for sock, events in wanted.items():
                if events:
                    selector.register(sock, events)
            if selector.get_map():
                selector.select(_TICK_S)
            else:
                time.sleep(_TICK_S)
