"""The only printing code of the `arcsecond` command: results to stdout, all else to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import unicodedata
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from arcsecond.config import Secret

_GAP = "  "
_SHORTEST_CELL = 6
_NARROWEST_TEXT = 20
"""Columns; in fewer a text is no easier to read for being wrapped."""
_KILO = 1024
_SHORTEST_KEY = 8
"""What is shorter is no key that a server gave, and may be a part of any word."""


class _Hidden:
    """The keys that no line shows, whoever repeats them."""

    def __init__(self) -> None:
        self._keys: set[str] = set()

    def add(self, key: str) -> None:
        if len(key) >= _SHORTEST_KEY:
            self._keys.add(key)

    def removed_from(self, text: str) -> str:
        for key in self._keys:
            text = text.replace(key, "…")
        return text


_hidden = _Hidden()


def hide(*keys: Secret | None) -> None:
    """Let no line from here on show one of these keys."""
    for key in keys:
        if key is not None:
            _hidden.add(key.reveal())


def say(text: str = "") -> None:
    """Print a line of the result."""
    _print(text, sys.stdout)


def note(text: str) -> None:
    """Print a line that is no result: what `-v` tells, a warning."""
    _print(text, sys.stderr)


def error(message: str, hint: str | None = None) -> None:
    """Print what happened and, where there is one, the remedy."""
    note(f"Error: {printable(message)}")
    if hint:
        note(f"Hint: {printable(hint)}")


def warning(message: str) -> None:
    """Print what is wrong without being in the way."""
    note(f"Warning: {printable(message)}")


def as_json(document: object) -> None:
    """Print one JSON document, and nothing else may be on stdout."""
    say(json.dumps(document, ensure_ascii=False, indent=2))


class JSONList:
    """One JSON list, each item printed when it comes: a list that is cut short is no JSON.

    It ends with the `with` that it is used in; an error leaves it open.
    """

    def __init__(self) -> None:
        self._has_begun = False

    def add(self, item: object) -> None:
        """Print one more."""
        document = json.dumps(item, ensure_ascii=False, indent=2)
        lines = document.replace("\n", "\n  ")
        _print(f"{',' if self._has_begun else '['}\n  {lines}", sys.stdout, end="")
        self._has_begun = True

    def __enter__(self) -> JSONList:
        return self

    def __exit__(self, error_type: type[BaseException] | None, *_: object) -> None:
        if error_type is None:
            say("\n]" if self._has_begun else "[]")
        elif self._has_begun:
            say()


class Table:
    """Rows under their titles; the first column, which identifies, is never shortened.

    On a terminal (or with COLUMNS set) the others are shortened so that a row fits a line. The
    widths are settled by the first rows that are added: later ones are printed as they come.
    `right` are the columns of numbers, `whole` those that say nothing when they are cut: both give
    way last.
    """

    def __init__(
        self,
        titles: Sequence[str],
        *,
        right: Collection[int] = (),
        whole: Collection[int] = (),
        width: int | None = None,
    ) -> None:
        self._titles = list(titles)
        self._right = right
        self._whole = {*right, *whole}
        self._width = line_width() if width is None else width
        self._widths: list[int] | None = None

    def add(self, rows: Iterable[Sequence[object]]) -> None:
        """Print some more rows."""
        lines = [[printable(_cell(value)) for value in row] for row in rows]
        if self._widths is None:
            columns = zip(self._titles, *lines, strict=True)
            widths = [max(map(_width, column)) for column in columns]
            if self._width is not None:
                texts = [n for n in range(1, len(widths)) if n not in self._whole]
                widths = _fitted(widths, self._width, texts)
                widths = _fitted(widths, self._width, range(1, len(widths)))
            self._widths = widths
            lines.insert(0, self._titles)
        for line in lines:
            say(_GAP.join(self._cells(line, self._widths)).rstrip())

    def _cells(self, line: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
        for number, (text, wide) in enumerate(zip(line, widths, strict=True)):
            shown = text if number == 0 or self._width is None else _shortened(text, wide)
            blanks = " " * (wide - _width(shown))
            yield blanks + shown if number in self._right else shown + blanks


def table(
    rows: Iterable[Sequence[object]], titles: Sequence[str], *, width: int | None = None
) -> None:
    """Print a table whose rows are all there."""
    Table(titles, width=width).add(rows)


def line_width() -> int | None:
    """Return how many columns a line may have; None where nobody has to read it."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return shutil.get_terminal_size()[0]
    return None


def record(fields: Mapping[str, object]) -> None:
    """Print one object, a line a field; on a terminal a long value goes on below its beginning."""
    wide = max((_width(printable(name)) for name in fields), default=0)
    room = None
    if (width := line_width()) is not None:
        room = width - wide - len(_GAP)
    for name, value in fields.items():
        label = printable(name)
        for line in _wrapped(printable(_cell(value)), room):
            say(f"{label}{' ' * (wide - _width(label))}{_GAP}{line}".rstrip())
            label = ""


def volume(count: float) -> str:
    """Return a number of bytes as people read it, 1024-based."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < _KILO:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= _KILO
    return f"{count:.1f} TB"


def printable(text: str) -> str:
    """Return text from elsewhere without what would steer a terminal: escapes, not the characters.

    A byte of a name or argument that is no UTF-8 is shown as `\\xff`.
    """
    if text.isprintable():
        return text
    with contextlib.suppress(UnicodeEncodeError):  # half a character of a server's JSON
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode()
        for c in text
    )


def shown(text: str) -> str:
    """Return text from elsewhere as the functions here print it, for who draws it himself."""
    return _hidden.removed_from(printable(text))


def confirm(question: str) -> None:
    """Ask on stderr; anything but yes, the end of input included, raises click's Abort."""
    click.confirm(shown(question), abort=True, err=True)


def prepare_streams() -> None:
    """Let a name that the terminal's encoding does not know be shown escaped instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _print(text: str, stream: TextIO, *, end: str = "\n") -> None:
    flush = stream is sys.stdout and stream.isatty()
    # In one piece: with -v several threads of an upload print at once, each a line of its own.
    stream.write(f"{_hidden.removed_from(text)}{end}")
    if flush:
        stream.flush()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, ensure_ascii=False)


def _fitted(widths: list[int], width: int, from_columns: Collection[int]) -> list[int]:
    """Return the widths for one line, taken from the widest of these columns."""
    fitted = list(widths)
    while from_columns and sum(fitted) + len(_GAP) * (len(fitted) - 1) > width:
        widest = max(from_columns, key=fitted.__getitem__)
        if fitted[widest] <= _SHORTEST_CELL:
            break
        fitted[widest] -= 1
    return fitted


def _wrapped(text: str, room: int | None) -> list[str]:
    """Return a text in lines of so many columns; a word that is longer stays whole."""
    if room is None or room < _NARROWEST_TEXT:
        return [text]
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and _width(longer) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _shortened(text: str, width: int) -> str:
    if _width(text) <= width:
        return text
    kept, wide = "", 0
    for c in text:
        wide += _width(c)
        if wide > width - 1:
            break
        kept += c
    return kept.rstrip() + "…"
