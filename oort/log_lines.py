"""From an event to its line in the log: what it says, in one line, without a secret.

Rendered once for all handlers that show it alike, because a line for each attempt is a good part of
what an attempt costs. What is rare (a traceback, a line of another library, colours on a terminal)
is left to structlog.
"""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Event = dict[str, Any]

_HIDDEN: Final = "***"
_LONGEST_TEXT: Final = 10_000
"""watchdog has put the repr of all its watches into one warning: 12 MB, measured with watchdog 7.1."""

_SECRET_KEY: Final = re.compile(r"key|token|authorization|password|cookie", re.IGNORECASE)
_KEY_HEADER: Final = re.compile(r"(Authorization['\"]?\s*[:=]\s*['\"]?(?:Key|Bearer)\s+)[^\s'\"]+")
_URL_PASSWORD: Final = re.compile(r"(://[^\s:/@]*):[^\s/]*@")
_QUOTED: Final = re.compile("[ \t=\r\n\"']")
_MANY_LINES: Final = frozenset({"exception", "stack"})
_EVENT_WIDTH: Final = 30
_LEVEL_WIDTH: Final = 9


class Redactor:
    """Hides secrets: what stands under a telling key, and the known values wherever they are.

    The set of values is replaced, never changed, so that threads may log meanwhile.
    """

    def __init__(self) -> None:
        self._values: tuple[str, ...] = ()

    def add(self, values: Iterable[str]) -> None:
        """Hide these values from now on, also as JSON writes them."""
        known = set(self._values)
        for value in values:
            if value:
                known |= {value, json.dumps(value)[1:-1]}
        self._values = tuple(sorted(known, key=len, reverse=True))

    def forget(self) -> None:
        """Know no value any more."""
        self._values = ()

    def text(self, text: str) -> str:
        """Return `text` without the known values, passwords in URLs and keys in headers."""
        for value in self._values:
            text = text.replace(value, _HIDDEN)
        if "://" in text:  # what the expressions ask for: most lines have none of it
            text = _URL_PASSWORD.sub(rf"\1:{_HIDDEN}@", text)
        if "Authorization" in text:
            text = _KEY_HEADER.sub(rf"\1{_HIDDEN}", text)
        return text

    def value(self, key: object, value: Any) -> Any:
        """Return what an event may say under a key, at any depth."""
        if isinstance(key, str) and _is_telling(key):
            return value if value is None or isinstance(value, bool) else _HIDDEN
        if isinstance(value, dict):
            return {inner: self.value(inner, each) for inner, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(None, each) for each in value]
        return value


@lru_cache(maxsize=1024)
def _is_telling(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


class Lines(logging.Formatter):
    """Makes lines of records: an event of ours is the record's `msg`, a dictionary.

    `render` is asked for the line of one record; handlers with the same `render` share it.
    """

    def __init__(self, render: Callable[[logging.LogRecord], str]) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, rendered by the first handler that asks."""
        rendered: tuple[object, str] | None = getattr(record, "oort_rendered", None)
        if rendered is None or rendered[0] is not self._render:
            rendered = record.oort_rendered = (self._render, self._render(record))
        return rendered[1]


_PRIORITIES: Final = (
    (logging.CRITICAL, "<2>"),
    (logging.ERROR, "<3>"),
    (logging.WARNING, "<4>"),
    (logging.INFO, "<6>"),
    (logging.NOTSET, "<7>"),
)
"""What stands before a line says to the journal how grave it is (sd-daemon(3))."""


class JournalLines(logging.Formatter):
    """The lines of another formatter with the priority that `journalctl -p` asks for."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line; of a traceback each one has the priority."""
        priority = next(mark for level, mark in _PRIORITIES if record.levelno >= level)
        return "\n".join(priority + line for line in self._lines.format(record).splitlines())


class ConsoleLines:
    """Renders lines that a person reads: time, level, event, then `name=value` sorted by name."""

    def __init__(self, redactor: Redactor, *, colours: bool) -> None:
        self._redactor = redactor
        self._colours = colours
        self._second = (-1, "")

    def __call__(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        event = _event_of(record)
        exc_info = _exc_info(event.pop("exc_info", None))
        for key, value in event.items():
            event[key] = _on_one_line(key, _tame(self._redactor.value(key, value)))
        event["timestamp"] = self._stamp(record.created)
        line = self._coloured(event) if self._colours else _plain(event)
        if exc_info is not None:
            line += _traceback(exc_info)
        return self._redactor.text(line)

    def _stamp(self, created: float) -> str:
        second, text = self._second
        if int(created) != second:
            second = int(created)
            text = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
            self._second = second, text
        return text

    def _coloured(self, event: Event) -> str:
        from structlog.dev import ConsoleRenderer

        return ConsoleRenderer(colors=True)(None, "", event)


class JsonLines:
    """Renders a JSON object a line, for programs; times are UTC."""

    def __init__(self, redactor: Redactor) -> None:
        from structlog.processors import JSONRenderer

        self._redactor = redactor
        self._dump = JSONRenderer()

    def __call__(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        event = _event_of(record)
        moment = datetime.fromtimestamp(record.created, UTC).isoformat()
        event["timestamp"] = moment.replace("+00:00", "Z")
        if "exc_info" in event:
            event = _with_exception(event)
        for key, value in event.items():
            event[key] = _tame(self._redactor.value(key, value))
        return self._redactor.text(str(self._dump(None, "", event)))


def _event_of(record: logging.LogRecord) -> Event:
    """Return the event of a record as a dictionary of its own, be it another library's."""
    if isinstance(record.msg, dict):
        event = record.msg.copy()
    else:
        from structlog.contextvars import get_contextvars
        from structlog.stdlib import ExtraAdder

        extra = ExtraAdder()(logging.getLogger(), "", {"_record": record})
        event = {**get_contextvars(), **extra, "event": record.getMessage()}
        for name in ("_record", "message", "asctime", "oort_rendered"):
            event.pop(name, None)
        if record.exc_info:
            event["exc_info"] = record.exc_info
        if record.stack_info:
            event["stack"] = record.stack_info
    event["level"] = record.levelname.lower()
    return event


def _plain(event: Event) -> str:
    """Return an event as structlog's ConsoleRenderer shows it without colours."""
    shown = [
        event.pop("timestamp"),
        f"[{event.pop('level'):<{_LEVEL_WIDTH}}]",
        f"{event.pop('event', '')!s:<{_EVENT_WIDTH}}",
    ]
    stack, exception = event.pop("stack", None), event.pop("exception", None)
    shown += [f"{key}={_quoted(event[key])}" for key in sorted(event)]
    line = " ".join(shown).rstrip(" ")
    return "\n".join([line, *(text for text in (stack, exception) if text is not None)])


def _quoted(value: object) -> str:
    if isinstance(value, str) and not _QUOTED.search(value):
        return value
    return repr(value)


def _tame(value: Any) -> Any:
    """Cut what is too long to be read, and make words of names that are bytes."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else value[:_LONGEST_TEXT] + "…"
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value


def _on_one_line(key: str, value: Any) -> Any:
    """Escape what is no letter, so that a file's name can neither forge a line nor move a cursor."""
    if not isinstance(value, str) or value.isprintable() or key in _MANY_LINES:
        return value
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in value
    )


def _exc_info(told: Any) -> Any:
    """Return what an event says of an exception as the tuple that tracebacks are made of."""
    if isinstance(told, BaseException):
        return type(told), told, told.__traceback__
    if told and not isinstance(told, tuple):
        told = sys.exc_info()
    return told if told and told[0] is not None else None


def _traceback(exc_info: Any) -> str:
    """Return a traceback, without local variables, to be put after its line."""
    from structlog.dev import plain_traceback

    text = io.StringIO()
    plain_traceback(text, exc_info)
    return text.getvalue()


def _with_exception(event: Event) -> Event:
    """Return an event with its traceback as a document, without local variables."""
    from structlog.processors import ExceptionRenderer
    from structlog.tracebacks import ExceptionDictTransformer

    render = ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    return dict(render(None, "", event))
