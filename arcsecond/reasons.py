"""Why no answer came: what the network, TLS or a proxy did, in words for a person, and a remedy.

What urllib3, http.client, ssl and the socket raise is read here; none of their own words are shown
where they may hold a URL, a query or the credentials of a proxy.
"""

from __future__ import annotations

import errno
import http.client
import os
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from urllib3.exceptions import DecodeError, NameResolutionError, ProtocolError
from urllib3.exceptions import TimeoutError as TimedOut

from arcsecond.pace import TrickleError
from arcsecond.server_clock import this_computers_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from arcsecond.server_clock import ServerClock
    from arcsecond.wire import Wire


@dataclass(frozen=True, slots=True)
class Reason:
    """What happened, and what to do about it; None where there is nothing but to try again."""

    words: str
    hint: str | None = None


_ADDRESS = "see the address with `arcsecond api`"
_NO_NAME = Reason(
    "no such host, or no name server", f"Is this computer online? Is the name right: {_ADDRESS}?"
)
_NO_TLS = Reason(
    "TLS failed: what answers there speaks no TLS", f"Is it https, and the port right: {_ADDRESS}?"
)
_PROXY = (
    "The proxy is named by oort's setting `proxy`, or by HTTPS_PROXY, HTTP_PROXY or ALL_PROXY;"
    " NO_PROXY names the hosts that need none."
)
_PROXY_WANTS_A_USER = "The proxy wants a user: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT."

_BY_CLASS: Mapping[type[BaseException], Reason] = {
    NameResolutionError: _NO_NAME,
    socket.gaierror: _NO_NAME,
    DecodeError: Reason("the answer cannot be decompressed"),
    http.client.IncompleteRead: Reason("the answer was cut short"),
    http.client.RemoteDisconnected: Reason("closed without an answer"),
    http.client.HTTPException: Reason(
        "what came back is no HTTP", f"Is it http or https, and the port right: {_ADDRESS}?"
    ),
    ProtocolError: Reason("the answer was cut short"),
}

_BY_ERRNO: Mapping[int, str] = {
    errno.ECONNREFUSED: f"Does the server run, and at this port: {_ADDRESS}?",
    errno.ENETUNREACH: "Is this computer online?",
    errno.EHOSTUNREACH: "Is this computer online, and the server switched on?",
}

_SPEAKS_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL")
"""OpenSSL's words for a server of plain http on the port of an https address."""

_NOT_YET_VALID, _EXPIRED = 9, 10
_OF_NOBODY_KNOWN = (18, 19, 20, 21)
_OF_ANOTHER_HOST = (62, 64)
"""OpenSSL's numbers for what is wrong with a certificate (X509_V_ERR_…)."""


def reason_of(
    foreign: BaseException, wire: Wire, *, connect_s: float, read_s: float, clock: ServerClock
) -> Reason:
    """Return why there is no answer, in words that hold no URL, no query and no credentials."""
    causes = list(_causes(foreign))
    found = next(
        (
            reason
            for cause in reversed(causes)
            if (reason := _of_cause(cause, wire, connect_s, read_s, clock))
        ),
        Reason(type(foreign).__name__),
    )
    if any("ProxyError" in type(cause).__name__ for cause in causes):
        hint = _PROXY_WANTS_A_USER if "407" in found.words else _PROXY
        return Reason(f"the proxy: {found.words}", hint)
    return found


def _of_cause(
    cause: BaseException, wire: Wire, connect_s: float, read_s: float, clock: ServerClock
) -> Reason | None:
    if isinstance(cause, TrickleError):
        return Reason(str(cause))
    if isinstance(cause, TimeoutError | TimedOut):
        return _of_time_out(wire, connect_s, read_s)
    for kind, reason in _BY_CLASS.items():
        if isinstance(cause, kind):
            return reason
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _of_certificate(cause, clock)
    return _of_os_error(cause) if isinstance(cause, OSError) else None


def _of_time_out(wire: Wire, connect_s: float, read_s: float) -> Reason:
    if wire.bytes_out == 0:
        return Reason(
            f"no connection within {connect_s:g} s",
            "Is this computer online? Does the network want a proxy (HTTPS_PROXY)?",
        )
    missed = "nothing answered" if wire.body_complete else "no byte taken"
    return Reason(f"{missed} within {read_s:g} s")


def _of_certificate(cause: ssl.SSLCertVerificationError, clock: ServerClock) -> Reason:
    if cause.verify_code in (_NOT_YET_VALID, _EXPIRED):
        return _of_dates(cause.verify_code, clock)
    hint = None
    if cause.verify_code in _OF_NOBODY_KNOWN:
        hint = (
            "Where an observatory signs its own certificates, REQUESTS_CA_BUNDLE, SSL_CERT_FILE or"
            " oort's setting `ca_bundle` names the file with its authority; elsewhere somebody may"
            " be listening in between."
        )
    elif cause.verify_code in _OF_ANOTHER_HOST:
        hint = f"The certificate is of another host: {_ADDRESS}."
    return Reason(f"its certificate is not trusted ({cause.verify_message})", hint)


def _of_dates(code: int, clock: ServerClock) -> Reason:
    """Name this computer's clock: where it is wrong, the certificate may well be good."""
    now = this_computers_time()
    words = "is not yet valid" if code == _NOT_YET_VALID else "has expired"
    if difference := clock.difference():
        hint = f"This computer's clock is {difference} the server's: set it."
    else:
        hint = (
            f"This computer's clock shows {now:%Y-%m-%d %H:%M} UTC: if that is wrong, set it; if"
            " it is right, the certificate must be renewed by whoever runs the server."
        )
    return Reason(f"its certificate {words} by this computer's clock ({now:%Y-%m-%d})", hint)


def _of_os_error(cause: OSError) -> Reason | None:
    if isinstance(cause, ssl.SSLError):
        if cause.reason in _SPEAKS_NO_TLS:
            return _NO_TLS
        return Reason(f"TLS failed ({cause.reason or 'closed without a word'})")
    if str(cause).startswith("Tunnel connection failed"):
        return Reason(str(cause))
    if not cause.errno:
        return None
    return Reason(os.strerror(cause.errno), _BY_ERRNO.get(cause.errno))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what lies within it: urllib3 puts causes into `args`."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop(0)
        if not isinstance(found, BaseException) or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [*found.args, getattr(found, "reason", None), found.__cause__]
