"""A file for its owner alone: closed to others, written by one at a time, replaced as a whole."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # asked for where it is used

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

_PREFIX, _SUFFIX = ".config-", ".ini"


def close_file(path: Path) -> None:
    """Give a regular file that others may read the mode 0600, with a warning."""
    _close(path, stat.S_ISREG, 0o600)


def close_folder(path: Path) -> None:
    """Give a folder that others may look into the mode 0700, with a warning."""
    _close(path, stat.S_ISDIR, 0o700)


def holds_only(folder: Path, name: str) -> bool:
    """Tell whether a folder has nothing in it but that file, copies of it, and what we write aside."""
    try:
        with os.scandir(folder) as entries:
            return all(entry.name.startswith((name, _PREFIX)) for entry in entries)
    except OSError:
        return False


def _close(path: Path, is_kind: Callable[[int], bool], mode: int) -> None:
    if os.name == "nt":  # modes mean nothing there; the profile folder's access list protects it
        return
    try:
        seen = path.stat().st_mode
    except OSError:  # not there; or what reads it will say why it cannot
        return
    found = stat.S_IMODE(seen)
    if not is_kind(seen) or not found & 0o077 or found & stat.S_ISVTX:  # /tmp is like that
        return
    try:
        path.chmod(mode)
    except OSError:
        log.warning("%s is open to others (mode %o) and cannot be closed", path, found)
    else:
        log.warning("%s was open to others (mode %o): mended to %o", path, found, mode)


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[bool]:
    """Let one process at a time work on a folder; tell whether that can be had there.

    It waits for the other one. The kernel frees the lock of a process that is killed.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # not there yet, or (Windows) a folder cannot be opened
        yield False
        return
    try:
        locked = fcntl is not None
        try:
            if locked:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:  # a network file system without locks
            locked = False
        yield locked
    finally:
        os.close(descriptor)


def replace(path: Path, text: str) -> None:
    """Put a text in a file's place, 0600 and on the disk, so that nobody ever sees half of it."""
    descriptor, name = tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX, dir=path.parent)  # 0600
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    _fsync(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process wrote aside: it may hold a key. For who is alone in the folder."""
    for leftover in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def _fsync(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
