"""Frozen values that cross layers: what a watch is, what was seen, what is to be sent.

Paths below a watched folder travel as bytes (`os.fsencode`), because a name that is not UTF-8 is
still a file that must arrive; `printable` turns them into words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, NewType

from oort.policy.version import FileVersion, RelPath

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from oort.policy.state import State

__all__ = [
    "FileVersion",
    "RelPath",
    "RemoteDataset",
    "RemoteFile",
    "Sha256",
    "Upload",
    "Watch",
    "iso",
    "printable",
]

Sha256 = NewType("Sha256", str)
"""64 lower-case hex digits."""


def iso(moment: datetime | None) -> str | None:
    """Return a moment as the JSON output has it: `2026-11-23T05:41:07.123Z`."""
    if moment is None:
        return None
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds") + "Z"


def printable(path: bytes) -> str:
    r"""Return `path` as words: UTF-8, with backslash escapes for what is none (`bad\xff.fits`)."""
    return path.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Watch:
    """A folder with its options, as `[[watch]]` in config.toml says (contract.md §4)."""

    name: str
    path: Path
    dataset: str = "{folder}"
    telescope: str | None = None
    portal: str | None = None
    api: str = "cloud"
    username: str | None = None
    tags: tuple[str, ...] = ()
    raw: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    settle_s: float | None = None
    polling: bool = False
    shared: bool = False
    new_only: bool = False
    follow_symlinks: bool = False
    check_structure: bool = True
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Upload:
    """A queue row in a worker's hands: one version of one file, and what is known of it."""

    id: int
    watch: str
    rel_path: RelPath
    size: int
    mtime_ns: int
    inode: int
    state: State
    attempts: int
    ask_first: bool
    """The file may be at the server already: ask before a byte is sent."""
    may_be_stored: bool
    """An attempt of ours sent bytes, and its outcome is not known."""
    body_complete: bool
    """An attempt of ours sent the whole body, closing boundary included."""
    dataset_name: str | None
    dataset_uuid: str | None
    sha256: Sha256 | None
    created_at: datetime
    claim: int
    """The fencing token: a completion that does not carry the row's own is refused."""
    asked_complete: bool = False
    """A doubt whose body was complete was asked once already, and the file was not there."""
    forced: bool = False
    header: Mapping[str, str] = field(default_factory=dict)
    remote_id: str | None = None
    tags_pending: bool = False
    has_namesake: bool = True
    """Another row of the queue may have a file of the same name; False: none had when it was claimed."""

    @property
    def name(self) -> bytes:
        """The file's own name, without its folders."""
        return self.rel_path.rsplit(b"/", 1)[-1]


@dataclass(frozen=True, slots=True)
class RemoteDataset:
    """A dataset as the server told; `files_count` is None where it did not tell."""

    uuid: str
    name: str
    telescope: str | None = None
    files_count: int | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A data file as the server told; what is None it did not tell."""

    id: str
    name: str
    size: int | None
    tags: tuple[str, ...] = ()
    dataset: str | None = None
    sha256: Sha256 | None = None
    """From the tag that travelled with the file, or from the server's own reckoning."""
    has_file: bool = True
    """False where the server shows a record without a file: its size, or its address, is null."""
    tells_tags: bool = True
    """False where the server says nothing of tags: neither that the file has any nor that it lacks them."""
