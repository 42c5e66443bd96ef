"""What `oort doctor` asks of an API server: one question, and what its answer or silence means.

Nothing is created and nothing changed. Who waits for the doctor waits for one short time-out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from arcsecond.errors import ArcsecondError, ConfigError
from oort.remote.connection import Connection
from oort.remote.ended import is_passing, is_redirect, redirect_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcsecond.answer import Answer
    from oort.clock import Clock
    from oort.remote.account import Account

WORTH_SAYING_S: Final = 60.0
"""A clock that differs by less is right enough: the answer was on its way, too."""


class Cause(Enum):
    """What stands between this machine and a server, as far as the remedy differs."""

    SILENT = auto()
    """Nothing answers: no such host, refused, no route, a time-out, a connection that broke."""
    PROXY = auto()
    NO_WAY_OUT = auto()
    """No connection came about in time: often a network that wants a proxy."""
    CLOCK = auto()
    """A certificate's time is over, or not yet there, by this computer's clock."""
    CERTIFICATE = auto()
    """It is signed by nobody who is known here."""
    ADDRESS = auto()
    """Something else answers at that address: no TLS, no HTTP, another host's certificate."""
    REDIRECT = auto()
    PAGE = auto()
    """A web page instead of an answer: a log-in page of the network, or no Arcsecond."""
    BUSY = auto()
    """Arcsecond is in trouble itself, and will come back."""
    SETTINGS = auto()
    """The address, the proxy or the CA bundle cannot be used as it is written."""


_CAUSES: Final = (
    # By the hints of `arcsecond.reasons`, which know more than the class of an error.
    ("clock", Cause.CLOCK),
    ("`ca_bundle`", Cause.CERTIFICATE),
    ("`proxy`", Cause.PROXY),
    ("The proxy wants", Cause.PROXY),
    ("Does the network want a proxy", Cause.NO_WAY_OUT),
    ("of another host", Cause.ADDRESS),
    ("Is it http", Cause.ADDRESS),
)


@dataclass(frozen=True, slots=True)
class ServerTrouble:
    """Why a server could not be asked, in words."""

    cause: Cause
    words: str
    leads_to: str | None = None
    """Where a redirect leads: the address of that server."""
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class ServerLook:
    """What one question to a server showed."""

    account: Account
    trouble: ServerTrouble | None = None
    key_refused: str | None = None
    """What the server said to the stored key, where it refuses it."""
    ahead_s: float | None = None
    """By how much this computer's clock is ahead of the server's; None where no answer told."""

    @property
    def may_be_asked(self) -> bool:
        """Whether more questions with this key make sense."""
        return self.trouble is None and self.key_refused is None and self.account.has_upload_right


def look_at_server(
    api: str,
    *,
    connect_timeout_s: float,
    read_timeout_s: float,
    proxy: str | None = None,
    ca_bundle: str | None = None,
    trace: Callable[[str], None] | None = None,
    clock: Clock,
) -> ServerLook:
    """Ask once for something small. Raises OortError for a name that is not known, or a bad config.ini."""
    connection = Connection(
        api,
        connect_timeout_s=connect_timeout_s,
        read_timeout_s=read_timeout_s,
        proxy=proxy,
        ca_bundle=ca_bundle,
        trace=trace,
        clock=clock,
    )
    account = connection.account
    has_key = account.has_upload_right
    try:
        answer = connection.exchange(
            "GET",
            _path(account),
            params=None if has_key and account.username else {"name": "-"},
            authenticated=has_key,
        )
    except ArcsecondError as error:
        return ServerLook(account, _of_error(error))
    finally:
        connection.close()
    ahead_s = None
    if answer.server_date is not None and "Age" not in answer.headers:
        ahead_s = (clock.now() - answer.server_date).total_seconds()
    return ServerLook(account, _of_answer(answer), _refusal(answer, account), ahead_s)


def _path(account: Account) -> str:
    """Return what every key may see; without one, what is refused in Arcsecond's own words."""
    if account.has_upload_right and account.username:
        return f"profiles/{quote(account.username, safe='')}/"
    return "datasets/"


def _of_error(error: ArcsecondError) -> ServerTrouble:
    hint = error.hint or ""
    if isinstance(error, ConfigError):
        return ServerTrouble(Cause.SETTINGS, error.message, hint=error.hint)
    cause = next((cause for words, cause in _CAUSES if words in hint), Cause.SILENT)
    return ServerTrouble(cause, error.message, hint=error.hint)


def _of_answer(answer: Answer) -> ServerTrouble | None:
    status = answer.http_status
    host = urlsplit(answer.url).netloc
    if is_redirect(status):
        to = urlsplit(answer.headers.get("Location") or "")
        leads_to = f"{to.scheme}://{to.netloc.rpartition('@')[2]}" if to.netloc else None
        words = redirect_words(status, answer.headers)
        return ServerTrouble(Cause.REDIRECT, f"{host}: {words}", leads_to)
    if status == HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED:
        return ServerTrouble(Cause.PAGE, f"the network wants somebody to log in before {host}")
    if is_passing(status):
        return ServerTrouble(Cause.BUSY, f"{host} is in trouble: {answer.words()}")
    if not answer.is_json:
        words = f"{host} answers with something that is not Arcsecond's ({status})"
        return ServerTrouble(Cause.PAGE, words)
    return None


def _refusal(answer: Answer, account: Account) -> str | None:
    refused = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    if account.has_upload_right and answer.is_json and answer.http_status in refused:
        return answer.words()
    return None
