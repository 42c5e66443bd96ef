"""The daemon's log: structlog over the standard library, to a file of its own and to stderr.

Nothing that goes wrong in here reaches the caller, because a full disk must not stop an upload;
and no secret leaves it, wherever in an event, a traceback or another library's message it stands.
Everything else asks structlog or logging for a logger and configures nothing.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, Any, Final, TextIO

from oort.locations import make_private_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping
    from pathlib import Path

    from structlog.typing import EventDict, Processor, WrappedLogger

    from oort.settings import Settings

FILE_NAME: Final = "oort.log"

_HIDDEN: Final = "***"
_MAX_BYTES: Final = 10 * 1024**2
_OLDER_FILES: Final = 5
_LONGEST_TEXT: Final = 10_000
"""watchdog has put the repr of all its watches into one warning: 12 MB, measured with watchdog 7.1."""

_SECRET_KEY: Final = re.compile(r"key|token|authorization|password|cookie", re.IGNORECASE)
_KEY_HEADER: Final = re.compile(r"(Authorization['\"]?\s*[:=]\s*['\"]?(?:Key|Bearer)\s+)[^\s'\"]+")
_URL_PASSWORD: Final = re.compile(r"(://[^\s:/@]*):[^\s/]*@")
_TALKATIVE: Final = ("urllib3", "alembic", "apscheduler", "watchdog", "uvicorn.access", "asyncio")
_OURS: Final = "oort_handler"


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
        text = _URL_PASSWORD.sub(rf"\1:{_HIDDEN}@", text)
        return _KEY_HEADER.sub(rf"\1{_HIDDEN}", text)

    def event(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Hide what an event holds under a telling key, at any depth (a structlog processor)."""
        return {key: self._value(key, value) for key, value in event.items()}

    def rendered(
        self, _logger: WrappedLogger, _method: str, rendered: str | bytes | EventDict
    ) -> str:
        """Hide what is left in the finished line, a traceback for one (a structlog processor)."""
        return self.text(str(rendered))

    def _value(self, key: object, value: Any) -> Any:
        if isinstance(key, str) and _SECRET_KEY.search(key):
            return value if value is None or isinstance(value, bool) else _HIDDEN
        if isinstance(value, dict):
            return {inner: self._value(inner, each) for inner, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(None, each) for each in value]
        return value


_redactor: Final = Redactor()


def configure(
    settings: Settings,
    logs_folder: Path,
    secrets: Iterable[str] = (),
    *,
    stream: TextIO | None = None,
) -> None:
    """Write the log of this process to `logs_folder` and to `stream` (stderr).

    May be called again, with other settings. Where the folder cannot be made, stderr has to do.
    """
    import structlog

    _remove_handlers()
    add_secrets(secrets)
    stream = stream or sys.stderr
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        _stamp(settings.log_format),
    ]
    root = logging.getLogger()
    may_colour = stream.isatty() and not os.environ.get("NO_COLOR")
    for handler in _handlers(logs_folder, stream):
        colours = may_colour and not isinstance(handler, RotatingFileHandler)
        handler.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[*before, structlog.stdlib.ExtraAdder(), _once],
                processors=_render(settings.log_format, colours=colours),
            )
        )
        handler.set_name(_OURS)
        root.addHandler(handler)
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(True)
    logging.raiseExceptions = False
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def add_secrets(values: Iterable[str]) -> None:
    """Hide these values from now on: keys as they are read, tokens as they are made."""
    _redactor.add(values)


def close() -> None:
    """Close what `configure` opened, forget the secrets, leave logging as Python gives it."""
    _remove_handlers()
    logging.captureWarnings(False)
    logging.raiseExceptions = True
    _redactor.forget()
    if "structlog" in sys.modules:
        import structlog

        structlog.reset_defaults()


def _remove_handlers() -> None:
    root = logging.getLogger()
    for handler in [each for each in root.handlers if each.get_name() == _OURS]:
        root.removeHandler(handler)
        if isinstance(handler, RotatingFileHandler):
            with contextlib.suppress(OSError):  # what a full disk did not take before
                handler.close()


class _PrivateFile(RotatingFileHandler):
    """A log file for its owner alone, opened when there is something to write."""

    def _open(self) -> Any:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        # The handler closes it; Path.open takes no opener.
        return open(
            self.baseFilename, "a", encoding="utf-8", errors="backslashreplace", opener=private
        )


def _handlers(logs_folder: Path, stream: TextIO) -> list[logging.Handler]:
    handlers: list[logging.Handler] = []
    if not _is_launchd():
        handlers.append(logging.StreamHandler(stream))
    try:
        make_private_folder(logs_folder)
    except OSError:
        return handlers or [logging.StreamHandler(stream)]
    file = _PrivateFile(
        logs_folder / FILE_NAME, maxBytes=_MAX_BYTES, backupCount=_OLDER_FILES, delay=True
    )
    return [*handlers, file]


def _is_launchd() -> bool:
    """Tell whether launchd started us: it never rotates what is written to stderr."""
    return os.environ.get("XPC_SERVICE_NAME", "0") != "0"


def _stamp(log_format: str) -> Processor:
    import structlog

    if log_format == "json":
        return structlog.processors.TimeStamper(fmt="iso", utc=True)
    return structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False)


def _render(log_format: str, *, colours: bool) -> list[Processor]:
    """Return what turns an event into a line: tracebacks without local variables, no secrets."""
    import structlog

    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if log_format == "json":
        transform = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        return [
            remove_meta,
            structlog.processors.ExceptionRenderer(transform),
            _redactor.event,
            _tame,
            structlog.processors.JSONRenderer(),
            _redactor.rendered,
        ]
    renderer = structlog.dev.ConsoleRenderer(
        colors=colours, exception_formatter=structlog.dev.plain_traceback
    )
    return [remove_meta, _redactor.event, _tame, _one_line, renderer, _redactor.rendered]


def _once(
    _logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Leave out what logging itself notes on a record once a first handler has formatted it."""
    event.pop("message", None)
    event.pop("asctime", None)
    return event


def _tame(
    _logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Cut what is too long to be read, and make words of names that are bytes."""
    for key, value in event.items():
        if isinstance(value, bytes):
            event[key] = value.decode("utf-8", "backslashreplace")
        elif isinstance(value, str) and len(value) > _LONGEST_TEXT:
            event[key] = value[:_LONGEST_TEXT] + "…"
    return event


def _one_line(
    _logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Escape what is no letter, so that a file's name can neither forge a line nor move a cursor."""
    for key, value in event.items():
        if isinstance(value, str) and key not in {"exception", "stack"} and not value.isprintable():
            event[key] = "".join(
                letter if letter.isprintable() else letter.encode("unicode_escape").decode()
                for letter in value
            )
    return event
