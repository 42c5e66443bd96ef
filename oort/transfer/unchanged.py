"""The file on the disk as one attempt holds it: opened once, and the same until the end.

It is opened beneath the watched folder's own descriptor, read, and never touched. Whether it is
still the row's version is asked of the descriptor *and* of the path: a file that was replaced by
a rename keeps its old content behind the descriptor.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from oort.detect.opening import NotRegularError, OutsideRootError, open_beneath
from oort.policy.outcome import Changed, Interrupted, NotAllowed, Unreadable
from oort.policy.version import FileVersion
from oort.remote import CUT, Ended
from oort.values import Sha256

if TYPE_CHECKING:
    from oort.transfer.throttle import StopSignal
    from oort.values import Upload, Watch

_BLOCK: Final = 1024 * 1024


class HeldFile:
    """One open file, as the version that it was when it was opened; closed by its `with` block."""

    def __init__(self, file: BinaryIO, path: bytes, version: FileVersion) -> None:
        self._file = file
        self._path = path
        self._version = version
        self._sha256: Sha256 | None = None

    @classmethod
    def open(cls, watch: Watch, upload: Upload) -> Self:
        """Open the row's file. Raises FileNotFoundError, and Ended for all else that is wrong."""
        try:
            fd = open_beneath(watch.path, upload.rel_path, follow_symlinks=watch.follow_symlinks)
        except FileNotFoundError:
            raise
        except (OutsideRootError, NotRegularError) as error:
            raise Ended(NotAllowed(_words(error))) from None
        except OSError as error:
            raise Ended(Unreadable(f"it cannot be opened: {_words(error)}")) from None
        # Unbuffered: the form is read in large blocks, and a hash is too.
        file = os.fdopen(fd, "rb", buffering=0)
        found = FileVersion.of(upload.rel_path, os.fstat(fd))
        held = cls(file, os.path.join(os.fsencode(watch.path), upload.rel_path), found)  # noqa: PTH118  # bytes
        # The inode is compared from here on: some shares give another one after each mount.
        if (found.size, found.mtime_ns) != (upload.size, upload.mtime_ns):
            held.close()
            raise Ended(Changed("it is no longer the version that was queued"))
        return held

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def from_start(self) -> BinaryIO:
        """Return the file, to be read from its first byte on."""
        self._file.seek(0)
        return self._file

    def is_unchanged(self) -> bool:
        """Tell whether descriptor and path still show the size, mtime and inode of the beginning."""
        try:
            seen = (os.fstat(self._file.fileno()), os.stat(self._path))  # noqa: PTH116  # bytes
        except OSError:
            return False
        return all(FileVersion.of(self._version.rel_path, stat) == self._version for stat in seen)

    def note_hash(self, sha256: str | None) -> None:
        """Keep a hash that was computed while the file was sent."""
        if sha256 is not None:
            self._sha256 = Sha256(sha256)

    def sha256(self, stop: StopSignal) -> Sha256:
        """Return the file's SHA-256, read once. Raises Ended."""
        if self._sha256 is None:
            self._sha256 = self._read_hash(stop)
        return self._sha256

    def _read_hash(self, stop: StopSignal) -> Sha256:
        try:
            sha256 = hash_file(self.from_start(), stop)
        except OSError as error:
            raise Ended(unreadable(error)) from None
        if sha256 is None:
            raise Ended(Interrupted(CUT))
        if not self.is_unchanged():
            raise Ended(Changed("it changed while it was being read"))
        return sha256


def hash_file(file: BinaryIO, stop: StopSignal | None = None) -> Sha256 | None:
    """Return the SHA-256 of what `file` still has to give; None where `stop` came first."""
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        if stop is not None and stop.is_set():
            return None
        digest.update(block)
    return Sha256(digest.hexdigest())


def unreadable(error: OSError) -> Unreadable:
    """Return what an error of reading the file is as an outcome."""
    return Unreadable(f"it cannot be read: {_words(error)}")


def _words(error: OSError) -> str:
    return error.strerror or type(error).__name__
