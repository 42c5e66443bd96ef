"""What lies in a folder: which of it is a file to send, and why the rest is not.

Folders are read with `os.scandir`, one at a time and in path order, so that a hundred thousand
files need no more memory than the largest folder's names. Files are looked at, never opened.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from arcsecond.config import config_file
from arcsecond.multipart import printable_name
from arcsecond.status import Substatus

if TYPE_CHECKING:
    from collections.abc import Iterator


class Reason(StrEnum):
    """Why something in the folder is not sent."""

    FOLDER = "a folder"
    HIDDEN = "hidden"
    EMPTY = "empty"
    OUTSIDE = "leads outside the folder"
    SPECIAL = "no regular file"
    OWN = "the client's own configuration"
    GONE = "not there"
    UNREADABLE = "cannot be read"


SUBSTATUSES = {
    Reason.FOLDER: Substatus.IGNORED,
    Reason.HIDDEN: Substatus.HIDDEN,
    Reason.EMPTY: Substatus.EMPTY,
    Reason.OUTSIDE: Substatus.IGNORED,
    Reason.SPECIAL: Substatus.IGNORED,
    Reason.OWN: Substatus.IGNORED,
    Reason.GONE: Substatus.FILE_GONE,
    Reason.UNREADABLE: Substatus.ERROR,
}
"""The word of the common vocabulary for each of them."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A regular file with bytes in it, as `stat` showed it."""

    path: str
    rel_path: bytes
    """The path below the folder, `/`-separated, as `os.fsencode` gives it."""
    size: int
    mtime_ns: int
    inode: int

    @property
    def raw_name(self) -> bytes:
        """The file's own name, as the disk has it."""
        return self.rel_path.rsplit(b"/", 1)[-1]

    @property
    def name(self) -> str:
        """The file's own name, as it is sent."""
        return printable_name(self.raw_name)

    def is_shown_by(self, seen: os.stat_result) -> bool:
        """Tell whether `seen` is still this version of this file."""
        return (
            stat.S_ISREG(seen.st_mode)
            and seen.st_size == self.size
            and seen.st_mtime_ns == self.mtime_ns
            and seen.st_ino == self.inode
        )

    def __str__(self) -> str:
        return printable_name(self.rel_path)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that is not sent; `words` add to the reason what the system said."""

    rel_path: bytes
    reason: Reason
    words: str = ""

    def __str__(self) -> str:
        return printable_name(self.rel_path)


def walk(root: Path) -> Iterator[LocalFile | LeftOut]:
    """Yield everything below `root` but its plain folders, in the byte order of the paths.

    A hidden folder is one `LeftOut` and is not entered. A link to a folder is not followed: what
    it shows inside `root` is met at its own place, and what lies outside is left out.
    """
    judge = _Judge(root)
    pending = [judge.names_in(b"")]
    while pending:
        item = next(pending[-1], None)
        if item is None:
            pending.pop()
        elif isinstance(item, LeftOut):
            yield item
        elif item.endswith(b"/") and not _is_hidden(item):
            pending.append(judge.names_in(item))
        else:
            found = judge.judge(item.rstrip(b"/"))
            if found is not None:
                yield found


def look_at(root: Path, path: Path) -> LocalFile | LeftOut | None:
    """Judge one path as `walk` would; None if it is not below `root`."""
    # Not resolved: a link inside the folder is judged as a link, and keeps its own name.
    absolute_root, absolute = (Path(os.path.abspath(each)) for each in (root, path))  # noqa: PTH100
    try:
        below = absolute.relative_to(absolute_root)
    except ValueError:
        return None
    rel_path = os.fsencode(below.as_posix())
    if rel_path == b".":
        return LeftOut(rel_path, Reason.FOLDER)
    found = _Judge(absolute_root).judge(rel_path)
    return LeftOut(rel_path, Reason.FOLDER) if found is None else found


def _is_hidden(rel_path: bytes) -> bool:
    return any(part.startswith(b".") for part in rel_path.split(b"/"))


class _Judge:
    """The rules, with the folder that they are about."""

    def __init__(self, root: Path) -> None:
        self._root = os.fsencode(root)
        self._real_root = os.path.realpath(self._root)
        self._own_file = os.path.realpath(os.fsencode(config_file()))
        self._own_identity = _identity(self._own_file)

    def names_in(self, rel_folder: bytes) -> Iterator[bytes | LeftOut]:
        """Yield the sorted paths in one folder; a folder's ends with a slash, as its files' do."""
        names = []
        try:
            with os.scandir(os.path.join(self._root, rel_folder)) as entries:  # noqa: PTH118  # bytes
                for entry in entries:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    names.append(entry.name + b"/" if is_folder else entry.name)
        except OSError as error:
            yield LeftOut(rel_folder.rstrip(b"/") or b".", Reason.UNREADABLE, _words(error))
        names.sort()
        for name in names:
            yield rel_folder + name

    def judge(self, rel_path: bytes) -> LocalFile | LeftOut | None:
        """Say what `rel_path` is; None for a plain folder and for a link to a folder inside."""
        path = os.path.join(self._root, rel_path)  # noqa: PTH118  # bytes
        try:
            seen = os.lstat(path)
            if stat.S_ISLNK(seen.st_mode):
                return self._judge_link(rel_path, path)
        except FileNotFoundError:
            return LeftOut(rel_path, Reason.GONE)
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
            return LeftOut(rel_path, Reason.UNREADABLE, _words(error))
        return self._judge_seen(rel_path, path, seen)

    def _judge_link(self, rel_path: bytes, path: bytes) -> LocalFile | LeftOut | None:
        target = os.path.realpath(path)
        if target != self._real_root and not target.startswith(self._real_root.rstrip(b"/") + b"/"):
            return LeftOut(rel_path, Reason.OUTSIDE)
        try:
            return self._judge_seen(rel_path, path, os.stat(path))  # noqa: PTH116  # bytes
        except OSError:
            return LeftOut(rel_path, Reason.SPECIAL, "a link that leads nowhere")

    def _judge_seen(
        self, rel_path: bytes, path: bytes, seen: os.stat_result
    ) -> LocalFile | LeftOut | None:
        if _is_hidden(rel_path):
            return LeftOut(rel_path, Reason.HIDDEN)
        if stat.S_ISDIR(seen.st_mode):
            return None
        if not stat.S_ISREG(seen.st_mode):
            return LeftOut(rel_path, Reason.SPECIAL)
        if seen.st_size == 0:
            return LeftOut(rel_path, Reason.EMPTY)
        if self._is_own(path, seen):
            return LeftOut(rel_path, Reason.OWN)
        return LocalFile(os.fsdecode(path), rel_path, seen.st_size, seen.st_mtime_ns, seen.st_ino)

    def _is_own(self, path: bytes, seen: os.stat_result) -> bool:
        """Tell whether this is config.ini, by whatever name, or a copy beside it: it holds keys."""
        if (seen.st_dev, seen.st_ino) == self._own_identity:
            return True
        own_name = os.path.basename(self._own_file)  # noqa: PTH119  # bytes
        name = os.path.basename(path)  # noqa: PTH119  # bytes
        return own_name in name and os.path.realpath(path).startswith(
            os.path.dirname(self._own_file) + os.fsencode(os.sep)  # noqa: PTH120  # bytes
        )


def _identity(path: bytes) -> tuple[int, int] | None:
    try:
        seen = os.stat(path)  # noqa: PTH116  # bytes
    except OSError:
        return None
    return seen.st_dev, seen.st_ino


def _words(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
