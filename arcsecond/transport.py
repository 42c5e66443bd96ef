"""One request to one server, and what came of it: an `Answer`, or one of four errors.

The only importer of requests. What this module promises beyond an HTTP library: the key goes to
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
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy
from urllib3.exceptions import HTTPError, LocationValueError
from urllib3.util.ssl_ import create_urllib3_context

from arcsecond.answer import Answer, status_line
from arcsecond.config import check_key, check_url, is_loopback
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
from arcsecond.reasons import reason_of
from arcsecond.server_clock import ServerClock
from arcsecond.version import __version__
from arcsecond.wire import OutsideError, Pool, TLSPool, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta

    from urllib3 import PoolManager

    from arcsecond.config import Secret
    from arcsecond.multipart import MultipartBody

__all__ = ["FAULTS", "KEY_HEADER", "Answer", "Fault", "Timeouts", "Transport", "fault_of"]

USER_AGENT = f"arcsecond/{__version__}"
KEY_HEADER = "X-Arcsecond-API-Authorization"
LONGEST_ANSWER_BYTES = 64 * 1024 * 1024

_SAFE_IN_PATH = "/%:@!$&'()*+,;=~-._"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait: for a connection, and for the other side to take or give another byte.

    A connection that rested for `idle_s` is not used again: proxies forget it without a word.
    """

    connect_s: float = 10.0
    read_s: float = 120.0
    idle_s: float = 30.0


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
        self._adapter = _Adapter(
            self._wire,
            self._origin,
            proxy=None if is_loopback(self._hostname) else _proxy_for(self._origin, proxy),
            ca_bundle=ca_bundle,
        )
        self._timeout = (timeouts.connect_s, timeouts.read_s)
        self._headers = {
            "User-Agent": user_agent,
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
        }
        self._key_header = {} if key_value is None else {KEY_HEADER: f"Key {key_value}"}

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
        request = requests.PreparedRequest()
        request.method = method
        request.url = url
        headers = self._headers | self._key_header if authenticated else dict(self._headers)
        blocks: Iterable[bytes] | None = body
        if body is not None:
            headers["Content-Type"] = body.content_type
            headers["Content-Length"] = str(len(body))
        elif json is not None:
            data = _as_json(json)
            headers["Content-Type"] = "application/json"
            headers["Content-Length"] = str(len(data))
            blocks = (data,)
        elif method not in ("GET", "HEAD"):
            headers["Content-Length"] = "0"
        request.headers = CaseInsensitiveDict(headers)
        if blocks is not None:
            # As urllib3 takes it: anything that yields bytes.
            request.body = self._wire.guarded(blocks)  # type: ignore[assignment]
        self._tell(f"> {method} {url}")
        started = time.monotonic()
        answer = self._exchange(
            request,
            has_body=blocks is not None,
            limit=longest_answer_bytes,
            on_content=on_content,
        )
        if "Age" not in answer.headers:  # what a cache kept is of another time
            self._server_clock.heard(answer.server_date)
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
        self._adapter.close()

    def __enter__(self) -> Transport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Transport({self._server!r})"

    def _exchange(
        self,
        request: requests.PreparedRequest,
        *,
        has_body: bool,
        limit: int,
        on_content: Callable[[bytes], None] | None,
    ) -> Answer:
        wire = self._wire
        wire.begin(body_complete=not has_body)
        try:
            response = self._adapter.send(request, stream=True, timeout=self._timeout)
            content = self._content(response, limit, on_content)
        except TransportError as cut:  # ours, from within the body or the connection
            cut.bytes_sent, cut.body_complete = wire.body_bytes, wire.body_complete
            self._tell(f"< {cut.message}")
            raise
        except OutsideError as outside:
            raise outside.error from None
        except (requests.RequestException, HTTPError, OSError) as foreign:
            error = self._translated(foreign)
            self._tell(f"< {error.message}")
            # Without the cause: its words may hold proxy credentials or a query.
            raise error from None
        finally:
            wire.end()
        return Answer(
            http_status=response.status_code,
            headers=response.headers,
            content=content,
            bytes_sent=wire.body_bytes,
            body_complete=wire.body_complete,
            url=str(request.url),
            _key=self._key,
        )

    def _content(
        self,
        response: requests.Response,
        limit: int,
        on_content: Callable[[bytes], None] | None,
    ) -> bytes:
        pieces: list[bytes] = []
        left = limit
        self._content_bytes = 0
        take = pieces.append
        if on_content is not None and response.status_code // 100 == 2:  # noqa: PLR2004  # as it is said
            take = on_content
        for piece in response.iter_content(256 * 1024):
            left -= len(piece)
            self._content_bytes += len(piece)
            if left < 0:
                self._adapter.drop(response)
                raise UnclearAnswerError(
                    f"{self._host}: the answer is longer than {limit} bytes",
                    status=response.status_code,
                )
            try:
                take(piece)
            except OSError as error:
                self._adapter.drop(response)
                raise OutsideError(error) from error
            except BaseException:
                self._adapter.drop(response)
                raise
        return b"".join(pieces)

    def _translated(self, foreign: Exception) -> TransportError | ConfigError:
        """Return our error for one of requests', urllib3's or the socket's."""
        wire = self._wire
        if wire.cancelled:
            return CancelledError(
                f"{self._host}: the request was cancelled",
                bytes_sent=wire.body_bytes,
                body_complete=wire.body_complete,
            )
        if fault_of(foreign) is Fault.SETTINGS:
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
        if re.match(r"https?://", path, re.IGNORECASE):
            url = self._same_origin(path)
        else:
            url = f"{self._server}/{quote(path.lstrip('/'), safe=_SAFE_IN_PATH)}"
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


class Fault(Enum):
    """What one of requests' exceptions says about: the way to the server, or what was configured."""

    LINK = "link"
    SETTINGS = "settings"


FAULTS: Mapping[type[requests.RequestException], Fault] = {
    requests.exceptions.RequestException: Fault.LINK,
    requests.exceptions.ConnectionError: Fault.LINK,
    requests.exceptions.ProxyError: Fault.LINK,
    requests.exceptions.SSLError: Fault.LINK,
    requests.exceptions.Timeout: Fault.LINK,
    requests.exceptions.ConnectTimeout: Fault.LINK,
    requests.exceptions.ReadTimeout: Fault.LINK,
    requests.exceptions.ChunkedEncodingError: Fault.LINK,
    requests.exceptions.ContentDecodingError: Fault.LINK,
    requests.exceptions.HTTPError: Fault.LINK,
    requests.exceptions.RetryError: Fault.LINK,
    requests.exceptions.TooManyRedirects: Fault.LINK,
    requests.exceptions.InvalidJSONError: Fault.LINK,
    requests.exceptions.JSONDecodeError: Fault.LINK,
    requests.exceptions.StreamConsumedError: Fault.LINK,
    requests.exceptions.UnrewindableBodyError: Fault.LINK,
    requests.exceptions.URLRequired: Fault.SETTINGS,
    requests.exceptions.MissingSchema: Fault.SETTINGS,
    requests.exceptions.InvalidSchema: Fault.SETTINGS,
    requests.exceptions.InvalidURL: Fault.SETTINGS,
    requests.exceptions.InvalidProxyURL: Fault.SETTINGS,
    requests.exceptions.InvalidHeader: Fault.SETTINGS,
}
"""The one seam between requests' exceptions and ours. Whether a fault of the link is a
NotReachedError or a BrokenError is not the exception's to say: it depends on the bytes that left."""


def fault_of(foreign: Exception) -> Fault:
    """Return what a foreign exception is about; the nearest class in `FAULTS` says it."""
    if isinstance(foreign, LocationValueError):
        return Fault.SETTINGS  # a host name that is none
    for kind in type(foreign).__mro__:
        if kind in FAULTS:
            return FAULTS[kind]
    return Fault.LINK  # urllib3's own, or the socket's


class _Adapter(HTTPAdapter):
    """requests' adapter for one origin: proxy, certificates and pool are settled once, not per request."""

    def __init__(
        self, wire: Wire, origin: str, *, proxy: str | None, ca_bundle: str | None
    ) -> None:
        self._wire = wire
        self._origin = origin
        self._proxy = proxy
        self._ca_bundle = ca_bundle
        self._pool: Any = None
        self._tls: ssl.SSLContext | None = None
        self._forwards = proxy is not None and origin.startswith("http:")
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def get_connection_with_tls_context(self, *_args: Any, **_options: Any) -> Any:
        if self._pool is None:
            self._pool = self._new_pool()
        return self._pool

    def cert_verify(self, *_args: Any, **_options: Any) -> None:
        """Nothing: the pool's TLS context verifies, and is made once."""

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:  # noqa: ARG002  # requests' signature
        url = str(request.url)
        return url if self._forwards else url[len(self._origin) :] or "/"

    def drop(self, response: requests.Response) -> None:
        """Close the connection behind an answer instead of using it again."""
        response.raw.close()
        self.close()

    def close(self) -> None:
        self._pool = None
        super().close()

    def _new_pool(self) -> Any:
        parts = urlsplit(self._origin)
        manager: PoolManager = (
            self.proxy_manager_for(self._proxy) if self._proxy else self.poolmanager
        )
        manager.pool_classes_by_scheme = {"http": Pool, "https": TLSPool}
        if parts.scheme == "https" and self._tls is None:
            self._tls = tls_context(self._ca_bundle)  # once: reading the bundle takes 20 ms
        options = {"ssl_context": self._tls} if self._tls else {}
        pool: Any = manager.connection_from_host(
            parts.hostname, parts.port, parts.scheme, pool_kwargs=options
        )
        pool.wire = self._wire
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
