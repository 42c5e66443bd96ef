"""One resource of the API: list, read, create, update, delete.

Inside, `Resource` returns what the server gave and raises an `ArcsecondError` otherwise; at the
public edge `ArcsecondAPIEndpoint` does the same and returns `(result, error)`. What an answer that
is no success means for a person is said here, once, by `answer_error`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import quote, urlsplit

from arcsecond.errors import (
    AnswerError,
    ArcsecondError,
    InputError,
    RedirectError,
    UnclearAnswerError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from arcsecond.answer import Answer

T = TypeVar("T")

JSONObject = dict[str, Any]

_SERVER_FAULT = 500


class Ask(Protocol):
    """Send one request and return its answer, whatever its status."""

    def __call__(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | Iterable[str]] | None = None,
        json: object = None,
    ) -> Answer:
        """As `Transport.request` does."""
        ...


class Resource:
    """A resource below `path`, for callers inside: results are returned, errors are raised."""

    def __init__(self, ask: Ask, path: str) -> None:
        self._ask = ask
        self.path = path
        self.name = path.rstrip("/")

    def pages(self, **filters: object) -> Iterator[list[JSONObject]]:
        """Yield every page of the listing; the next one is followed on the same origin only."""
        params = {name: _text(value) for name, value in filters.items() if value is not None}
        answer = self._ask("GET", self.path, params=params)
        seen = {answer.url}
        while True:
            objects, following = _page(answer, self.name)
            yield objects
            if following is None:
                return
            answer = self._ask("GET", following)
            if answer.url in seen:
                raise UnclearAnswerError(
                    f"{self.name}: the pages of this listing go in circles",
                    status=answer.http_status,
                )
            seen.add(answer.url)

    def list(self, **filters: object) -> list[JSONObject]:
        """Return every object, all pages; `filters` are sent as the query."""
        return [one for page in self.pages(**filters) for one in page]

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
        return UnclearAnswerError(
            f"{subject}: what answered does not look like Arcsecond: {words}",
            status=status,
            words=words,
            hint="Is the API address right (`arcsecond api`)? Is a log-in page in the way?",
        )
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


def _page(answer: Answer, subject: str) -> tuple[list[JSONObject], str | None]:
    """Return the objects of one answer and the address of the next: a bare array has none."""
    if not answer.is_success:
        raise answer_error(answer, subject)
    found: Any = answer.json()
    following = None
    if isinstance(found, dict):
        following = found.get("next")
        found = found.get("results")
    if not isinstance(found, list) or not (following is None or isinstance(following, str)):
        raise answer_error(answer, subject)
    return [one for one in found if isinstance(one, dict)], following or None


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
