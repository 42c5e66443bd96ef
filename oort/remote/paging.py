"""A listing followed from page to page: it is complete, or it proves nothing."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from arcsecond.answer import NO_ANSWER
from arcsecond.errors import ArcsecondError, RedirectError, UnclearAnswerError
from arcsecond.listing import CircleError, ListingReader, NoListingError, Trail
from oort.remote.ended import (
    NotThereError,
    TooLongError,
    UnusableListingError,
    ended_by,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from oort.remote.connection import Connection

PAGE_SIZE: Final = 500
"""Entries of a page that a listing asks for; a server may give another number."""

LONGEST_PAGE_BYTES: Final = 64 * 1024 * 1024


def read_listing(
    connection: Connection,
    path: str,
    what: str,
    filters: Mapping[str, str],
    take: Callable[[dict[str, Any]], None],
    *,
    longest_bytes: int | None = None,
) -> None:
    """Give each entry to `take` as it arrives, page by page; complete where this returns.

    `what` names the listing in errors. Raises NotThereError, MayNotLookError, Ended,
    UnusableListingError, and of those TooLongError where the listing is longer than
    `longest_bytes`, or one page than 64 MiB.
    """
    following: str | None = path
    params: Mapping[str, str] | None = {**filters, "page_size": str(PAGE_SIZE)}
    trail = Trail()
    left = longest_bytes
    while following is not None:
        try:
            url, page, length = _page(connection, following, params, what, take, left=left)
            following = trail.after(url, page)
        except CircleError:
            raise _broken(what) from None
        except NotThereError:
            if params is None:  # it shrank while it was read
                raise _broken(what) from None
            raise
        params = None
        left = None if left is None else left - length


def _page(
    connection: Connection,
    path: str,
    params: Mapping[str, str] | None,
    what: str,
    take: Callable[[dict[str, Any]], None],
    *,
    left: int | None,
) -> tuple[str, ListingReader, int]:
    """Read one page; return where it was, what read it, and how long it was."""
    longest = LONGEST_PAGE_BYTES if left is None else min(max(left, 0), LONGEST_PAGE_BYTES)
    reader = ListingReader(take)
    length = 0

    def on_content(piece: bytes) -> None:
        nonlocal length
        length += len(piece)
        reader.feed(piece)

    try:
        answer = connection.exchange(
            "GET", path, params=params, longest_answer_bytes=longest, on_content=on_content
        )
        if answer.http_status == HTTPStatus.NOT_FOUND:
            raise NotThereError(what)
        connection.check(answer, what)
        reader.end()
    except UnclearAnswerError:
        raise TooLongError(what) from None
    except RedirectError as elsewhere:
        raise UnusableListingError(ended_by(elsewhere)) from None
    except ArcsecondError as error:
        raise ended_by(error) from None
    except NoListingError:
        raise _broken(what, is_json=reader.has_begun) from None
    return answer.url, reader, length


def _broken(what: str, *, is_json: bool = True) -> UnusableListingError:
    """Return the end of a listing that proves nothing; a hotel's page is told as one."""
    words = f"{what}: the listing is broken" if is_json else f"{what}: {NO_ANSWER}"
    return UnusableListingError(ended_by(UnclearAnswerError(words, status=HTTPStatus.OK)))
