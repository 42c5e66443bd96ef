"""Where the lines of the log go: a private file that is rotated, and stderr by a thread of its own.

Nothing that goes wrong in here reaches the caller.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import stat
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from oort.locations import make_private, make_private_folder

_MAX_BYTES: Final = 10 * 1024**2
_OLDER_FILES: Final = 5

_LINES_MOST: Final = 1000
"""So many lines wait for a stderr that nobody reads just now; more are left to the file."""
_GATHER_S: Final = 0.05
"""Lines that come so soon after another are written with it: a thread is not woken for each."""
_LAST_LINES_S: Final = 1.0
"""The end of the process waits so long for the last of them."""


class PrivateFile(RotatingFileHandler):
    """A log file for its owner alone, opened when there is something to write.

    One that was deleted, to make room for one, is made anew. A line is one write, and what a full
    disk took of it is taken back: no line stands in the middle of another.
    """

    def __init__(self, file: Path) -> None:
        super().__init__(file, maxBytes=_MAX_BYTES, backupCount=_OLDER_FILES, delay=True)
        self._descriptor = -1
        self._opened: os.stat_result | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line into the file that has the name now; called with the handler's lock in hand."""
        try:
            line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
            size = self._ready(len(line))
            self._write(line, size)
        except Exception:  # noqa: BLE001  # as every handler of logging
            self.handleError(record)

    def close(self) -> None:
        """Close the file."""
        self._leave()
        super().close()

    def _ready(self, length: int) -> int:
        """Have the file open that has the name now, with room for a line; return its size."""
        found = self._in_place()
        if found is not None and stat.S_ISREG(found.st_mode):
            if found.st_size + length < self.maxBytes:
                return found.st_size
            self._leave()
            with contextlib.suppress(OSError):  # where no name can be changed it grows on
                self.doRollover()
        elif found is not None:
            return 0  # no file: a device that somebody put there
        else:
            self._leave()
        self._enter()
        return 0 if self._opened is None else self._opened.st_size

    def _in_place(self) -> os.stat_result | None:
        """Return what has the name now, if that is what is open."""
        if self._opened is None:
            return None
        try:
            found = os.stat(self.baseFilename)  # noqa: PTH116  # asked for every line
        except OSError:
            return None
        return found if os.path.samestat(found, self._opened) else None

    def _enter(self) -> None:
        make_private_folder(Path(self.baseFilename).parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(self.baseFilename, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
        make_private(self._descriptor)
        self._opened = os.fstat(self._descriptor)

    def _leave(self) -> None:
        if self._opened is not None:
            self._opened = None
            with contextlib.suppress(OSError):  # what a full disk did not take before
                os.close(self._descriptor)

    def _write(self, line: bytes, size: int) -> None:
        rest = line
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            if len(rest) < len(line):
                os.ftruncate(self._descriptor, size)
            raise


class Beside(logging.Handler):
    """Writes to a file descriptor from a thread of its own, which alone waits for its reader.

    A pipe that nobody reads, or a terminal that is held, would else stop the whole daemon at the
    next line. What does not fit while it is so is left out; the file has it.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._hurry = threading.Event()
        """There is no time to gather lines: the queue fills, or the end is near."""
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
            waiting = self._lines.qsize()
            if waiting < _LINES_MOST:
                self._lines.put(self.format(record) + "\n")
            if waiting > _LINES_MOST // 4:
                self._hurry.set()
        except Exception:  # noqa: BLE001  # as every handler of logging
            self.handleError(record)

    def close(self) -> None:
        """Give the last lines a moment; what still waits for a reader then is left behind."""
        self._is_closed = True
        self._lines.put(None)
        self._hurry.set()
        self._thread.join(_LAST_LINES_S)
        super().close()

    def _run(self) -> None:
        is_over = False
        while not is_over:
            lines = [self._lines.get()]
            self._hurry.wait(_GATHER_S)
            if not self._is_closed:
                self._hurry.clear()
            with contextlib.suppress(queue.Empty):
                while True:
                    lines.append(self._lines.get_nowait())
            is_over = None in lines
            text = "".join(line for line in lines if line is not None)
            rest = text.encode("utf-8", "backslashreplace")
            with contextlib.suppress(OSError):  # nobody is there to read it
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
