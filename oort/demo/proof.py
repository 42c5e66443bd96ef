"""The proof at the end of the night: every file on the disk, held against the server's own bytes.

Nothing here asks Oort. The files are read from the disk, the copies from the server's storage,
and both are hashed again; the camera's own account tells whether a file was touched since. So
the table would show a defect of the daemon instead of repeating what the daemon believes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from oort.demo.camera import Written


class Finding(StrEnum):
    """What the comparison of one file came to."""

    SAFE = "safe"
    MISSING = "missing"
    DIFFERS = "differs"
    DOUBLE = "twice at the server"
    TOUCHED = "changed on the disk"
    LOST = "gone from the disk"
    UNKNOWN = "at the server, never written"


@dataclass(frozen=True, slots=True)
class Copy:
    """A file in the server's storage: the name it goes by, and its bytes as they lie there."""

    name: str
    size: int
    sha256: str
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table; what is not known is None."""

    path: str
    size: int | None
    disk_sha256: str | None
    server_sha256: str | None
    to_cloud_s: float | None
    finding: Finding


@dataclass(frozen=True, slots=True)
class Proof:
    """The whole table."""

    lines: tuple[Line, ...]

    @property
    def is_complete(self) -> bool:
        """Whether there are files, and every one of them is safe."""
        return bool(self.lines) and not self.unsafe

    @property
    def unsafe(self) -> tuple[Line, ...]:
        """The lines that need a word."""
        return tuple(line for line in self.lines if line.finding is not Finding.SAFE)

    @property
    def total_bytes(self) -> int:
        """The volume on the disk."""
        return sum(line.size or 0 for line in self.lines)

    @property
    def verdict(self) -> str:
        """The night in one line."""
        if not self.lines:
            return "No file was written: nothing is proven."
        if not self.unsafe:
            return (
                f"All {len(self.lines)} files are at the server, once each, byte for byte:"
                " nothing lost, nothing twice, nothing half."
            )
        words = ", ".join(f"{line.path}: {line.finding}" for line in self.unsafe)
        return f"{len(self.unsafe)} of {len(self.lines)} files are not safe ({words})."

    @property
    def times(self) -> str:
        """How long the files took, in words; empty when none arrived."""
        taken = [line.to_cloud_s for line in self.lines if line.to_cloud_s is not None]
        if not taken:
            return ""
        return f"time to cloud: median {median(taken):.1f} s, longest {max(taken):.1f} s"


def prove(root: Path, written: Sequence[Written], copies: Sequence[Copy]) -> Proof:
    """Compare what lies below `root` with the server's copies, and with what the camera wrote.

    A copy belongs to a file when their SHA-256 is the same, whatever the server calls it.
    """
    account = {item.path: item for item in written}
    lines = [
        _line(root, path, account.get(path), copies)
        for path in sorted({*_files_below(root), *account})
    ]
    known = {line.disk_sha256 for line in lines} | {line.server_sha256 for line in lines}
    strangers = [
        Line(copy.name, copy.size, None, copy.sha256, None, Finding.UNKNOWN)
        for copy in copies
        if copy.sha256 not in known
    ]
    return Proof((*lines, *strangers))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of the bytes that lie at `path` now."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files_below(root: Path) -> Iterable[Path]:
    return (path for path in root.rglob("*") if path.is_file())


def _line(root: Path, path: Path, written: Written | None, copies: Sequence[Copy]) -> Line:
    name = path.relative_to(root).as_posix()
    if not path.exists():
        return Line(name, written.size if written else None, None, None, None, Finding.LOST)
    size, on_disk = path.stat().st_size, sha256_of(path)
    same = [copy for copy in copies if copy.sha256 == on_disk]
    namesakes = [copy for copy in copies if copy.name == path.name]
    found = same[0] if same else namesakes[0] if namesakes else None
    return Line(
        name,
        size,
        on_disk,
        found.sha256 if found else None,
        (same[0].stored_at - written.finished_at).total_seconds() if same and written else None,
        _finding(on_disk, written, same, namesakes),
    )


def _finding(
    on_disk: str, written: Written | None, same: Sequence[Copy], namesakes: Sequence[Copy]
) -> Finding:
    if written is not None and written.sha256 != on_disk:
        return Finding.TOUCHED
    if len(same) > 1:
        return Finding.DOUBLE
    if same:
        return Finding.SAFE
    return Finding.DIFFERS if namesakes else Finding.MISSING
