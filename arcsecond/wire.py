"""One exchange over a socket: what left, what came first, and a cut that the server notices.

While a body is sent, the read time-out counts from the last byte that was taken; until its closing
boundary is out, closing the socket is a reset, whoever closes it; the bytes that left are counted;
and another thread may cut the exchange in hand. A request whose body is one block goes out in one
piece, and the first thing that comes back is taken in one, too: each call of the kernel hands
Python's one lock to another thread, which costs more than the call. Nothing of HTTP is known here.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import struct
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from arcsecond.errors import CancelledError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SLICE_S = 0.25
"""How soon a stalled send notices that it was cancelled."""
_TLS_PIECE = 64 * 1024
"""How much is given to TLS at once: it tells only at the end of a piece that bytes are moving."""
_DRAINED_BYTES = 64 * 1024
"""Less than this in the kernel is not waited for: the answer is, and its time-out will do."""
_FIRST_BYTES = 64 * 1024
"""Taken of an answer at once: most are shorter."""
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
        self._socket: socket.socket | None = None  # what can be cut
        self._socket_in_use: Any = None  # what is spoken to: the same, but for TLS within TLS
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
            self._socket = self._socket_in_use = None

    def note(self, sock: object) -> None:
        """Keep the socket in use; raises CancelledError where that came before the connection."""
        # TLS within TLS, to an https proxy, is an object of urllib3's around the socket.
        inner = sock if isinstance(sock, socket.socket) else getattr(sock, "socket", None)
        with self._lock:
            self._socket, self._socket_in_use = inner, sock
        self.stop_if_cancelled()

    def forget(self, close: Callable[[], None]) -> None:
        """Close a connection while no `cancel` looks at its socket."""
        with self._lock:
            self._socket = self._socket_in_use = None
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

    def send(self, head: bytes, blocks: Iterable[bytes] | None) -> None:
        """Send a request: its head, and the blocks of its body if it has one.

        What ends the blocks early leaves a socket that resets when it is closed; the kernel closes
        it so by itself when this process is killed. Raises what the socket raises, and whatever
        `blocks` raises, an OSError of theirs within an OutsideError.
        """
        if blocks is None:
            self.push(self._socket_in_use, head)
            return
        self._linger(_RESET_ON_CLOSE)
        self._sending_body = True
        # TLS that fails does not tell how much of a block had left: the head alone is sent or not.
        is_plain = is_plain_socket(self._socket_in_use)
        iterator = iter(blocks)
        while True:
            self.stop_if_cancelled()
            try:
                block = next(iterator, None)
            except OSError as error:
                raise OutsideError(error) from error
            if block is None:
                break
            if head and not is_plain:
                self.push(self._socket_in_use, head, head=len(head))
                head = b""
            # The head goes out with the first block: one call, and one packet where it fits.
            self.push(self._socket_in_use, head + block if head else block, head=len(head))
            head = b""
        if head:
            self.push(self._socket_in_use, head, head=len(head))
        self._sending_body = False
        self.body_complete = True
        self._linger(_NO_LINGER)
        if self.bytes_out > _DRAINED_BYTES:
            self._drain()

    def receive(self) -> bytes:
        """Return what has come of an answer, nothing at its end; waits for it up to `read_s`."""
        began_at = time.monotonic()
        while True:
            try:
                data: bytes = self._socket_in_use.recv(_FIRST_BYTES)
            except (TimeoutError, BlockingIOError):
                self.stop_if_cancelled()
                if time.monotonic() - began_at >= self.read_s:
                    raise TimeoutError("nothing has come") from None
            else:
                return data

    def push(self, sock: Any, data: bytes, *, head: int = 0) -> None:
        """Send `data`, whose first `head` bytes are none of a body.

        A TimeoutError is raised when not one byte was taken for `read_s`.
        """
        view = memoryview(data)
        piece = _TLS_PIECE if isinstance(sock, ssl.SSLSocket) else len(view)
        moved_at = time.monotonic()
        waiting = None
        while view:
            try:
                count = sock.send(view[:piece])
            except (TimeoutError, BlockingIOError):
                self.stop_if_cancelled()
                # A large buffer has room again only when a third of it is empty: look inside.
                waiting, before = unacknowledged_bytes(sock), waiting
                if waiting != before:
                    moved_at = time.monotonic()
                elif time.monotonic() - moved_at >= self.read_s:
                    raise TimeoutError("no byte was taken") from None
                continue
            view = view[count:]
            moved_at = time.monotonic()
            self.bytes_out += count
            if self._sending_body:
                of_body = max(count - head, 0)
                head = max(head - count, 0)
                self.body_bytes += of_body
                self.bytes_moved += of_body

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


def is_plain_socket(sock: Any) -> bool:
    """Tell whether what is sent goes to the kernel as it is, without TLS."""
    return isinstance(sock, socket.socket) and not isinstance(sock, ssl.SSLSocket)


def wait_in_slices(sock: Any, slice_s: float) -> None:
    """Have a call that waits on the socket give up after `slice_s`, so that a cut is noticed.

    By the kernel's own time-outs where they work: Python's would poll before each call. Then a call
    that gave up raises BlockingIOError, with Python's time-out a TimeoutError.
    """
    if os.name == "nt" or not is_plain_socket(sock):
        sock.settimeout(slice_s)
        return
    timeval = struct.pack("ll", int(slice_s), int(slice_s % 1 * 1_000_000))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
    sock.settimeout(None)


def has_news(sock: Any) -> bool:
    """Tell whether an answer, an end or a reset has come: what waits to be sent tells no more.

    A socket that was reset keeps its count of unsent bytes, and nobody would ever take them.
    """
    if not hasattr(select, "poll"):  # Windows
        return any(select.select([sock], [], [sock], 0))
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLERR | select.POLLHUP)
    return bool(poll.poll(0))
