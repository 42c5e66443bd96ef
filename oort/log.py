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
import queue
import re
import sys
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TextIO

from oort.locations import make_private, make_private_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

    from structlog.typing import EventDict, Processor, WrappedLogger

    from oort.settings import Settings

FILE_NAME: Final = "oort.log"

_HIDDEN: Final = "***"
_MAX_BYTES: Final = 10 * 1024**2
_OLDER_FILES: Final = 5
_LONGEST_TEXT: Final = 10_000
"""watchdog has put the repr of all its watches into one warning: 12 MB, measured with watchdog 7.1."""

_LINES_MOST: Final = 1000
"""So many lines wait for a stderr that nobody reads just now; more are left to the file."""
_LAST_LINES_S: Final = 1.0
"""The end of the process waits so long for the last of them."""

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
        if isinstance(handler, RotatingFileHandler | _Beside):
            with contextlib.suppress(OSError):  # what a full disk did not take before
                handler.close()


class _PrivateFile(RotatingFileHandler):
    """A log file for its owner alone, opened when there is something to write.

    One that was deleted, to make room for one, is made anew.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line into the file that has the name now."""
        if self.stream is not None and not self._is_in_place(self.stream):
            with contextlib.suppress(OSError):
                self.stream.close()
            self.stream = None
        super().emit(record)

    def _is_in_place(self, stream: IO[str]) -> bool:
        try:
            written = os.fstat(stream.fileno())
            return os.path.samestat(written, os.stat(self.baseFilename))  # noqa: PTH116  # asked for every line
        except (OSError, ValueError):
            return False

    def _open(self) -> Any:
        def private(path: str, flags: int) -> int:
            descriptor = os.open(path, flags, 0o600)
            make_private(descriptor)
            return descriptor

        make_private_folder(Path(self.baseFilename).parent)
        # The handler closes it; Path.open takes no opener.
        return open(
            self.baseFilename, "a", encoding="utf-8", errors="backslashreplace", opener=private
        )


class _Beside(logging.Handler):
    """Writes to a file descriptor from a thread of its own, which alone waits for its reader.

    A pipe that nobody reads, or a terminal that is held, would else stop the whole daemon at the
    next line. What does not fit while it is so is left out; the file has it.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._lines: queue.Queue[str | None] = queue.Queue(_LINES_MOST)
        self._is_closed = False
        self._thread = self._started()

    def _started(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name="log", daemon=True)
        thread.start()
        return thread

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a line to the thread, to another one where it has died; never waits.

        Logging calls this with the handler's lock in hand.
        """
        try:
            if not (self._is_closed or self._thread.is_alive()):
                self._thread = self._started()
            self._lines.put_nowait(self.format(record) + "\n")
        except queue.Full:
            pass
        except Exception:  # noqa: BLE001  # as every handler of logging
            self.handleError(record)

    def close(self) -> None:
        """Give the last lines a moment; what still waits for a reader then is left behind."""
        self._is_closed = True
        while self._thread.is_alive():
            try:
                self._lines.put_nowait(None)
                break
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._lines.get_nowait()
        self._thread.join(_LAST_LINES_S)
        super().close()

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            rest = line.encode("utf-8", "backslashreplace")
            with contextlib.suppress(OSError):  # nobody is there to read it
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]


def _handlers(logs_folder: Path, stream: TextIO) -> list[logging.Handler]:
    handlers = [] if _is_launchd() else [_stream_handler(stream)]
    try:
        make_private_folder(logs_folder)
    except OSError:
        return handlers or [_stream_handler(stream)]
    file = _PrivateFile(
        logs_folder / FILE_NAME, maxBytes=_MAX_BYTES, backupCount=_OLDER_FILES, delay=True
    )
    return [*handlers, file]


def _stream_handler(stream: TextIO) -> logging.Handler:
    try:
        return _Beside(stream.fileno())
    except (OSError, ValueError):  # a stream of this process alone: nobody can stop reading it
        return logging.StreamHandler(stream)


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
