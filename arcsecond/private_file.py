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
    from collections.abc import Iterator

log = logging.getLogger(__name__)

_PREFIX, _SUFFIX = ".config-", ".ini"


def close_to_others(path: Path, mode: int) -> None:
    """Give a file or folder that others may read its mode, with a warning.

    A folder that is not ours alone (/tmp, a home with a web page in it) is left as it is, and what
    is not there is no trouble.
    """
    if os.name == "nt":  # modes mean nothing there; the profile folder's access list protects it
        return
    try:
        found = stat.S_IMODE(path.stat().st_mode)
    except OSError:  # not there; or what reads it will say why it cannot
        return
    if not found & 0o077 or found & stat.S_ISVTX or path == Path.home():
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
