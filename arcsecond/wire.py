"""Connections that know what left them, and that can be cut so that the server notices.

urllib3's own, with five differences: while a body is sent, the read time-out counts, from the last
byte that was taken; until its closing boundary is out, closing the socket is a reset, whoever
closes it; the bytes that left are counted; another thread may cut the exchange in hand; and an
answer that trickles is given up (`arcsecond.pace`).
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import io
import os
import select
import socket
import ssl
import struct
import sys
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from arcsecond.errors import CancelledError
from arcsecond.pace import Paced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_SLICE_S = 0.25
"""How soon a stalled send notices that it was cancelled."""
_TLS_PIECE = 64 * 1024
"""How much is given to TLS at once: it tells only at the end of a piece that bytes are moving."""
_DRAINED_BYTES = 64 * 1024
"""Less than this in the kernel is not waited for: the answer is, and its time-out will do."""
_INTERIM_ANSWERS = 1000
"""So many say that a server is still busy; more say nothing."""
_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 0, 0)


class OutsideError(Exception):
    """Carries an OSError past whoever would take it for the socket's: it is the body's file's, or
    that of whoever takes the answer.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error


def unacknowledged_bytes(sock: socket.socket | None) -> int | None:
    """Return how many bytes the kernel holds that the other side has not confirmed.

    None where the kernel does not tell (only Linux does here, tcp(7) SIOCOUTQ), and where the other
    side has gone: after its reset the kernel would name the same number for ever.
    """
    if sys.platform != "linux" or sock is None:
        return None
    import fcntl
    import select
    import termios

    try:
        ended = select.poll()
        ended.register(sock, select.POLLRDHUP)  # POLLERR and POLLHUP are told unasked
        if ended.poll(0):
            return None
        answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    except (OSError, ValueError):  # closed meanwhile
        return None
    return int.from_bytes(answer, sys.byteorder)


class Wire:
    """What is known of the exchange in hand: the socket, the bytes that left, whether it was cut.

    Written by the thread that asks; `cancel` may come from any thread and takes the lock.
    """

    def __init__(self, *, read_s: float, idle_s: float) -> None:
        self.read_s = read_s
        self.idle_s = idle_s
        self.bytes_moved = 0
        self.bytes_out = 0
        self.body_bytes = 0
        self.body_complete = False
        self._cut = threading.Event()
        self._sending_body = False
        self._in_hand = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    @property
    def slice_s(self) -> float:
        """The socket's time-out while sending: a stall is looked at this often."""
        return min(_SLICE_S, self.read_s)

    @property
    def cancelled(self) -> bool:
        """The exchange in hand was cut."""
        return self._cut.is_set()

    def begin(self, *, body_complete: bool) -> None:
        """Start counting for another exchange; one without a body has a complete one."""
        with self._lock:
            self.bytes_out = self.body_bytes = 0
            self.body_complete = body_complete
            self._sending_body = False
            self._cut.clear()
            self._in_hand = True

    def end(self) -> None:
        """Nothing is in hand any more: `cancel` does nothing from here on."""
        with self._lock:
            self._in_hand = False
            self._socket = None

    def note(self, sock: object) -> None:
        """Keep the socket in use; raises CancelledError where that came before the connection."""
        # TLS within TLS, to an https proxy, is an object of urllib3's around the socket.
        inner = sock if isinstance(sock, socket.socket) else getattr(sock, "socket", None)
        with self._lock:
            self._socket = inner
        self.stop_if_cancelled()

    def forget(self, close: Callable[[], None]) -> None:
        """Close a connection while no `cancel` looks at its socket."""
        with self._lock:
            self._socket = None
            close()

    def cancel(self) -> None:
        """Cut the exchange in hand; called from any thread, returns at once."""
        with self._lock:
            if not self._in_hand:
                return
            self._cut.set()
            if self._socket is None:
                return
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                # Wakes who waits for the answer, and says nothing to the server: the reset does,
                # when the socket is closed by its own thread. Not SSLSocket.shutdown: it would
                # take the encryption off a socket that another thread is writing to.
                socket.socket.shutdown(self._socket, socket.SHUT_RD)

    def stop_if_cancelled(self) -> None:
        """Raise CancelledError when the exchange in hand was cut."""
        if self.cancelled:
            raise CancelledError("the request was cancelled")

    def guarded(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield a body's blocks over a socket that resets, should anything end them early.

        The kernel does it by itself when this process is killed.
        """
        self._linger(_RESET_ON_CLOSE)
        self._sending_body = True
        iterator = iter(blocks)
        while True:
            self.stop_if_cancelled()
            try:
                block = next(iterator, None)
            except OSError as error:
                raise OutsideError(error) from error
            if block is None:
                break
            yield block
        self._sending_body = False
        self.body_complete = True
        self._linger(_NO_LINGER)
        self._drain()

    def push(self, sock: Any, data: bytes) -> None:
        """Send `data`; a TimeoutError is raised when not one byte was taken for `read_s`."""
        view = memoryview(data)
        piece = _TLS_PIECE if isinstance(sock, ssl.SSLSocket) else len(view)
        moved_at = time.monotonic()
        waiting = None
        while view:
            try:
                count = sock.send(view[:piece])
            except TimeoutError:
                self.stop_if_cancelled()
                # A large buffer has room again only when a third of it is empty: look inside.
                waiting, before = unacknowledged_bytes(sock), waiting
                if waiting != before:
                    moved_at = time.monotonic()
                elif time.monotonic() - moved_at >= self.read_s:
                    raise
                continue
            view = view[count:]
            moved_at = time.monotonic()
            self.bytes_out += count
            if self._sending_body:
                self.body_bytes += count
                self.bytes_moved += count

    def _drain(self) -> None:
        """Wait until little of the body is still in the kernel, as long as it becomes less.

        On a thin link that takes longer than an answer may: the read time-out starts after it.
        """
        moved_at = time.monotonic()
        delay = 0.001
        waiting = unacknowledged_bytes(self._socket)
        while waiting is not None and waiting > _DRAINED_BYTES and not has_news(self._socket):
            self._cut.wait(delay)
            self.stop_if_cancelled()
            delay = min(2 * delay, _SLICE_S)
            waiting, before = unacknowledged_bytes(self._socket), waiting
            if waiting != before:
                moved_at = time.monotonic()
            elif time.monotonic() - moved_at >= self.read_s:
                raise TimeoutError("the rest of the body was not taken")

    def _linger(self, value: bytes) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is gone already: sending will tell
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, value)


def has_news(sock: Any) -> bool:
    """Tell whether an answer, an end or a reset has come: what waits to be sent tells no more.

    A socket that was reset keeps its count of unsent bytes, and nobody would ever take them.
    """
    if not hasattr(select, "poll"):  # Windows, where nothing is waited for anyway
        return False
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLERR | select.POLLHUP)
    return bool(poll.poll(0))


class _Response(http.client.HTTPResponse):
    """An answer that is the final one: what comes before it (RFC 9110, 15.2) is passed over.

    http.client takes 102 and 103 for the answer itself, and the next request on that connection
    would be given the final answer of this one. Another protocol is nothing that anybody asked for.
    """

    def __init__(self, sock: socket.socket, *args: Any, read_s: float, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        source: Any = self.fp.detach()  # a buffer around the socket
        self.fp = io.BufferedReader(Paced(source, read_s))

    def begin(self) -> None:
        super().begin()
        for _ in range(_INTERIM_ANSWERS):
            if self.status // 100 != 1:
                return
            if self.status == HTTPStatus.SWITCHING_PROTOCOLS:
                raise http.client.HTTPException("another protocol from here on")
            self.headers = self.msg = None  # type: ignore[assignment]  # as before it began
            super().begin()
        raise http.client.HTTPException("nothing but interim answers")


class _Connection(HTTPConnection):
    """A connection that notes its socket and counts what leaves it."""

    wire: Wire
    idle_since = 0.0

    def response_class(self, *args: Any, **options: Any) -> _Response:  # type: ignore[override]
        """Return what reads the answer: http.client calls this as it would a class."""
        return _Response(*args, read_s=self.wire.read_s, **options)

    def connect(self) -> None:
        try:
            super().connect()
        finally:
            self.wire.bytes_out = 0  # what was said to a proxy to get here is not the request
        self.sock.settimeout(self.wire.slice_s)
        self.wire.note(self.sock)

    def request(self, *args: Any, **options: Any) -> None:
        if self.sock is not None:
            # urllib3 leaves the connect time-out in force while it sends, for each block in all.
            self.timeout = self.wire.slice_s
            self.wire.note(self.sock)
        try:
            super().request(*args, **options)
        except (ssl.SSLError, ConnectionAbortedError, ConnectionResetError) as error:
            if self.wire.bytes_out == 0:
                raise
            # Who refuses early may close while we still write, which over TLS looks like a fault
            # of TLS. As a broken pipe it makes urllib3 read the answer that may be there.
            raise BrokenPipeError(errno.EPIPE, "closed while sending") from error

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self.wire.push(self.sock, data)

    def close(self) -> None:
        self.wire.forget(super().close)


class _TLSConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class Pool(HTTPConnectionPool):
    """Hands out our connections, and none that rested too long."""

    ConnectionCls = _Connection
    wire: Wire

    def _new_conn(self) -> Any:
        connection = super()._new_conn()
        connection.wire = self.wire  # type: ignore[attr-defined]  # it is a _Connection
        return connection

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection: Any = super()._get_conn(timeout)
        if connection.is_closed:
            return connection
        rested_s = time.monotonic() - connection.idle_since
        if rested_s > self.wire.idle_s or _holds_more(connection.sock):
            connection.close()
        return connection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)


def _holds_more(sock: Any) -> bool:
    """Tell whether TLS has taken more from the wire than the last answer: nobody asked for it.

    urllib3 asks the kernel alone, which does not know of it.
    """
    pending = getattr(sock, "pending", None)
    return pending is not None and pending() > 0


class TLSPool(Pool, HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = _TLSConnection
