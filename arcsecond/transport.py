"""One request to one server, and what came of it: an `Answer`, or one of four errors.

What this module promises beyond an HTTP library: the key goes to
the configured origin and nowhere else, redirects are answers and never followed, an answer that
came early is read before a broken pipe is believed, whatever cuts a body short resets the
connection (so that a server never takes a torn form for a finished one), and every foreign
exception leaves as one of ours, classified by whether a byte of the request had left.

A `Transport` keeps one connection alive and belongs to one thread; only `cancel` and
`bytes_moved` may be used from others.
"""

from __future__ import annotations

import json as jsonlib
import os
import re
import ssl
import time
from dataclasses import dataclass
from functools import lru_cache, partial
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy
from urllib3.exceptions import HTTPError, LocationValueError
from urllib3.util.ssl_ import create_urllib3_context

from arcsecond.answer import Answer, status_line
from arcsecond.config import check_key, check_url, is_loopback
from arcsecond.connections import Incoming, Line, Pool, TLSPool
from arcsecond.errors import (
    BrokenError,
    CancelledError,
    ConfigError,
    InputError,
    NotReachedError,
    RedirectError,
    TransportError,
    UnclearAnswerError,
)
from arcsecond.http_head import request_head
from arcsecond.reasons import reason_of
from arcsecond.server_clock import ServerClock
from arcsecond.version import __version__
from arcsecond.wire import OutsideError, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta

    from arcsecond.config import Secret
    from arcsecond.multipart import MultipartBody

__all__ = ["KEY_HEADER", "Answer", "Timeouts", "Transport"]

USER_AGENT = f"arcsecond/{__version__}"
KEY_HEADER = "X-Arcsecond-API-Authorization"
LONGEST_ANSWER_BYTES = 64 * 1024 * 1024

_SAFE_IN_PATH = "/%:@!$&'()*+,;=~-._"
_WHOLE_URL = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait: for a connection, and for the other side to take or give another byte.

    A connection that rested for `idle_s` is not used again: proxies forget it without a word.
    """

    connect_s: float = 10.0
    read_s: float = 120.0
    idle_s: float = 30.0


class _Asked(NamedTuple):
    """One request, as it goes out."""

    method: str
    url: str
    head: bytes
    blocks: Iterable[bytes] | None
    longest_answer_bytes: int
    on_content: Callable[[bytes], None] | None


class Transport:
    """Requests to one server over one kept-alive connection; belongs to one thread.

    `server` is the address of the API, `key` goes to its origin alone, `proxy` and `ca_bundle` win
    over the environment's. `trace` is given one line for what is asked and one for what is
    answered. Raises ConfigError for an address, a proxy or a CA bundle that cannot be used.
    """

    def __init__(
        self,
        server: str,
        *,
        key: Secret | None = None,
        timeouts: Timeouts | None = None,
        proxy: str | None = None,
        ca_bundle: str | None = None,
        user_agent: str = USER_AGENT,
        trace: Callable[[str], None] | None = None,
        allow_http: bool = False,
    ) -> None:
        timeouts = timeouts or Timeouts()
        self._key = key
        self._trace = trace
        self._content_bytes = 0
        try:
            self._server = check_url(server, allow_http=allow_http)
            key_value = check_key(key.reveal()).reveal() if key else None
        except InputError as error:
            raise ConfigError(error.message, hint=error.hint) from None
        parts = urlsplit(self._server)
        self._host = parts.netloc
        self._hostname = parts.hostname or ""
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._wire = Wire(read_s=timeouts.read_s, idle_s=timeouts.idle_s)
        self._timeouts = timeouts
        self._server_clock = ServerClock()
        self._date_heard: str | None = None
        proxy = None if is_loopback(self._hostname) else _proxy_for(self._origin, proxy)
        self._line = Line(
            self._wire,
            partial(_pool_of, self._origin, proxy, ca_bundle),
            connect_s=timeouts.connect_s,
            through_tunnel=proxy is not None and parts.scheme == "https",
        )
        self._headers = [
            ("Host", _host_header(parts)),
            ("User-Agent", user_agent),
            ("Accept", "application/json"),
            ("Accept-Encoding", "gzip, deflate"),
        ]
        self._target_begins = len(self._origin)
        if proxy is not None and parts.scheme == "http":  # it is asked for the whole address
            self._target_begins = 0
            self._headers += HTTPAdapter().proxy_headers(proxy).items()
        self._key_header = [] if key_value is None else [(KEY_HEADER, f"Key {key_value}")]

    @property
    def bytes_moved(self) -> int:
        """Bytes of bodies that the kernel took so far; grows while one is being sent."""
        return self._wire.bytes_moved

    @property
    def clock_ahead(self) -> timedelta | None:
        """By how much this computer's clock is ahead of the server's, None where it never told."""
        return self._server_clock.ahead()

    @property
    def clock_difference(self) -> str | None:
        """How far this computer's clock is from the server's, in words, where it is over a minute."""
        return self._server_clock.difference()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | Iterable[str]] | None = None,
        json: object = None,
        body: MultipartBody | None = None,
        authenticated: bool = True,
        longest_answer_bytes: int = LONGEST_ANSWER_BYTES,
        on_content: Callable[[bytes], None] | None = None,
    ) -> Answer:
        """Ask once and return what was answered, whatever its status.

        With `on_content` the content of a success goes there, piece by piece as it arrives, and the
        answer has none; what it raises closes the connection and passes through.

        `path` lies below the server's address, or is a `next` URL of its origin; one of another
        origin raises RedirectError. Raises NotReachedError, BrokenError, CancelledError,
        BodyChangedError, UnclearAnswerError for an answer that is too long, and lets an OSError of
        reading the body's file through. Whatever ends a body early resets the connection.
        """
        url = self._url(path, params)
        headers = [*self._headers, *self._key_header] if authenticated else [*self._headers]
        blocks: Iterable[bytes] | None = body
        if body is not None:
            headers.append(("Content-Type", body.content_type))
            headers.append(("Content-Length", str(len(body))))
        elif json is not None:
            data = _as_json(json)
            headers.append(("Content-Type", "application/json"))
            headers.append(("Content-Length", str(len(data))))
            blocks = (data,)
        elif method not in ("GET", "HEAD"):
            headers.append(("Content-Length", "0"))
        head = request_head(method, url[self._target_begins :] or "/", headers)
        if self._trace is not None:
            self._tell(f"> {method} {url}")
        started = time.monotonic()
        asked = _Asked(method, url, head, blocks, longest_answer_bytes, on_content)
        answer = self._exchange(asked)
        self._hear_date(answer)
        if self._trace is not None:
            self._tell(
                f"< {status_line(answer.http_status)}, {self._content_bytes} bytes"
                f" in {time.monotonic() - started:.3f} s"
            )
            if difference := self.clock_difference:
                self._tell(f"! this computer's clock is {difference} the server's")
        return answer

    def cancel(self) -> None:
        """Cut what is in hand by a reset, from any thread; returns at once.

        The thread in `request` gets a CancelledError: at once where it sends or waits for the
        answer, after at most `connect_s` where it still waits for a connection. Nothing in hand:
        nothing happens.
        """
        self._wire.cancel()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._line.close()

    def __enter__(self) -> Transport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Transport({self._server!r})"

    def _exchange(self, asked: _Asked) -> Answer:
        wire = self._wire
        wire.begin(body_complete=asked.blocks is None)
        is_read = False
        try:
            incoming = self._line.exchange(
                asked.method, asked.head, asked.blocks, whole=asked.on_content is None
            )
            content = self._content(incoming, asked)
            is_read = True
        except TransportError as cut:  # ours, from within the body or the connection
            cut.bytes_sent, cut.body_complete = wire.body_bytes, wire.body_complete
            self._tell(f"< {cut.message}")
            raise
        except OutsideError as outside:
            raise outside.error from None
        except (HTTPError, HTTPException, OSError) as foreign:
            error = self._translated(foreign)
            self._tell(f"< {error.message}")
            # Without the cause: its words may hold proxy credentials or a query.
            raise error from None
        finally:
            if is_read:
                self._line.rest()
            else:
                self._line.close()
            wire.end()
        return Answer(
            http_status=incoming.http_status,
            headers=incoming.headers,
            content=content,
            bytes_sent=wire.body_bytes,
            body_complete=wire.body_complete,
            url=asked.url,
            _key=self._key,
        )

    def _content(self, incoming: Incoming, asked: _Asked) -> bytes:
        pieces: list[bytes] = []
        left = limit = asked.longest_answer_bytes
        self._content_bytes = 0
        take = pieces.append
        if asked.on_content is not None and incoming.http_status // 100 == 2:  # noqa: PLR2004  # as it is said
            take = asked.on_content
        for piece in incoming.pieces:
            left -= len(piece)
            self._content_bytes += len(piece)
            if left < 0:
                raise UnclearAnswerError(
                    f"{self._host}: the answer is longer than {limit} bytes",
                    status=incoming.http_status,
                )
            try:
                take(piece)
            except OSError as error:
                raise OutsideError(error) from error
        return b"".join(pieces)

    def _hear_date(self, answer: Answer) -> None:
        """Take the server's time: it tells the same one to all the answers of a second."""
        date = answer.headers.get("Date")
        # What a cache kept is of another time.
        if date != self._date_heard and "Age" not in answer.headers:
            self._date_heard = date
            self._server_clock.heard(answer.server_date)

    def _translated(self, foreign: Exception) -> TransportError | ConfigError:
        """Return our error for one of urllib3's, http.client's or the socket's."""
        wire = self._wire
        if wire.cancelled:
            return CancelledError(
                f"{self._host}: the request was cancelled",
                bytes_sent=wire.body_bytes,
                body_complete=wire.body_complete,
            )
        if is_of_settings(foreign):
            return ConfigError(
                f"{self._host}: this address, or the proxy's, cannot be used",
                hint="Look at `arcsecond api` and at the proxy settings.",
            )
        timeouts = self._timeouts
        reason = reason_of(
            foreign,
            wire,
            connect_s=timeouts.connect_s,
            read_s=timeouts.read_s,
            clock=self._server_clock,
        )
        if wire.bytes_out == 0:
            return NotReachedError(
                f"{self._host} could not be reached: {reason.words}", hint=reason.hint
            )
        return BrokenError(
            f"{self._host}: the connection broke: {reason.words}",
            hint=reason.hint,
            bytes_sent=wire.body_bytes,
            body_complete=wire.body_complete,
        )

    def _url(self, path: str, params: Mapping[str, str | Iterable[str]] | None) -> str:
        if _WHOLE_URL.match(path):
            url = self._same_origin(path)
        else:
            url = f"{self._server}/{_quoted(path)}"
        if params:
            try:
                query = urlencode(params, doseq=True)
            except UnicodeEncodeError:
                raise InputError("a filter is no UTF-8 text") from None
            url += ("&" if "?" in url else "?") + query
        return url

    def _same_origin(self, url: str) -> str:
        parts, theirs = _origin_of(url)
        ours = _origin_of(self._origin)[1]
        # A server behind a proxy that ends TLS may take itself for plain http: same host, our way.
        behind_proxy = (ours == ("https", theirs[1], ours[2])) and theirs[0] == "http"
        if "@" in parts.netloc or not (
            theirs == ours or (behind_proxy and theirs[2] in (80, ours[2]))
        ):
            raise RedirectError(
                f"{self._host} names another server for the rest: refused, the key stays here",
                status=HTTPStatus.OK,
                hint="Look at the API address with `arcsecond api`.",
            )
        target = quote(parts.path or "/", safe=_SAFE_IN_PATH)
        query = quote(parts.query, safe=_SAFE_IN_PATH + "?")
        return f"{self._origin}{target}" + (f"?{query}" if query else "")

    def _tell(self, line: str) -> None:
        if self._trace is not None:
            self._trace(line)


def is_of_settings(foreign: Exception) -> bool:
    """Tell whether what urllib3 raised is about an address that was configured, and not the link."""
    return isinstance(foreign, LocationValueError)


def _pool_of(origin: str, proxy: str | None, ca_bundle: str | None) -> Pool:
    """Return what connections to the origin are made by: proxy, certificates, names."""
    parts = urlsplit(origin)
    adapter = HTTPAdapter()  # knows how a proxy is told its user
    manager: Any = adapter.proxy_manager_for(proxy) if proxy else adapter.poolmanager
    manager.pool_classes_by_scheme = {"http": Pool, "https": TLSPool}
    # Once, and not for each connection: reading the bundle takes 20 ms.
    options = {"ssl_context": tls_context(ca_bundle)} if parts.scheme == "https" else {}
    pool: Pool = manager.connection_from_host(
        parts.hostname, parts.port, parts.scheme, pool_kwargs=options
    )
    return pool


CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""The variables of the environment that name certificates to trust; the first that is set wins."""


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Return a context that verifies by `ca_bundle`, the environment's bundle, or requests' own."""
    named_by, bundle = next(
        ((name, value) for name in CA_VARIABLES if (value := os.environ.get(name))),
        ("", DEFAULT_CA_BUNDLE_PATH),
    )
    if ca_bundle:
        named_by, bundle = "ca_bundle", ca_bundle
    context = create_urllib3_context()
    try:
        if os.path.isdir(bundle):  # noqa: PTH112  # a str from the environment
            context.load_verify_locations(capath=bundle)
        else:
            context.load_verify_locations(cafile=bundle)
    except OSError as error:  # an ssl.SSLError is one
        by = f" (named by {named_by})" if named_by else ""
        why = "it holds no certificates" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError(
            f"the CA bundle {bundle}{by} cannot be used: {why}",
            hint=f"It is a file of certificates in PEM format; see {', '.join(CA_VARIABLES)}.",
        ) from None
    return context


@lru_cache(maxsize=32)  # the same few paths are asked for again and again
def _quoted(path: str) -> str:
    return quote(path.lstrip("/"), safe=_SAFE_IN_PATH)


def _host_header(parts: SplitResult) -> str:
    default = {"http": 80, "https": 443}[parts.scheme]
    host = parts.netloc.rpartition(":")[0] if parts.port == default else parts.netloc
    return host if host.isascii() else host.encode("idna").decode()


def _as_json(document: object) -> bytes:
    try:
        return jsonlib.dumps(document, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"what is to be sent is no JSON: {error}") from None


def _proxy_for(origin: str, proxy: str | None) -> str | None:
    if proxy is None:
        proxy = select_proxy(origin, get_environ_proxies(origin))
    if not proxy:
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme.lower() in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            "the proxy's address cannot be used: it is http:// or https://, a host and a port",
            hint="Look at the setting proxy and at HTTPS_PROXY, HTTP_PROXY and ALL_PROXY.",
        )
    return proxy


def _origin_of(url: str) -> tuple[SplitResult, tuple[str, str, int]]:
    """Return the parts of a URL, and its scheme, host and port; empty ones for what is no URL."""
    try:
        parts = urlsplit(url)
        scheme = parts.scheme.lower()
        port = parts.port or (443 if scheme == "https" else 80)
    except ValueError:
        return urlsplit(""), ("", "", 0)
    return parts, (scheme, parts.hostname or "", port)
