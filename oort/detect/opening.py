"""Opening a file below a watched folder, and nothing else.

A path is believed only component by component: each one is opened beneath the descriptor of the
folder before, without following links, so that a link that is put in place between the scan and
the upload leads nowhere. The last one is opened without blocking and must be a regular file: a
FIFO in a data folder would stop a thread for ever.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER = (
    getattr(os, "O_PATH", os.O_RDONLY)  # a folder that may be passed but not listed is fine
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_FILE = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOINHERIT", 0)
)


class OutsideRootError(OSError):
    """The path is no path below the watched folder, or a link leads out of it."""


class NotRegularError(OSError):
    """There is something of that name, but it is no regular file."""


class _LinkError(Exception):
    """A component is a link: it must be resolved and looked at first."""


def open_beneath(root: Path, rel_path: bytes, *, follow_symlinks: bool = False) -> int:
    """Open the regular file `rel_path` below `root` for reading and return its descriptor.

    A link is resolved, and its target opened in the same careful way, where it lies below the
    folder too; `follow_symlinks` allows any target. `root` itself may be a link: a person chose
    it. Raises FileNotFoundError, OutsideRootError, NotRegularError, or another OSError that says
    why the file cannot be read (EACCES, EIO). The caller closes the descriptor.
    """
    parts = rel_path.split(b"/")
    if any(part in {b"", b".", b".."} or b"\0" in part for part in parts):
        raise OutsideRootError(errno.EINVAL, "no path below the watched folder", rel_path)
    if os.open not in os.supports_dir_fd:
        return _open_by_path(root, rel_path, follow_symlinks=follow_symlinks)
    try:
        return _open_parts(os.fsencode(root), parts)
    except _LinkError:
        real_root, real = _resolve(root, rel_path)
    if is_beneath(real, real_root):
        base, rest = real_root, real[len(real_root) :]
    elif follow_symlinks:
        base, rest = b"/", real
    else:
        raise OutsideRootError(errno.EXDEV, "a link leads outside the watched folder", rel_path)
    try:
        return _open_parts(base, rest.strip(b"/").split(b"/"))
    except _LinkError:
        raise OSError(errno.ELOOP, "a link was put in place meanwhile", rel_path) from None


def is_beneath(path: bytes, folder: bytes) -> bool:
    """Tell whether `path` lies in `folder`, or is it; both absolute and resolved."""
    return path == folder or path.startswith(folder.rstrip(os.sep.encode()) + os.sep.encode())


def _resolve(root: Path, rel_path: bytes) -> tuple[bytes, bytes]:
    """Return the real paths of the root and of the file. Raises FileNotFoundError, OSError."""
    real_root = os.path.realpath(os.fsencode(root), strict=True)
    real = os.path.realpath(os.path.join(real_root, rel_path), strict=True)
    if real == real_root:
        raise NotRegularError(errno.EISDIR, "a link to the watched folder itself", rel_path)
    return real_root, real


def _open_parts(base: bytes, parts: list[bytes]) -> int:
    """Walk from folder to folder by descriptors. Raises _LinkError at the first link."""
    folder = os.open(base, _FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
    try:
        for part in parts[:-1]:
            inner = _open_folder(folder, part)
            os.close(folder)
            folder = inner
        return _open_file(folder, parts[-1])
    finally:
        os.close(folder)


def _open_folder(folder: int, name: bytes) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENOTDIR, errno.EMLINK}:
            raise
        if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise _LinkError from None
        # A folder was replaced by a file: what was below it is gone.
        raise FileNotFoundError(errno.ENOENT, "its folder is no folder any more", name) from None


def _open_file(folder: int, name: bytes) -> int:
    # Asked before opening: to open a device or a FIFO may already do something.
    mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        raise _LinkError
    _refuse_unless_regular(mode, name)
    try:
        fd = os.open(name, _FILE, dir_fd=folder)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EMLINK}:
            raise _LinkError from None
        raise
    return _checked(fd, name)


def _checked(fd: int, name: bytes) -> int:
    try:
        _refuse_unless_regular(os.fstat(fd).st_mode, name)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _refuse_unless_regular(mode: int, name: bytes) -> None:
    if not stat.S_ISREG(mode):
        raise NotRegularError(errno.EINVAL, "no regular file", name)


def _open_by_path(root: Path, rel_path: bytes, *, follow_symlinks: bool) -> int:
    """The same where the system opens by whole paths only (Windows): checked, then opened."""
    real_root, real = _resolve(root, rel_path)
    if not follow_symlinks and not is_beneath(real, real_root):
        raise OutsideRootError(errno.EXDEV, "a link leads outside the watched folder", rel_path)
    _refuse_unless_regular(os.stat(real).st_mode, rel_path)
    return _checked(os.open(real, _FILE), rel_path)
