"""Questions to the server below a portal's prefix, asked again while the trouble may pass."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from arcsecond.endpoint import Resource
from arcsecond.errors import BrokenError, NotReachedError
from arcsecond.listing import LONGEST_LISTING_BYTES
from arcsecond.transport import LONGEST_ANSWER_BYTES
from arcsecond.upload.patience import LONGEST_WAIT_S, TRIES, is_passing_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from arcsecond.transport import Answer, Transport
    from arcsecond.upload.patience import Patience


class Remote:
    """One connection's questions, below `/<portal>` where there is a portal.

    The resources raise TransportError and AnswerError.
    """

    def __init__(self, transport: Transport, portal: str | None, patience: Patience) -> None:
        self.transport = transport
        self.portal = portal
        self._prefix = f"{quote(portal, safe='')}/" if portal else ""
        self._patience = patience

    @property
    def where(self) -> str:
        """` in portal 'x'`, for the words of an error; empty for a personal account."""
        return f" in portal {self.portal!r}" if self.portal else ""

    def path(self, path: str) -> str:
        """Return `path` below the portal's prefix."""
        return self._prefix + path

    def resource(self, path: str) -> Resource:
        """Return a resource below the portal's prefix."""
        return Resource(self._ask, self.path(path))

    def resource_of_all(self, path: str) -> Resource:
        """Return a resource that has no portal's prefix: profiles and organisations."""
        return Resource(self._ask, path)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | Iterable[str]] | None = None,
        json: object = None,
        into: Callable[[], Callable[[bytes], None]] | None = None,
    ) -> Answer:
        tries_left = TRIES if method == "GET" else 1  # what changes something is asked for once
        for tries in range(1, tries_left + 1):
            is_last = tries == tries_left
            try:
                answer = self.transport.request(
                    method,
                    path,
                    params=params,
                    json=json,
                    longest_answer_bytes=LONGEST_LISTING_BYTES if into else LONGEST_ANSWER_BYTES,
                    on_content=into() if into else None,
                )
            except (BrokenError, NotReachedError) as error:
                is_dead = isinstance(error, NotReachedError) and not self._patience.outlasts_outages
                if is_last or is_dead:
                    raise
                self._patience.wait(tries)
                continue
            wait_s = retry_after(answer)
            is_passing = is_passing_status(answer.http_status) and (wait_s or 0.0) < LONGEST_WAIT_S
            if is_last or not is_passing:
                return answer
            self._patience.wait(tries, wait_s)
        raise AssertionError("the last try returns or raises")


def retry_after(answer: Answer) -> float | None:
    """Return the seconds that the server asked to wait."""
    return answer.retry_after_s(datetime.now(UTC))  # noqa: TID251  # where the server tells no time
