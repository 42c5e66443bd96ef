"""An HTTP answer as the rest of the client sees it: status, words, dates; success or not.

No HTTP library is known here. What a server says reaches people through `words` alone: one line,
never HTML, never a key.
"""

from __future__ import annotations

import json as jsonlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcsecond.config import Secret

NO_ANSWER = "the server, or a proxy before it, answered with a page"
"""What is said of content that is no JSON."""
TOO_LARGE = "the server, or a proxy before it, takes no file of this size: ask whoever runs it"
"""What is said of a 413 that has no words of its own."""

_LONGEST_WORDS = 300
_LONGEST_READ = 20_000
_PAGE = re.compile(r"<\s*(!doctype|/?(html|head|body|title|h1|p|div|span|pre|br|script)\b)", re.I)
_UNNAMED = ("detail", "non_field_errors")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said, success or not."""

    http_status: int
    headers: Mapping[str, str] = field(repr=False)
    """Case does not matter when they are looked up."""
    content: bytes = field(repr=False)
    bytes_sent: int
    """Bytes of the request's body that were handed to the kernel."""
    body_complete: bool
    """The whole body was handed to the kernel, closing boundary included."""
    url: str
    _key: Secret | None = field(default=None, repr=False, compare=False)

    @property
    def is_success(self) -> bool:
        """The status is 2xx; the content may prove nothing all the same."""
        return self.http_status // 100 == 2  # noqa: PLR2004  # as it is said

    @property
    def is_json(self) -> bool:
        """The content is one JSON document."""
        return self._parsed()[0]

    def json(self) -> object | None:
        """Return the content as JSON, or None when it is none."""
        return self._parsed()[1]

    def words(self) -> str:
        """Return what the server said, in one line of at most 300 characters; never HTML, no key."""
        return _one_line(self._said(), self._key) or status_line(self.http_status)

    def says_name_taken(self) -> bool:
        """Tell whether the dataset has a file of that name already.

        The API says it in words only (400, as a string or in a list), and this is the one place
        that looks for them.
        """
        if self.http_status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT):
            return False
        is_json, value = self._parsed()
        return is_json and "already exists in dataset" in " ".join(_words_of(value)).lower()

    @property
    def server_date(self) -> datetime | None:
        """The server's clock when it answered, aware; None when it did not tell."""
        return _http_date(self.headers.get("Date"))

    def retry_after_s(self, now: datetime) -> float | None:
        """Return how long the server wants to be left alone, in seconds; None when it did not say.

        A date is compared with the server's own clock where it told its time, else with `now`.
        """
        text = (self.headers.get("Retry-After") or "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
            return float(text)
        until = _http_date(text)
        if until is None:
            return None
        return max(0.0, (until - (self.server_date or now)).total_seconds())

    def _parsed(self) -> tuple[bool, object | None]:
        try:
            return True, jsonlib.loads(self.content)
        except (ValueError, RecursionError):  # a UnicodeDecodeError is a ValueError
            return False, None

    def _said(self) -> str:
        status = status_line(self.http_status)
        is_json, value = self._parsed()
        if is_json and (words := "; ".join(_words_of(value))):
            return words
        if self.http_status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return f"{status}: {TOO_LARGE}"
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("text/plain") and b"<" not in self.content:
            text = self.content[: 4 * _LONGEST_WORDS].decode("utf-8", "replace").strip()
            return f"{status}: {text}" if text else status
        return f"{status}: {NO_ANSWER}" if self.content and not is_json else status


def status_line(http_status: int) -> str:
    """Return a status with its own phrase, not with the server's."""
    try:
        return f"{http_status} {HTTPStatus(http_status).phrase}"
    except ValueError:
        return str(http_status)


def _words_of(value: object, name: str = "") -> list[str]:
    """Return the words in an error answer, `detail` first, every other with its field's name.

    A field within a field is named by both: `coordinates.latitude: A valid number is required.`
    """
    if isinstance(value, dict):
        by_detail = sorted(value.items(), key=lambda pair: pair[0] != "detail")
        return [
            words
            for key, item in by_detail
            for words in _words_of(item, name if key in _UNNAMED else f"{name}.{key}".lstrip("."))
        ]
    if isinstance(value, list):
        if any(isinstance(item, dict) for item in value):  # one for each object that was sent
            return [words for item in value for words in _words_of(item, name)]
        text = " ".join(words for item in value for words in _words_of(item))
    elif isinstance(value, str):
        text = "a page" if _PAGE.search(value) else value
    else:
        text = "" if value is None or isinstance(value, bool) else str(value)
    if not text:
        return []
    return [f"{name}: {text}" if name else text]


def _one_line(text: str, key: Secret | None) -> str:
    if key is not None:
        text = text.replace(key.reveal(), "…")  # a server may repeat what it was sent
    text = "".join(c if c.isprintable() else " " for c in text[:_LONGEST_READ])
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_WORDS else text[: _LONGEST_WORDS - 1] + "…"


def _http_date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
