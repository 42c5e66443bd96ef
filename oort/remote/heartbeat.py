"""The call of a monitoring service's address: a GET that says that the daemon is there.

It goes out by the client's transport, as all HTTP does, without any key.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit, urlunsplit

from arcsecond.errors import ArcsecondError, ConfigError
from arcsecond.transport import Timeouts, Transport
from oort.errors import OortError

TIMEOUT_S: Final = 10.0


def call(url: str, *, failed: bool, proxy: str | None, ca_bundle: str | None) -> int:
    """Call `url`, with `/fail` added to its path where it `failed`; return the HTTP status.

    Raises OortError, in words without the address: it is a secret of its own.
    """
    parts = urlsplit(url)
    path = parts.path.rstrip("/") + "/fail" if failed else parts.path or "/"
    origin = f"{parts.scheme}://{parts.netloc}"
    try:
        with Transport(
            origin,
            timeouts=Timeouts(connect_s=TIMEOUT_S, read_s=TIMEOUT_S),
            proxy=proxy or None,
            ca_bundle=ca_bundle or None,
            allow_http=True,
        ) as transport:
            asked = urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))
            answer = transport.request("GET", asked, authenticated=False)
    except ConfigError as error:
        raise OortError(f"heartbeat_url cannot be used: {error.message}") from None
    except ArcsecondError as error:
        raise OortError(error.message, hint=error.hint) from None
    if not answer.is_success:
        raise OortError(f"{parts.hostname} answered {answer.words()}")
    return answer.http_status
