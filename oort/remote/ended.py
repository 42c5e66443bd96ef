"""How a question ends that got no answer to use: the client's errors and the server's refusals.

`Ended` travels up to the attempt, which returns its outcome; that is the only way out of the
middle of a question. What a refused *upload* means is read in `oort.transfer.answers`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from arcsecond.answer import status_line
from arcsecond.errors import (
    ArcsecondError,
    BodyChangedError,
    BrokenError,
    CancelledError,
    NotReachedError,
    TransportError,
)
from oort.policy.outcome import (
    Broken,
    Changed,
    DoubtRemains,
    Interrupted,
    NotReached,
    Outcome,
    ServerBusy,
    WatchRefused,
)
from oort.policy.retry import MAX_RETRY_AFTER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcsecond.answer import Answer

CUT: Final = "the upload was cut"

_WAIT: Final = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)


class Ended(Exception):  # noqa: N818  # an ending, not an error: what came of it is in `outcome`
    """The attempt, or the question, ends here with this outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(getattr(outcome, "reason", type(outcome).__name__))
        self.outcome = outcome


class MayNotLookError(Exception):
    """The key is good, and may not ask this."""


class NotThereError(Exception):
    """404 of a listing, or of what was to be changed."""


class UnusableListingError(Exception):
    """A listing that cannot be read to its end: cut, broken, or its rest is at another server.

    `ended` is how the question ends where there is no other way to ask.
    """

    def __init__(self, ended: Ended) -> None:
        super().__init__(str(ended))
        self.ended = ended


class TooLongError(UnusableListingError):
    """A listing was given up, because it was longer than was allowed."""

    def __init__(self, what: str) -> None:
        super().__init__(Ended(DoubtRemains(f"{what}: the listing is too long to be read")))


def is_passing(http_status: int) -> bool:
    """Tell whether a status may pass by itself: 408, 425, 429 and 5xx."""
    return http_status in _WAIT or http_status >= HTTPStatus.INTERNAL_SERVER_ERROR


def is_redirect(http_status: int) -> bool:
    """Tell whether the server sends us elsewhere: never followed, the key would go along."""
    return HTTPStatus.MULTIPLE_CHOICES <= http_status < HTTPStatus.BAD_REQUEST


def redirect_words(http_status: int, headers: Mapping[str, str]) -> str:
    """Say where a redirect leads, and what to do; the host alone, for a URL may hold anything."""
    host = urlsplit(headers.get("Location") or "").netloc.rpartition("@")[2]
    to = f" to {host}" if host else ""
    return (
        f"the server redirects{to} ({status_line(http_status)}), which is not followed: "
        "check the API address (`arcsecond api`)"
    )


def clamped(retry_after_s: float | None) -> float | None:
    """Return how long a server's `Retry-After` is obeyed, in seconds."""
    if retry_after_s is None:
        return None
    return min(max(retry_after_s, 0.0), MAX_RETRY_AFTER_S)


def ended_by(error: ArcsecondError, *, of_upload: bool = False) -> Ended:
    """Return the end that an error of the client is, as far as the client can tell.

    The bytes of a question are none of the file's: they are counted for an upload alone.
    """
    sent, complete = 0, False
    if of_upload and isinstance(error, TransportError):
        sent, complete = error.bytes_sent, error.body_complete
    match error:
        case NotReachedError():
            return Ended(NotReached(error.message))
        case CancelledError():
            return Ended(Interrupted(CUT, bytes_sent=sent, body_complete=complete))
        case BodyChangedError():
            return Ended(Changed(error.message, bytes_sent=sent))
        case BrokenError():
            return Ended(
                Broken(error.message, bytes_sent=sent, body_complete=complete, link_proven=False)
            )
        case _:
            # An answer that is no answer (too long, `next` elsewhere), or an address, a proxy or
            # a CA bundle that cannot be used: it stays so until somebody mends it.
            if error.status is not None:
                return Ended(ServerBusy(error.message, http_status=error.status))
            return Ended(NotReached(error.message))


def refused(answer: Answer, what: str, retry_after_s: float | None) -> Ended:
    """Return the end that a refused question is; 401, 403 and 404 are looked at before."""
    status = answer.http_status
    if is_redirect(status):
        return Ended(ServerBusy(redirect_words(status, answer.headers), http_status=status))
    if is_passing(status) or not answer.is_json or answer.is_success:
        words = f"{what}: {answer.words()}"
        return Ended(ServerBusy(words, http_status=status, retry_after_s=clamped(retry_after_s)))
    return Ended(WatchRefused(f"{what}: {answer.words()}", http_status=status))
