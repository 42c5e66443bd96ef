"""Who may look, and who may change: the rules of the page, as functions of a request's headers.

The page is on loopback, where every program of this machine and every web site in its browser can
reach it. So a request must name us (`Host`, against DNS rebinding); a change must come from our own
page (`Origin`, and a token that only this page was given); and where other machines can reach it,
or where a token was given, whoever looks must have that.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

COOKIE: Final = "oort_monitor"
COOKIE_S: Final = 30 * 86_400
PAGE_TOKEN: Final = "x-oort-token"  # noqa: S105  # a header's name
"""The header by which a page shows that it is ours."""

_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^\[\]:@/\s]+)(?::\d{1,5})?", re.ASCII)
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_BEARER: Final = "bearer "

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""What every answer carries: nothing from elsewhere, nothing inline, in no frame, kept by nobody."""


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one monitor; `page_token` is made anew by each process."""

    token: str | None = None
    """What whoever looks must have; None: everybody who can reach us may."""
    hosts: frozenset[str] = frozenset()
    """Names and addresses that are ours beside those of loopback, in lower case."""
    read_only: bool = False
    page_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    def is_our_host(self, hosts: Iterable[str], reached_at: str | None = None) -> bool:
        """Tell whether a request names us in its one `Host`, whatever the port: there are tunnels.

        `reached_at` is the address of this machine that the connection came to: no name of somebody
        else's can stand for it.
        """
        given = list(hosts)
        if len(given) != 1:
            return False
        name = host_name(given[0])
        return name is not None and (
            name in _LOOPBACK or name in self.hosts or (name == reached_at and _is_address(name))
        )

    def may_look(self, authorization: str | None, cookie: str | None) -> bool:
        """Tell whether the token came along, as `Authorization: Bearer` or by our cookie."""
        if self.token is None:
            return True
        if authorization is not None:
            scheme, given = authorization[: len(_BEARER)], authorization[len(_BEARER) :]
            return scheme.lower() == _BEARER and self.is_token(given.strip())
        return _equal(_cookie_in(cookie), self.cookie)

    def is_token(self, given: str) -> bool:
        """Tell whether this is the token; takes as long for a wrong one as for the right one."""
        return self.token is not None and _equal(given, self.token)

    @property
    def cookie(self) -> str:
        """What the cookie holds: proof of the token, and not the token."""
        return hmac.new((self.token or "").encode(), COOKIE.encode(), hashlib.sha256).hexdigest()

    def may_change(self, origin: str | None, host: str, page_token: str | None) -> bool:
        """Tell whether a change comes from our own page."""
        return (
            not self.read_only
            and is_same_origin(origin, host)
            and _equal(page_token or "", self.page_token)
        )


def is_same_origin(origin: str | None, host: str) -> bool:
    """Tell whether `Origin` is there and is the place that `Host` names."""
    if not origin:
        return False
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def host_name(host: str) -> str | None:
    """Return the name in a `Host`, in lower case, without port and brackets; None for nonsense."""
    match = _HOST.fullmatch(host.strip())
    if match is None:
        return None
    return match[1].strip("[]").rstrip(".").lower() or None


def is_loopback(addresses: Iterable[str]) -> bool:
    """Tell whether only this machine can reach these addresses; False where there is none."""
    found = [ipaddress.ip_address(address.partition("%")[0]) for address in addresses]
    return bool(found) and all(address.is_loopback for address in found)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _cookie_in(header: str | None) -> str:
    try:
        found = SimpleCookie(header or "").get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _equal(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(), right.encode())
