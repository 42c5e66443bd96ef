"""The ground under a watched folder: which file system is it on, and is it still the same?

An unmounted disk leaves an empty folder behind, without any event; a network share gives no events
of what others write. Both look like a quiet night to who only looks at names.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import subprocess
import sys
import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_NETWORK_TYPES: Final = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "afpfs",
        "ceph",
        "lustre",
        "webdav",
        # a FUSE file system that does not name its kind; `fuseblk` is a disk
        "fuse",
        # folders of the host, shared with a virtual machine: the same, no events of what it writes
        "virtiofs",
        "vboxsf",
        "prl_fs",
    }
)
ANSWER_S: Final = 2.0
"""So long whoever has other things to do waits for a disk's answer."""

T = TypeVar("T")

_MOUNTINFO: Final = Path("/proc/self/mountinfo")
LEFT_BY_SYSTEMS: Final = frozenset({b"lost+found", b"System Volume Information", b"$RECYCLE.BIN"})
"""What a fresh disk holds before anybody wrote on it."""


class RootIdentity(NamedTuple):
    """Which folder this is, whatever its path."""

    dev: int
    ino: int


class RootState(StrEnum):
    """What became of a watched folder since it was looked at before."""

    PRESENT = "present"
    """The same folder as before, or the first look at it; it may be empty."""
    REPLACED = "replaced"
    """Another folder with something in it: another disk, or made anew. It is taken over."""
    MISSING = "missing"
    """Not there, not readable, or empty and another one: nothing may be concluded from it."""


@dataclass(frozen=True, slots=True)
class RootLook:
    """What one look at a watched folder showed."""

    state: RootState
    identity: RootIdentity | None = None
    reason: str = ""
    """Why it is missing, in words."""

    @property
    def is_healthy(self) -> bool:
        """Whether absence of a file below may mean anything."""
        return self.state is RootState.PRESENT


def look_at_root(root: Path, before: RootIdentity | None = None) -> RootLook:
    """Look at a watched folder; `before` is the identity it had when it was last known good."""
    try:
        found = root.stat()
        if not stat.S_ISDIR(found.st_mode):
            return RootLook(RootState.MISSING, reason=f"{root} is no folder")
        identity = RootIdentity(found.st_dev, found.st_ino)
        is_bare = _is_bare(root)
    except OSError as error:
        words = "is not there" if isinstance(error, FileNotFoundError) else _why(error)
        return RootLook(RootState.MISSING, reason=f"{root} {words}")
    if before is None or identity == before:
        return RootLook(RootState.PRESENT, identity)
    if is_bare:
        reason = f"{root} is empty and not the folder that it was: is its disk mounted?"
        return RootLook(RootState.MISSING, identity, reason)
    return RootLook(RootState.REPLACED, identity)


def _why(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


def _is_bare(root: Path) -> bool:
    """Tell whether nothing lies in the folder but what systems and hidden files leave."""
    with os.scandir(os.fsencode(root)) as entries:
        return all(
            entry.name.startswith(b".") or entry.name in LEFT_BY_SYSTEMS for entry in entries
        )


def ask_disk(question: Callable[[], T], *, patience_s: float = ANSWER_S) -> T | None:
    """Return the answer of a question to a disk; None where none came in time, or an error.

    Asked in a thread, because a share whose server is gone would hold the caller for ever.
    """
    answers: list[T] = []

    def ask() -> None:
        with contextlib.suppress(OSError):
            answers.append(question())

    asking = threading.Thread(target=ask, name="ask-disk", daemon=True)
    asking.start()
    asking.join(patience_s)
    return answers[0] if answers else None


def real_of(path: Path | bytes, *, before: bytes | None = None) -> bytes:
    """Return the path with its links resolved.

    Where the disk does not answer, that is what it was `before`, or the path as it was written.
    """
    raw = os.fsencode(path)
    return ask_disk(lambda: os.path.realpath(raw)) or before or os.path.abspath(raw)


def is_network(path: Path) -> bool:
    """Tell whether the folder is on a file system that gives no events of other hosts' changes."""
    kind = file_system_type(path)
    return kind is not None and (kind in _NETWORK_TYPES or kind.startswith("fuse."))


def file_system_type(path: Path) -> str | None:
    """Return the type of the file system that holds `path` (`ext4`, `nfs4`); None: not known."""
    real = os.path.realpath(os.fsencode(path))
    if sys.platform == "win32":
        return _windows_type(real)
    mounts = _darwin_mounts() if sys.platform == "darwin" else _linux_mounts()
    best: tuple[int, str] | None = None
    for place, kind in mounts:
        covers = real == place or real.startswith(place.rstrip(b"/") + b"/")
        if covers and (best is None or len(place) >= best[0]):  # the later mount covers the earlier
            best = (len(place), kind)
    return best[1] if best else None


_ESCAPED = re.compile(rb"\\([0-7]{3})")


def _linux_mounts() -> Iterable[tuple[bytes, str]]:
    """Read where what is mounted (proc_pid_mountinfo(5)), in the order of mounting."""
    try:
        lines = _MOUNTINFO.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        before, _, after = line.partition(b" - ")
        fields = before.split(b" ")
        if len(fields) > 4 and after:  # noqa: PLR2004  # the fifth field is the mount point
            place = _ESCAPED.sub(lambda octal: bytes([int(octal[1], 8)]), fields[4])
            yield place, after.split(b" ")[0].decode("ascii", "replace")


_DARWIN_LINE = re.compile(rb"^.+? on (?P<place>/.*) \((?P<kind>[^,)]+)")


def _darwin_mounts() -> Iterable[tuple[bytes, str]]:
    """Ask mount(8), which is how macOS tells; Python's statvfs does not name the type."""
    try:
        done = subprocess.run(["/sbin/mount"], capture_output=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return
    for line in done.stdout.splitlines():
        match = _DARWIN_LINE.match(line)
        if match:
            yield match["place"], match["kind"].decode("ascii", "replace")


_DRIVE_REMOTE: Final = 4


def _windows_type(real: bytes) -> str | None:
    """Return `smb3` for a share or a drive that is one (GetDriveTypeW), else None."""
    text = os.fsdecode(real)
    if text.startswith("\\\\"):
        return "smb3"
    import ctypes

    drive = os.path.splitdrive(text)[0] + "\\"
    windll = getattr(ctypes, "windll", None)
    is_remote = windll is not None and windll.kernel32.GetDriveTypeW(drive) == _DRIVE_REMOTE
    return "smb3" if is_remote else None
