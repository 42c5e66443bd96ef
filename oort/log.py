"""The daemon's log: structlog over the standard library, to a file of its own and to stderr.

Nothing that goes wrong in here reaches the caller, because a full disk must not stop an upload;
and no secret leaves it, wherever in an event, a traceback or another library's message it stands.
Everything else asks structlog or logging for a logger and configures nothing. What a line looks
like is in `oort.log_lines`, where it goes in `oort.log_handlers`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO

from oort.locations import make_private_folder
from oort.log_handlers import Beside, PrivateFile
from oort.log_lines import ConsoleLines, JournalLines, JsonLines, Lines, Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from structlog.typing import EventDict, WrappedLogger

    from oort.settings import Settings

FILE_NAME: Final = "oort.log"

_TALKATIVE: Final = ("urllib3", "alembic", "apscheduler", "watchdog", "uvicorn.access", "asyncio")
_OURS: Final = "oort_handler"

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
    root = logging.getLogger()
    may_colour = stream.isatty() and not os.environ.get("NO_COLOR")
    plain = _renderer(settings.log_format, colours=False)
    coloured = _renderer(settings.log_format, colours=True) if may_colour else plain
    for handler in _handlers(logs_folder, stream):
        lines = Lines(plain if isinstance(handler, PrivateFile) else coloured)
        to_journal = not isinstance(handler, PrivateFile) and _is_journal(stream)
        handler.setFormatter(JournalLines(lines) if to_journal else lines)
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
            structlog.contextvars.merge_contextvars,
            _hand_over,
        ],
        logger_factory=_Channel,
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def load_structlog() -> None:
    """Load structlog without rich, for a process that runs for months; before anything else does.

    structlog takes rich, where it is installed, for tracebacks: 5 MB and a tenth of a daemon's
    start. Ours are plain ones.
    """
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # "not installed", to the import system
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]


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
        if isinstance(handler, PrivateFile | Beside):
            with contextlib.suppress(OSError):  # what a full disk did not take before
                handler.close()


class _Channel:
    """The standard library's logger of a name, as structlog's last step wants it.

    It does not ask which line of code speaks: nobody is told, and finding out costs as much as all
    else of a line.
    """

    def __init__(self, *name: str) -> None:
        self._logger = logging.getLogger(*name)
        self.getEffectiveLevel = self._logger.getEffectiveLevel  # asked by `filter_by_level`

    @property
    def disabled(self) -> bool:
        """Whether the standard library's logger says nothing at all."""
        return self._logger.disabled

    def debug(self, event: EventDict) -> None:
        """Say something that helps whoever looks for an error."""
        self._say(logging.DEBUG, event)

    def info(self, event: EventDict) -> None:
        """Say what happened."""
        self._say(logging.INFO, event)

    def warning(self, event: EventDict) -> None:
        """Say what somebody may have to know."""
        self._say(logging.WARNING, event)

    def error(self, event: EventDict) -> None:
        """Say what went wrong."""
        self._say(logging.ERROR, event)

    exception = error

    def critical(self, event: EventDict) -> None:
        """Say what ends the process."""
        self._say(logging.CRITICAL, event)

    def _say(self, level: int, event: EventDict) -> None:
        logger = self._logger
        logger.handle(logger.makeRecord(logger.name, level, "", 0, event, (), None))


def _hand_over(
    _logger: WrappedLogger, _method: str, event: EventDict
) -> tuple[tuple[EventDict], dict[str, Any]]:
    """Give the event to its channel as it is: a handler makes a line of it (a structlog processor)."""
    return (event,), {}


def _renderer(log_format: str, *, colours: bool) -> Callable[[logging.LogRecord], str]:
    if log_format == "json":
        return JsonLines(_redactor)
    return ConsoleLines(_redactor, colours=colours)


def _handlers(logs_folder: Path, stream: TextIO) -> list[logging.Handler]:
    handlers = [] if _is_launchd() else [_stream_handler(stream)]
    try:
        make_private_folder(logs_folder)
    except OSError:
        return handlers or [_stream_handler(stream)]
    return [*handlers, PrivateFile(logs_folder / FILE_NAME)]


def _stream_handler(stream: TextIO) -> logging.Handler:
    try:
        return Beside(stream.fileno())
    except (OSError, ValueError):  # a stream of this process alone: nobody can stop reading it
        return logging.StreamHandler(stream)


def _is_journal(stream: TextIO) -> bool:
    """Tell whether what is written there goes to systemd's journal (systemd.exec(5), JOURNAL_STREAM)."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


def _is_launchd() -> bool:
    """Tell whether launchd started us: it never rotates what is written to stderr."""
    return os.environ.get("XPC_SERVICE_NAME", "0") != "0"
