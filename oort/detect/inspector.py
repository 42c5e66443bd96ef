"""Looking into a file that is quiet: who writes it, is it whole, what does its header say.

Formats that must be read to their end are left to a thread of their own, one a watch, so that a
night of `.fits.gz` does not hold up the plain files beside it.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oort.detect import formats
from oort.detect.formats import FileSource, Structure
from oort.detect.opening import open_beneath
from oort.detect.writers import has_writer
from oort.policy.version import FileVersion

if TYPE_CHECKING:
    from collections.abc import Callable

    from oort.detect.bounds import Bounds


@dataclass(frozen=True, slots=True)
class Findings:
    """What was seen through one descriptor of a file."""

    version: FileVersion
    writer: bool | None
    structure: Structure | None
    """None where the format must be read to its end: ask the `Inspector`."""
    hollow: bool = False
    """The last bytes that the format asks for were never written."""


def look_into(bounds: Bounds, version: FileVersion, *, network: bool) -> Findings:
    """Open a file and look at its version, its writers and, where that is quick, its structure.

    Raises OSError as `open_beneath` does, and where the file cannot be read.
    """
    path = version.rel_path
    try:
        fd = open_beneath(bounds.root, path, follow_symlinks=bounds.follow_symlinks)
    except BlockingIOError:
        # Somebody else holds a lease on it and is asked to give it back: a file server, most
        # likely, whose client writes. As good as a writer.
        return Findings(version, writer=True, structure=Structure())
    try:
        found = os.fstat(fd)
        # On a network file system the answer would mean nothing: see `oort.detect.writers`.
        writer = None if network else has_writer(fd)
        source = FileSource(fd, found.st_size)
        slow = formats.recognise(source) in formats.SLOW
        structure = None if slow else formats.inspect(source, path)
        # Beyond what is needed there may be padding that nobody wrote.
        needed = structure.needed if structure is not None else None
        hollow = _ends_in_hole(fd, min(needed or found.st_size, found.st_size))
    finally:
        os.close(fd)
    return Findings(FileVersion.of(path, found), writer, structure, hollow=hollow)


def _ends_in_hole(fd: int, end: int) -> bool:
    """Tell whether the byte before `end` was never written (lseek(2), SEEK_HOLE); no data is read.

    `truncate` to a final size leaves a hole; so does fallocate(2), whose blocks are unwritten ones.
    """
    try:
        return os.lseek(fd, end - 1, os.SEEK_HOLE) == end - 1
    except (OSError, AttributeError):  # an empty file, a file system or a system without it
        return False


class Inspector:
    """The thread for the formats that must be read to their end; it starts with the first file.

    A pool of one would do, but hides the death of its thread: files would wait for it for ever.
    """

    def __init__(self, name: str, wake: Callable[[], None]) -> None:
        self._name = name
        self._wake = wake
        self._thread: threading.Thread | None = None
        self._asked: queue.SimpleQueue[tuple[Bounds, FileVersion] | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._done: deque[tuple[FileVersion, Structure]] = deque()

    def submit(self, bounds: Bounds, version: FileVersion) -> None:
        """Have a version of a file read; its structure comes by `take_done`."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=f"inspect-{self._name}", daemon=True)
            thread.start()
            self._thread = thread
        self._asked.put((bounds, version))

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs, where there was something to do for one."""
        return self._thread is None or self._thread.is_alive()

    def take_done(self) -> list[tuple[FileVersion, Structure]]:
        """Return, once, what was found since the last call."""
        done = []
        while self._done:
            done.append(self._done.popleft())
        return done

    def begin_stop(self) -> None:
        """Break off what is being read."""
        self._stopping.set()

    def stop(self) -> None:
        """End the thread; what it has not read is not told."""
        self._stopping.set()
        if self._thread is not None:
            self._asked.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            if not self._stopping.is_set():
                self._inspect(*asked)

    def _inspect(self, bounds: Bounds, version: FileVersion) -> None:
        try:
            structure = self._read(bounds, version)
        except formats.InspectionCancelledError:
            return
        except OSError as error:
            # Gone or changed: the next look sees it. Not readable: the upload will tell.
            structure = Structure(reason=error.strerror or str(error))
        except Exception as error:  # noqa: BLE001  # the file must go on, and so must the others
            structure = Structure(reason=f"it could not be checked: {error!r}")
        self._done.append((version, structure))
        self._wake()

    def _read(self, bounds: Bounds, version: FileVersion) -> Structure:
        path = version.rel_path
        fd = open_beneath(bounds.root, path, follow_symlinks=bounds.follow_symlinks)
        try:
            source = FileSource(fd, os.fstat(fd).st_size)
            return formats.inspect(source, path, cancelled=self._stopping.is_set)
        finally:
            os.close(fd)
