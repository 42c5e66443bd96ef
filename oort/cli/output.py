"""All printing of the `oort` command: words, tables, JSON, and numbers as people read them.

On stdout is what was asked for, on stderr what went wrong. Colour only on a terminal, and never
where NO_COLOR is set; rich is loaded only for what needs it.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

_KILO: Final = 1024
_UNITS: Final = ("B", "KB", "MB", "GB", "TB", "PB")
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400
_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


def prepare() -> None:
    """Let no letter that the terminal lacks, and no name that is not UTF-8, end a command.

    Nor the want of a terminal: Python has no stream for a descriptor that was closed before it.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # for the process's life
            setattr(sys, name, nowhere)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def flush() -> None:
    """Hand everything over, so that a reader who has gone is noticed here."""
    sys.stdout.flush()


def forget_stdout() -> None:
    """Let the interpreter end quietly after the reader of stdout has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# ── words ──────────────────────────────────────────────────────────────────────────────────────


def words(name: bytes | str | Path) -> str:
    r"""Return a name that is safe on a terminal: escapes for what is no UTF-8 or no letter.

    `bad\xff.fits`, `two\nlines.fits`: a file's name must not move somebody's cursor.
    """
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def line(text: str = "") -> None:
    """Write one line of what was asked for."""
    print(text)


def complain(text: str) -> None:
    """Write one line beside what was asked for."""
    print(text, file=sys.stderr)


def error(message: str, *, hint: str | None = None) -> None:
    """Say what failed, in one line, and what to do about it, in another."""
    complain(f"{paint('Error:', 'red', sys.stderr)} {_one_line(message)}")
    if hint:
        complain(f"{paint('Hint:', 'bold', sys.stderr)} {_one_line(hint)}")


def warning(message: str) -> None:
    """Say what somebody should know before they go on."""
    complain(f"{paint('Warning:', 'yellow', sys.stderr)} {_one_line(message)}")


def _one_line(text: str) -> str:
    return " ".join(text.split("\n"))


def traceback_of(error: BaseException) -> None:
    """Show where an error came from; no local variable is shown."""
    import traceback

    traceback.print_exception(error, file=sys.stderr)


# ── documents ──────────────────────────────────────────────────────────────────────────────────


def document(value: object) -> None:
    """Write one JSON document."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows below their headings, as wide as they are where nobody looks at a terminal."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for column in columns:
        heading, _, side = column.partition(">")
        shown.add_column(heading, justify="right" if side or column.endswith(">") else "left")
    for row in rows:
        shown.add_row(*row)
    show(shown)


def show(renderable: Any) -> None:
    """Write something that rich draws."""
    console = make_console()
    if console.is_terminal:
        console.print(renderable)
        return
    with console.capture() as capture:
        console.print(renderable)
    print("\n".join(row.rstrip() for row in capture.get().splitlines()))


def make_console() -> Console:
    """Return a console that takes names as they are: no markup, no highlighting, no emoji."""
    from rich.console import Console

    wide = None if is_terminal() else 10_000
    return Console(
        width=wide, markup=False, highlight=False, emoji=False, no_color=not has_colour()
    )


# ── numbers and times ──────────────────────────────────────────────────────────────────────────


def size(count: float | None) -> str:
    """Return bytes as people read them: `0 B`, `1.5 KB`, `32.0 MB` (1024-based)."""
    if count is None:
        return "?"
    value, unit = float(count), 0
    while value >= _KILO and unit < len(_UNITS) - 1:
        value, unit = value / _KILO, unit + 1
    return f"{value:.0f} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def rate(bytes_per_s: float | None) -> str:
    """Return a speed as people read it."""
    return "?" if bytes_per_s is None else f"{size(bytes_per_s)}/s"


def duration(seconds: float | None) -> str:
    """Return seconds as people read them: `4 s`, `2 min 8 s`, `3 h 5 min`, `2 d 4 h`."""
    if seconds is None:
        return "?"
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return _two(whole, _MINUTE, "min", 1, "s")
    if whole < _DAY:
        return _two(whole, _HOUR, "h", _MINUTE, "min")
    return _two(whole, _DAY, "d", _HOUR, "h")


def _two(whole: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    rest = whole % large // small
    return f"{whole // large} {large_unit}" + (f" {rest} {small_unit}" if rest else "")


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 file`, `412 files`, `1,234,567 files`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def parse_moment(text: str) -> datetime:
    """Return the moment of an ISO 8601 text as Oort's documents hold it."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def moment(text: str | None, now: datetime) -> str:
    """Return a moment in local time: `02:14:07` if it is less than half a day away, else with its date."""
    if text is None:
        return "?"
    at = parse_moment(text).astimezone()
    is_near = abs((now - at).total_seconds()) < _DAY / 2
    return at.strftime("%H:%M:%S" if is_near else "%Y-%m-%d %H:%M:%S")


# ── terminal ───────────────────────────────────────────────────────────────────────────────────


def is_terminal(stream: TextIO | None = None) -> bool:
    """Tell whether somebody looks at this stream."""
    return (stream or sys.stdout).isatty()


def has_colour(stream: TextIO | None = None) -> bool:
    """Tell whether this stream may be coloured."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """Return `text` in a style, where the stream may be coloured."""
    if not has_colour(stream):
        return text
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"
