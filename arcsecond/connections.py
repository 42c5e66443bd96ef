"""The one connection to a server: opened, asked whether it is still good, and listened to.

urllib3 makes it: names, proxies and tunnels, TLS and whose certificate it is. What goes over it is
ours (`arcsecond.wire`), and so is the reading of an answer that is plain (`arcsecond.http_head`);
every other answer, in chunks, compressed, without a length, is read by http.client and urllib3. Two
things are not theirs: what comes before the final answer is passed over, and an answer that
trickles is given up (`arcsecond.pace`).
"""

from __future__ import annotations

import errno
import http.client
import io
import ssl
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from urllib3 import HTTPConnectionPool, HTTPHeaderDict, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ProxyError

from arcsecond.http_head import Headers, Plain, read_plain
from arcsecond.pace import Paced
from arcsecond.wire import has_news, wait_in_slices

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed import WriteableBuffer

    from arcsecond.wire import Wire

_PIECE = 256 * 1024
_PIECES = 4
"""So many more are waited for at most: most answers come in one, some with their head before them."""
_SHORT = 64 * 1024
_INTERIM_ANSWERS = 1000
"""So many say that a server is still busy; more say nothing."""


class Incoming(NamedTuple):
    """An answer whose head has come, and whose content comes as it is asked for."""

    http_status: int
    headers: Headers
    pieces: Iterable[bytes]


class _Response(http.client.HTTPResponse):
    """An answer that is the final one: what comes before it (RFC 9110, 15.2) is passed over.

    http.client takes 102 and 103 for the answer itself, and the next request on that connection
    would be given the final answer of this one. Another protocol is nothing that anybody asked for.
    """

    def __init__(
        self, sock: socket.socket, *args: Any, read_s: float, early: bytes = b"", **options: Any
    ) -> None:
        super().__init__(sock, *args, **options)
        source: Any = self.fp.detach()  # a buffer around the socket
        self.fp = io.BufferedReader(Paced(_Resumed(early, source) if early else source, read_s))

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


class _Resumed(io.RawIOBase):
    """What was read already, and then the rest."""

    def __init__(self, early: bytes, source: io.RawIOBase) -> None:
        super().__init__()
        self._early = early
        self._source = source

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        if not self._early:
            return self._source.readinto(buffer)
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._early))
        view[:count], self._early = self._early[:count], self._early[count:]
        return count

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._source.fileno()

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()


class _Connection(HTTPConnection):
    """A connection that notes its socket, counts what leaves it, and reads one answer at a time."""

    wire: Wire
    idle_since = 0.0
    stays_open = False
    """After an answer was read to its end: another request may use this connection."""
    _reading: _Response | None = None

    def response_class(self, *args: Any, **options: Any) -> _Response:  # type: ignore[override]
        """Return what reads a proxy's answer: http.client calls this as it would a class."""
        return _Response(*args, read_s=self.wire.read_s, **options)

    def connect(self) -> None:
        try:
            super().connect()
        finally:
            self.wire.bytes_out = 0  # what was said to a proxy to get here is not the request
        wait_in_slices(self.sock, self.wire.slice_s)
        self.wire.note(self.sock)

    def send(self, data: Any) -> None:
        self.wire.push(self.sock, data)  # to a proxy: http.client asks it for a tunnel

    def close(self) -> None:
        if self._reading is not None:
            self._reading.close()  # it holds the socket too
            self._reading = None
        self.wire.forget(super().close)

    def rested_too_long(self) -> bool:
        """Tell whether an open connection is not to be used again; most often for what came since."""
        rested_s = time.monotonic() - self.idle_since
        return rested_s > self.wire.idle_s or _holds_more(self.sock) or has_news(self.sock)

    def listen(self, method: str, *, whole: bool) -> Incoming:
        """Wait for an answer; raises what the socket raises, and HTTPException for what is none.

        One that is wanted `whole` may be waited for; of another, each piece is given as it comes.
        """
        self.stays_open = False
        early = self.wire.receive()
        if not early:
            raise http.client.RemoteDisconnected("closed without an answer")
        plain = None if method == "HEAD" else read_plain(early)
        if plain is not None and whole and plain.ends - plain.begins <= _SHORT:
            for _ in range(_PIECES):
                if len(early) >= plain.ends or not (more := self.wire.receive()):
                    break
                early += more
        if plain is not None and len(early) >= plain.ends:
            return self._plain(plain, early)
        return self._any(method, early)

    def _plain(self, plain: Plain, data: bytes) -> Incoming:
        # More than the answer is nothing that anybody asked for: nor would the next be.
        self.stays_open = plain.stays_open and len(data) == plain.ends
        content = data[plain.begins : plain.ends]
        return Incoming(plain.http_status, plain.headers, (content,) if content else ())

    def _any(self, method: str, early: bytes) -> Incoming:
        self.sock.settimeout(self.wire.read_s)
        original = _Response(self.sock, read_s=self.wire.read_s, early=early, method=method)
        self._reading = original
        original.begin()
        response = HTTPResponse(
            body=original,
            headers=HTTPHeaderDict(original.getheaders()),
            status=original.status,
            preload_content=False,
            original_response=original,
            request_method=method,
        )

        def pieces() -> Iterator[bytes]:
            yield from response.stream(_PIECE, decode_content=True)
            self.stays_open = original.isclosed() and not original.will_close
            wait_in_slices(self.sock, self.wire.slice_s)

        return Incoming(original.status, Headers(original.getheaders()), pieces())


class _TLSConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


def _holds_more(sock: Any) -> bool:
    """Tell whether TLS has taken more from the wire than the last answer: nobody asked for it.

    The kernel, when it is asked, does not know of it.
    """
    pending = getattr(sock, "pending", None)
    return pending is not None and pending() > 0


class Pool(HTTPConnectionPool):
    """What urllib3 knows of the way to a server, to make connections by; none is kept in it."""

    ConnectionCls = _Connection

    def connect(self, wire: Wire, *, connect_s: float, through_tunnel: bool) -> _Connection:
        """Return a new connection, open. Raises HTTPError, HTTPException and OSError.

        What went wrong on the way to a proxy is a ProxyError.
        """
        connection: Any = self._new_conn()
        connection.wire = wire
        connection.timeout = connect_s
        try:
            if through_tunnel:
                self._prepare_proxy(connection)
            else:
                connection.connect()
        except (HTTPError, http.client.HTTPException, OSError) as error:
            at_proxy = connection.proxy is not None and not connection.has_connected_to_proxy
            connection.close()
            if at_proxy and not isinstance(error, ProxyError):
                raise ProxyError("no way through the proxy", error) from error
            raise
        except BaseException:
            connection.close()
            raise
        return connection  # type: ignore[no-any-return]  # made by ConnectionCls


class TLSPool(Pool, HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = _TLSConnection


class Line:
    """One connection at a time to one server, kept from one exchange to the next; for one thread.

    `pool` is asked for once, when the first connection is needed.
    """

    def __init__(
        self, wire: Wire, pool: Callable[[], Pool], *, connect_s: float, through_tunnel: bool
    ) -> None:
        self._wire = wire
        self._new_pool = pool
        self._pool: Pool | None = None
        self._connect_s = connect_s
        self._through_tunnel = through_tunnel
        self._connection: _Connection | None = None

    def __del__(self) -> None:
        self.close()  # the Python module's user need not: it goes with the last who knew of it

    def exchange(
        self, method: str, head: bytes, blocks: Iterable[bytes] | None, *, whole: bool
    ) -> Incoming:
        """Send a request and wait for its answer, as `whole` or as it comes; `rest` or `close` follows.

        Raises HTTPError, HTTPException and OSError, and what `Wire.send` does.
        """
        connection = self._ready()
        try:
            self._wire.send(head, blocks)
        except OSError as error:
            if self._wire.bytes_out == 0 or not _is_closed(error):
                raise
            # Who refuses early may close while we still write: the answer may be there.
        return connection.listen(method, whole=whole)

    def rest(self) -> None:
        """Keep the connection for the next exchange, if it is good for another one."""
        connection = self._connection
        if connection is not None and connection.stays_open and self._wire.body_complete:
            connection.idle_since = time.monotonic()
        else:
            self.close()

    def close(self) -> None:
        """Close the connection: by a reset, where a body was not sent to its end."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _ready(self) -> _Connection:
        connection = self._connection
        if connection is not None and not connection.rested_too_long():
            self._wire.note(connection.sock)
            return connection
        self.close()
        self._pool = self._pool or self._new_pool()
        self._connection = self._pool.connect(
            self._wire, connect_s=self._connect_s, through_tunnel=self._through_tunnel
        )
        return self._connection


def _is_closed(error: OSError) -> bool:
    """Tell whether the other side does not take any more; over TLS that may look like its fault."""
    if isinstance(error, ssl.SSLError | ConnectionError):
        return True
    return error.errno == errno.EPROTOTYPE  # macOS, while the other side is closing
