"""Events of one watched folder as hints. The only door to watchdog.

watchdog is trusted with nothing but hints (the measurements are in docs/decisions/0001): it may
lose the close event of most files of a burst, drop everything on an overflow, leave folders
unwatched without a word, and die quietly. So this module only passes names on, and lets itself be
asked whether it is alive and how many folders it really watches.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from oort.detect.hints import HintKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from oort.detect.hints import HintQueue

_FILTER: Final[list[type[FileSystemEvent]]] = [
    FileCreatedEvent,
    FileClosedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]
"""Never unfiltered: our own reads and scans would fill the queue, and with some thousand folders
7.1.0 falls into a livelock by its own walk."""

_STOP_S: Final = 10.0


class Watcher:
    """A watchdog observer of one folder. Start once, stop once; a new one is cheap."""

    def __init__(self, root: Path, hints: HintQueue, *, name: str = "") -> None:
        self._root = root
        self._hints = hints
        self._name = name
        self._observer: Any = None
        self._hears_overflow = False
        self._is_over = threading.Event()

    def start(self) -> None:
        """Watch the folder and all below it; returns when the watches stand.

        Raises OSError where the system gives no observer (`max_user_instances`), no watch on the
        folder itself (`max_user_watches`), or where the folder is not there.
        """
        # It logs an error when it is stopped while it reads; nothing it says helps anybody.
        logging.getLogger("watchdog").setLevel(logging.CRITICAL)
        # It formats all its watches into a warning for every folder that two events raced for:
        # 12 MB on stderr for one archive that was unpacked (watchdog 7.1.0).
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"watchdog\.")
        observer = Observer()
        observer.name = f"observer-{self._name}"
        try:
            self._hears_overflow = _hook_overflow(observer, self._lose)
            filter_ = _FILTER if _closes_are_told() else [*_FILTER, FileModifiedEvent]
            observer.schedule(
                _Handler(self._hints), str(self._root), recursive=True, event_filter=filter_
            )
            observer.start()
        except BaseException:
            observer.stop()
            raise
        self._observer = observer

    def stop(self) -> None:
        """End the observer and its threads; events that are still on their way are dropped.

        Done in a thread, which is left behind if it hangs: an emitter that died while it waited for
        an event took the lock of its queue along, and the orderly end waits for that for ever.
        """
        self._is_over.set()
        observer, self._observer = self._observer, None
        if observer is None:
            return
        ending = threading.Thread(
            target=_end, args=(observer,), name=f"end-{observer.name}", daemon=True
        )
        try:
            ending.start()
        except RuntimeError:  # the machine has no thread left
            _end(observer)
        else:
            ending.join(_STOP_S)

    def _lose(self) -> None:
        """Report lost events, but none of its own end.

        The kernel tells of every watch that is taken away: with more folders than its queue holds
        the end of an observer is an overflow, which would have the next one replaced as well.
        """
        if not self._is_over.is_set():
            self._hints.lose("the kernel's queue of events ran over")

    def is_alive(self) -> bool:
        """Tell whether the observer, every emitter and the reader of the kernel's queue are alive.

        The observer itself stays alive when its folder is deleted or its emitter dies.
        """
        observer = self._observer
        if observer is None or not observer.is_alive():
            return False
        emitters = list(observer.emitters)
        reader = getattr(observer, "_inotify_fd", None)
        return (
            bool(emitters)
            and all(emitter.is_alive() for emitter in emitters)
            and (reader is None or reader.is_alive())
        )

    @property
    def hears_overflow(self) -> bool:
        """Whether lost events are noticed; otherwise only frequent scans make up for them."""
        return self._hears_overflow

    def watched_folders(self) -> int | None:
        """Return how many folders the kernel watches for this observer; None: it does not tell.

        Folders are left out without a word where `max_user_watches` is used up, or a folder was
        not readable when it was met (proc_pid_fdinfo(5)).
        """
        reader = getattr(self._observer, "_inotify_fd", None)
        fd = getattr(reader, "_inotify_fd", None)
        if not isinstance(fd, int):
            return None
        try:
            lines = Path(f"/proc/self/fdinfo/{fd}").read_bytes()
        except OSError:
            return None
        return lines.count(b"inotify wd:")


def _end(observer: Any) -> None:
    observer.stop()
    observer.join(_STOP_S)


def _closes_are_told() -> bool:
    """Tell whether this system's observer tells when a writer closes a file (inotify alone does)."""
    return sys.platform == "linux"


class _Handler(FileSystemEventHandler):
    """Puts a name into the queue and does nothing else: what it raises would end the observer."""

    def __init__(self, hints: HintQueue) -> None:
        self._hints = hints

    def dispatch(self, event: FileSystemEvent) -> None:
        """Take one event, in the observer's thread."""
        try:
            self._take(event)
        except BaseException:  # noqa: BLE001  # watchdog does not guard its thread: any error ends it
            self._hints.lose("an event could not be read")

    def _take(self, event: FileSystemEvent) -> None:
        path = _encoded(event.src_path)
        match event:
            case FileClosedEvent():
                self._hints.put(path, HintKind.CLOSED)
            case FileMovedEvent():
                # Writing aside and renaming is how careful programs say that a file is complete.
                self._hints.put(_encoded(event.dest_path), HintKind.CLOSED, moved_from=path)
            case DirMovedEvent():
                self._hints.put(_encoded(event.dest_path), HintKind.FOLDER)
            case DirCreatedEvent():
                self._hints.put(path, HintKind.FOLDER)
            case DirDeletedEvent():
                self._hints.put(path, HintKind.GONE)
            case FileCreatedEvent() | FileModifiedEvent():
                self._hints.put(path, HintKind.CREATED)
            case _:
                pass


def _encoded(path: bytes | str) -> bytes:
    """Return a path as hints have it: bytes, with `/` between the components on Windows too."""
    return os.fsencode(path).replace(os.sep.encode(), b"/")


def _hook_overflow(observer: Any, lose: Callable[[], None]) -> bool:
    """Have lost events reported instead of repaired; tell whether that worked.

    On IN_Q_OVERFLOW watchdog 7.1.0 removes all watches and walks the tree to set them anew. The
    IN_IGNORED of each fill the kernel's queue again when there are more than about 16,000 folders,
    and so on for ever, with a core at 100 %. Here the overflow only sets a flag: the intake starts
    a new observer, stops this one, and scans. The reader's method is private; a test holds the
    installed version to it, and where it is missing the intake scans every minute.
    """
    reader = getattr(observer, "_inotify_fd", None)
    handle: Callable[[Any], None] | None = getattr(reader, "handle_event", None)
    if reader is None or handle is None:
        return sys.platform != "linux"

    def handle_or_report(event: Any) -> None:
        if event.is_queue_overflow:
            lose()
        else:
            handle(event)

    reader.handle_event = handle_or_report
    return True
