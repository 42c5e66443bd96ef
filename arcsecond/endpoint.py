"""One resource of the API: list, read, create, update, delete.

Inside, `Resource` returns what the server gave and raises an `ArcsecondError` otherwise; at the
public edge `ArcsecondAPIEndpoint` does the same and returns `(result, error)`. What an answer that
is no success means for a person is said here, once, by `answer_error`.
"""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from urllib.parse import quote, urlsplit

from arcsecond.answer import NO_ANSWER
from arcsecond.errors import (
    AnswerError,
    ArcsecondError,
    InputError,
    RedirectError,
    UnclearAnswerError,
)
from arcsecond.listing import CircleError, ListingReader, NoListingError, Trail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from arcsecond.answer import Answer

T = TypeVar("T")

JSONObject = dict[str, Any]

_SERVER_FAULT = 500
_BEGINNING_BYTES = 64 * 1024


class Ask(Protocol):
    """Send one request and return its answer, whatever its status."""

    def __call__(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | Iterable[str]] | None = None,
        json: object = None,
        into: Callable[[], Callable[[bytes], None]] | None = None,
    ) -> Answer:
        """As `Transport.request` does.

        `into` is called before each try; what it returns is given the content of a success, piece
        by piece as it arrives, and the answer has none.
        """
        ...


class Resource:
    """A resource below `path`, for callers inside: results are returned, errors are raised."""

    def __init__(self, ask: Ask, path: str) -> None:
        self._ask = ask
        self.path = path
        self.name = path.rstrip("/")

    def pages(
        self, keep: Callable[[JSONObject], T | None], /, **filters: object
    ) -> Iterator[list[T]]:
        """Yield what is kept of each page of the listing, which may be one bare array.

        `keep` is given each object as it arrives, and says what is kept of it, None for nothing.
        Where a page broke off and is asked for again, it is given that one's objects again. The
        next page is followed on the same origin only.
        """
        following: str | None = self.path
        params: dict[str, str | list[str]] | None = {
            name: _text(value) for name, value in filters.items() if value is not None
        }
        trail = Trail()
        while following is not None:
            page, answer = self._page(following, params, keep)
            yield page.kept
            try:
                following, params = trail.after(answer.url, page.reader), None
            except CircleError:
                raise UnclearAnswerError(
                    f"{self.name}: the pages of this listing go in circles",
                    status=answer.http_status,
                ) from None

    def _page(
        self,
        path: str,
        params: Mapping[str, str | list[str]] | None,
        keep: Callable[[JSONObject], T | None],
    ) -> tuple[_Page[T], Answer]:
        page = _Page(self.name, keep)

        def begin() -> Callable[[bytes], None]:
            nonlocal page
            page = _Page(self.name, keep)
            return page.feed

        answer = self._ask("GET", path, params=params, into=begin)
        if not answer.is_success:
            raise answer_error(answer, self.name)
        if not page.is_whole():
            raise answer_error(replace(answer, content=page.beginning), self.name)
        return page, answer

    def list(self, **filters: object) -> list[JSONObject]:
        """Return every object, all pages; `filters` are sent as the query."""
        return [one for page in self.pages(lambda one: one, **filters) for one in page]

    def read(self, identifier: object) -> JSONObject:
        """Return one object."""
        return _one(self._ask("GET", self._detail(identifier)), f"{self.path}{identifier}")

    def create(self, *, json: Mapping[str, object]) -> JSONObject:
        """Create an object and return it as the server made it; empty when it did not show it."""
        return _one(self._ask("POST", self.path, json=dict(json)), self.name, may_be_empty=True)

    def update(self, identifier: object, *, json: Mapping[str, object]) -> JSONObject:
        """Change some fields of an object; return it, or nothing when the server did not show it."""
        answer = self._ask("PATCH", self._detail(identifier), json=dict(json))
        return _one(answer, f"{self.path}{identifier}", may_be_empty=True)

    def delete(self, identifier: object) -> None:
        """Delete an object."""
        answer = self._ask("DELETE", self._detail(identifier))
        if not answer.is_success or _is_page(answer):
            raise answer_error(answer, f"{self.path}{identifier}")

    def _detail(self, identifier: object) -> str:
        text = str(identifier)
        if text in ("", ".", ".."):  # they would name the listing, or what is above it
            raise InputError(f"{text!r} is no identifier")
        return f"{self.path}{in_path(text)}/"


class ArcsecondAPIEndpoint:
    """A resource of the API; every method returns `(result, error)`, one of which is None.

    The error is an `ArcsecondError`; `raising` is the same resource with errors raised.
    """

    def __init__(self, resource: Resource) -> None:
        self.raising = resource

    def list(self, **filters: object) -> tuple[list[JSONObject] | None, ArcsecondError | None]:
        """Return every object that the filters leave, all pages."""
        return _pair(lambda: self.raising.list(**filters))

    def read(self, identifier: object) -> tuple[JSONObject | None, ArcsecondError | None]:
        """Return one object."""
        return _pair(lambda: self.raising.read(identifier))

    def create(
        self, *, json: Mapping[str, object]
    ) -> tuple[JSONObject | None, ArcsecondError | None]:
        """Create an object."""
        return _pair(lambda: self.raising.create(json=json))

    def update(
        self, identifier: object, *, json: Mapping[str, object]
    ) -> tuple[JSONObject | None, ArcsecondError | None]:
        """Change some fields of an object."""
        return _pair(lambda: self.raising.update(identifier, json=json))

    def delete(self, identifier: object) -> tuple[None, ArcsecondError | None]:
        """Delete an object; the error is None when it is gone."""
        return _pair(lambda: self.raising.delete(identifier))

    def __repr__(self) -> str:
        return f"ArcsecondAPIEndpoint({self.raising.path!r})"


def in_path(text: str) -> str:
    """Return a text as one part of a path; raises InputError for bytes that are none."""
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise InputError(f"{text!a} is no UTF-8 text") from None


def answer_error(answer: Answer, subject: str) -> AnswerError:
    """Return the error for an answer that is no success, or that proves nothing.

    `subject` says what was asked for, as a person knows it.
    """
    status, words = answer.http_status, answer.words()
    if answer.is_success:
        return _unclear(subject, words, status)
    if status // 100 == 3:  # noqa: PLR2004  # the redirects
        there = urlsplit(answer.headers.get("Location", "")).netloc or "elsewhere"
        return RedirectError(
            f"{subject}: the server sends us to {there}, and the key does not go there",
            status=status,
            words=words,
            hint="Look at the API address with `arcsecond api`.",
        )
    return AnswerError(
        f"{subject}: {words}", status=status, words=words, hint=_HINTS.get(status) or _hint(answer)
    )


def _unclear(subject: str, words: str, status: int) -> UnclearAnswerError:
    return UnclearAnswerError(
        f"{subject}: what answered does not look like Arcsecond: {words}",
        status=status,
        words=words,
        hint="Is the API address right (`arcsecond api`)? Is a log-in page in the way?",
    )


_HINTS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "The key is not accepted: store another with `arcsecond login`.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Behind nginx the limit is client_max_body_size.",
    HTTPStatus.FORBIDDEN: "An upload key may only read and upload; see `arcsecond login --type access`."
    " In a portal it may be the role.",
}


def _hint(answer: Answer) -> str | None:
    status = answer.http_status
    if status >= _SERVER_FAULT or status == HTTPStatus.TOO_MANY_REQUESTS:
        return "The server is in trouble or busy: try again later."
    if status == HTTPStatus.NOT_FOUND and _is_page(answer):
        return (
            "Is the API address right (`arcsecond api`)? A server of another version may lack this."
        )
    return None


def _pair(ask: Callable[[], T]) -> tuple[T | None, ArcsecondError | None]:
    try:
        return ask(), None
    except ArcsecondError as error:
        return None, error


class _Page(Generic[T]):
    """One answer of a listing as it arrives: what is kept of it, and what an error is told from."""

    def __init__(self, subject: str, keep: Callable[[JSONObject], T | None]) -> None:
        self.kept: list[T] = []
        self.beginning = b""
        """As it came; what is no listing is seldom long, and its words are the server's."""
        self.reader = ListingReader(self._take)
        self._subject = subject
        self._keep = keep
        self._is_broken = False

    def feed(self, piece: bytes) -> None:
        """Read on; raises UnclearAnswerError for what is no listing and is long."""
        if not self._is_broken:
            try:
                self.reader.feed(piece)
            except NoListingError:
                self._is_broken = True
        if len(self.beginning) < _BEGINNING_BYTES:
            self.beginning += piece
        elif self._is_broken:
            raise _unclear(self._subject, NO_ANSWER, HTTPStatus.OK)

    def is_whole(self) -> bool:
        """Tell, where nothing more comes, whether it was a listing from end to end."""
        if not self._is_broken:
            try:
                self.reader.end()
            except NoListingError:
                self._is_broken = True
        return not self._is_broken

    def _take(self, one: JSONObject) -> None:
        kept = self._keep(one)
        if kept is not None:
            self.kept.append(kept)


def _one(answer: Answer, subject: str, *, may_be_empty: bool = False) -> JSONObject:
    if not answer.is_success:
        raise answer_error(answer, subject)
    if may_be_empty and not answer.content.strip():
        return {}
    found = answer.json()
    if not isinstance(found, dict):
        raise answer_error(answer, subject)
    return found


def _is_page(answer: Answer) -> bool:
    """A captive portal answers 200 with a page of its own to whatever is asked."""
    return bool(answer.content.strip()) and not answer.is_json


def _text(value: object) -> str | list[str]:
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    return str(value)
