"""The only printing code of the `arcsecond` command: results to stdout, all else to stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
import unicodedata
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_GAP = "  "
_SHORTEST_CELL = 6


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


def as_json(document: object) -> None:
    """Print one JSON document, and nothing else may be on stdout."""
    say(json.dumps(document, ensure_ascii=False, indent=2))


def table(
    rows: Iterable[Sequence[object]], titles: Sequence[str], *, width: int | None = None
) -> None:
    """Print rows under their titles; the first column, which identifies, is never shortened.

    On a terminal (or with COLUMNS set) the others are shortened so that a row fits a line.
    """
    cells = [[printable(_cell(value)) for value in row] for row in rows]
    columns = [list(column) for column in zip(titles, *cells, strict=True)]
    widths = [max(map(_width, column)) for column in columns]
    for line in zip(*columns, strict=True):
        padded = (
            _padded(cell, wide) for cell, wide in zip(line, _fitted(widths, width), strict=True)
        )
        say(_GAP.join(padded).rstrip())


def record(fields: Mapping[str, object]) -> None:
    """Print one object, a line a field."""
    wide = max((_width(printable(name)) for name in fields), default=0)
    for name, value in fields.items():
        say(f"{_padded(printable(name), wide)}{_GAP}{printable(_cell(value))}".rstrip())


def printable(text: str) -> str:
    """Return text from elsewhere without what would steer a terminal: escapes, not the characters."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode()
        for c in text
    )


def prepare_streams() -> None:
    """Let a name that the terminal's encoding does not know be shown escaped instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _print(text: str, stream: TextIO) -> None:
    print(text, file=stream, flush=stream is sys.stdout and stream.isatty())


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, ensure_ascii=False)


def _fitted(widths: list[int], width: int | None) -> list[int]:
    """Return the widths for one line, taken from the widest columns but the first."""
    if width is None:
        fits_all = not (sys.stdout.isatty() or os.environ.get("COLUMNS"))
        width = sum(widths) + len(_GAP) * len(widths) if fits_all else shutil.get_terminal_size()[0]
    fitted = list(widths)
    while len(fitted) > 1 and sum(fitted) + len(_GAP) * (len(fitted) - 1) > width:
        widest = max(range(1, len(fitted)), key=fitted.__getitem__)
        if fitted[widest] <= _SHORTEST_CELL:
            break
        fitted[widest] -= 1
    return fitted


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _padded(text: str, width: int) -> str:
    if _width(text) > width:
        kept = text
        while kept and _width(kept) > width - 1:
            kept = kept[:-1]
        text = kept + "…"
    return text + " " * (width - _width(text))
