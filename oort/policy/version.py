"""What one version of one file is: another size, mtime or inode is another version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NewType, Protocol

RelPath = NewType("RelPath", bytes)
"""A path below its watched folder: `/`-separated, no leading slash, no `..`, as `os.fsencode` gives it."""

_INT64_MAX: Final = 2**63 - 1


class Stat(Protocol):
    """What `os.stat` tells, as far as it matters here."""

    @property
    def st_size(self) -> int:
        """Size in bytes."""
        ...

    @property
    def st_mtime_ns(self) -> int:
        """Time of the last change, in nanoseconds since 1970."""
        ...

    @property
    def st_ino(self) -> int:
        """The inode."""
        ...


@dataclass(frozen=True, slots=True)
class FileVersion:
    """One version of one file: size in bytes, mtime in nanoseconds since 1970, inode."""

    rel_path: RelPath
    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, rel_path: RelPath, stat: Stat) -> FileVersion:
        """Return the version that `stat` shows, in numbers that a database can hold.

        Inodes may use all 64 bits (ZFS, NFS, Windows) and garbage times may lie beyond the year
        2262; a signed 64-bit column holds neither, so both are brought into its range here, once.
        """
        return cls(
            rel_path,
            stat.st_size,
            max(-_INT64_MAX, min(_INT64_MAX, stat.st_mtime_ns)),
            stat.st_ino & _INT64_MAX,
        )
