"""A listing read as it arrives, entry by entry: it may be as long as the dataset.

Lists come as bare arrays in places and as pages, `{count, next, previous, results}`, in others.
Pure but for the reader's own memory, which holds one entry and the rest of what arrived last, and
for the addresses that a `Trail` has seen.
"""

from __future__ import annotations

import codecs
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_BLANKS: Final = " \t\r\n"
_BEFORE_JSON: Final = b" \t\r\n\xef\xbb\xbf"
_BEGINNINGS: Final = (b"[", b"{")
LONGEST_LISTING_BYTES: Final = 4 * 1024 * 1024 * 1024
"""Of one answer; ten million files are about as much, and what goes on longer may never end."""
_LONGEST_VALUE: Final = 16 * 1024 * 1024
"""Characters of one entry; a data file's own header is among them."""


class NoListingError(Exception):
    """What was answered is no listing, or a part of one."""


class CircleError(NoListingError):
    """The pages of a listing lead back to one of them, or on and on without an entry."""


class ListingReader:
    """Takes the pieces of one answer with `feed`, gives each entry to `take`, and ends with `end`.

    What was taken before an error says nothing of the whole. Values in a listing that are no
    objects are left out.
    """

    def __init__(self, take: Callable[[dict[str, Any]], None]) -> None:
        self.following: str | None = None
        """The address of the next part, where there is one; known at the end."""
        self.entries = 0
        """How many values were in it so far, objects or not."""
        self._take = take
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._json = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._has_ended = False
        self._steps = self._document()
        self._is_done = False
        self._beginning = b""

    @property
    def has_begun(self) -> bool:
        """Whether what came begins as a listing does; a hotel's page does not."""
        return self._beginning in _BEGINNINGS

    def feed(self, piece: bytes) -> None:
        """Read on. Raises NoListingError."""
        self._beginning = self._beginning or piece.lstrip(_BEFORE_JSON)[:1]
        self._read(piece)

    def end(self) -> None:
        """Note that nothing more comes. Raises NoListingError where something is missing."""
        self._has_ended = True
        self._read(b"")
        if not self._is_done:
            raise NoListingError

    def _read(self, piece: bytes) -> None:
        try:
            more = self._decode(piece, self._has_ended)
        except UnicodeDecodeError:
            raise NoListingError from None
        self._text, self._at = self._text[self._at :] + more, 0
        if not self._is_done:
            self._is_done = next(self._steps, self) is self

    # -- the document, in steps: each one that yields waits for the next piece --------------------

    def _document(self) -> Generator[None, None, None]:
        mark = yield from self._mark()
        if mark == "[":
            yield from self._entries()
        elif mark == "{":
            yield from self._page()
        else:
            raise NoListingError
        while True:
            self._skip_blanks()
            if self._at < len(self._text):
                raise NoListingError
            if self._has_ended:
                return
            yield

    def _page(self) -> Generator[None, None, None]:
        self._at += 1
        has_results = False
        mark = yield from self._mark()
        while mark != "}":
            name = yield from self._value()
            yield from self._expect(":")
            mark = yield from self._mark()
            if name == "results" and mark == "[":
                has_results = True
                yield from self._entries()
            else:
                value = yield from self._value()
                if name == "next":
                    if not (value is None or isinstance(value, str)):
                        raise NoListingError
                    self.following = (value or "").strip() or None
            mark = yield from self._comma_or("}")
        self._at += 1
        if not has_results:
            raise NoListingError

    def _entries(self) -> Generator[None, None, None]:
        self._at += 1
        mark = yield from self._mark()
        while mark != "]":
            entry = yield from self._value()
            self.entries += 1
            if isinstance(entry, dict):
                self._take(entry)
            mark = yield from self._comma_or("]")
        self._at += 1

    def _comma_or(self, end: str) -> Generator[None, None, str]:
        """Return the mark that closes, or, past a comma, the one that follows."""
        mark = yield from self._mark()
        if mark == ",":
            self._at += 1
            mark = yield from self._mark()
            if mark != end:
                return mark
        elif mark == end:
            return mark
        raise NoListingError

    def _expect(self, mark: str) -> Generator[None, None, None]:
        found = yield from self._mark()
        if found != mark:
            raise NoListingError
        self._at += 1

    def _mark(self) -> Generator[None, None, str]:
        """Return the next character that is no blank, without going past it."""
        while True:
            self._skip_blanks()
            if self._at < len(self._text):
                return self._text[self._at]
            if self._has_ended:
                raise NoListingError
            yield

    def _skip_blanks(self) -> None:
        while self._at < len(self._text) and self._text[self._at] in _BLANKS:
            self._at += 1

    def _value(self) -> Generator[None, None, object]:
        """Return the next value, and go past it."""
        while True:
            with suppress(ValueError, RecursionError):
                value, end = self._json.raw_decode(self._text, self._at)
                if end < len(self._text) or self._has_ended:
                    self._at = end
                    return value
            # It is not here whole, or is none: reading on until there is twice as much of it keeps
            # the number of tries small.
            here = len(self._text) - self._at
            if self._has_ended or here > _LONGEST_VALUE:
                raise NoListingError
            while len(self._text) - self._at < 2 * here and not self._has_ended:
                yield


class Trail:
    """The addresses of a listing's pages, from one to the next: none may come twice."""

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._named: set[str] = set()

    def after(self, url: str, page: ListingReader) -> str | None:
        """Return the address of the page behind this one, which came from `url`; None at the end.

        Raises CircleError; for pages without an entry, too, each of which names another one.
        """
        following = page.following
        is_back = url in self._asked
        self._asked.add(url)
        is_back = is_back or following in self._asked or following in self._named
        if following is None:
            return None
        if is_back or (len(self._asked) > 1 and not page.entries):
            raise CircleError
        self._named.add(following)
        return following
