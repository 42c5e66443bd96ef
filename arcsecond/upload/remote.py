"""Questions to the server below a portal's prefix: patient, read leniently, refusals as errors."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from arcsecond.errors import (
    AnswerError,
    ArcsecondError,
    BrokenError,
    RedirectError,
    UnclearAnswerError,
)
from arcsecond.upload.patience import LONGEST_WAIT_S, TRIES, is_passing_status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from arcsecond.transport import Answer, Transport
    from arcsecond.upload.patience import Patience

LONGEST_ANSWER_BYTES = 512 * 1024 * 1024
"""Of a listing in one piece; a hundred thousand files are a tenth of that."""

MOST_PAGES = 1_000_000
"""A server whose `next` goes in a circle is noticed, late but surely."""


class Remote:
    """One connection's questions, below `/<portal>` where there is a portal."""

    def __init__(self, transport: Transport, portal: str | None, patience: Patience) -> None:
        self.transport = transport
        self._portal = portal
        self._prefix = f"/{quote(portal, safe='')}" if portal else ""
        self._patience = patience

    @property
    def where(self) -> str:
        """` in portal 'x'`, for the words of an error; empty for a personal account."""
        return f" in portal {self._portal!r}" if self._portal else ""

    def path(self, path: str) -> str:
        """Return `path` below the portal's prefix."""
        return self._prefix + path

    def get(self, path: str, *, params: Mapping[str, str] | None = None) -> Answer:
        """Ask below the portal, again while the trouble may pass; returns any answer.

        Raises TransportError, when it stays; NotReachedError at the first try: nobody waits for a
        dead server.
        """
        return self._patiently(self.path(path), params)

    def get_global(self, path: str) -> Answer:
        """Ask, as `get` does, for what has no portal's prefix: profiles and organisations."""
        return self._patiently(path)

    def send(
        self, method: str, path: str, json: Mapping[str, object], *, authenticated: bool = True
    ) -> Answer:
        """Send a small JSON document once; returns any answer."""
        path = self.path(path) if authenticated else path
        return self.transport.request(method, path, json=json, authenticated=authenticated)

    def items(
        self, path: str, *, params: Mapping[str, str] | None = None, what: str = "the listing"
    ) -> Iterator[object]:
        """Yield what a list holds, page by page, whether it is a bare array or comes in pages."""
        answer = self.get(path, params=params)
        for _ in range(MOST_PAGES):
            page = document(answer, what)
            following = None
            if isinstance(page, dict) and isinstance(page.get("results"), list):
                page, following = page["results"], page.get("next")
            if not isinstance(page, list):
                raise UnclearAnswerError(
                    f"{what} could not be read: the server's answer is no list",
                    status=answer.http_status,
                )
            yield from page
            if not isinstance(following, str) or not following:
                return
            answer = self._patiently(following)
        raise UnclearAnswerError(f"{what} does not end", status=answer.http_status)

    def _patiently(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        for tries in range(1, TRIES + 1):
            try:
                answer = self.transport.request(
                    "GET", path, params=params, longest_answer_bytes=LONGEST_ANSWER_BYTES
                )
            except BrokenError:
                if tries == TRIES:
                    raise
                self._patience.wait(tries)
                continue
            retry_after_s = retry_after(answer)
            if (
                tries == TRIES
                or not is_passing_status(answer.http_status)
                or (retry_after_s or 0.0) > LONGEST_WAIT_S
            ):
                return answer
            self._patience.wait(tries, retry_after_s)
        raise AssertionError("the last try returns or raises")


def retry_after(answer: Answer) -> float | None:
    """Return the seconds that the server asked to wait, by the server's own clock where it tells."""
    now = answer.server_date or datetime.now(UTC)  # noqa: TID251  # only where the server tells no time
    return answer.retry_after_s(now)


def document(answer: Answer, what: str) -> object:
    """Return the JSON of a success; raises AnswerError for anything else."""
    if not answer.is_success:
        raise refusal(answer, what)
    if not answer.is_json:
        raise UnclearAnswerError(
            f"{what} could not be read: the answer is no JSON (a login page of the network?)",
            status=answer.http_status,
        )
    return answer.json()


def refusal(answer: Answer, what: str) -> AnswerError:
    """Return the error for an answer that is no success, with the remedy where there is one."""
    status, words = answer.http_status, answer.words()
    if status // 100 == 3:  # noqa: PLR2004  # as it is said: 3xx
        return RedirectError(
            f"{what}: the server redirects ({status}), which is not followed",
            status=status,
            words=words,
            hint="Check the API address with `arcsecond api`.",
        )
    hint = None
    if status == HTTPStatus.UNAUTHORIZED:
        hint = "The key is not accepted: log in again with `arcsecond login`."
    return AnswerError(f"{what}: {words or status}", status=status, words=words, hint=hint)


def is_not_there(error: ArcsecondError) -> bool:
    """Tell whether the server says that what was asked for does not exist (for this account)."""
    return error.status == HTTPStatus.NOT_FOUND
