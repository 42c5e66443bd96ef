"""The file on the disk as one attempt holds it: opened once, and the same until the end.

It is opened beneath the watched folder's own descriptor, read, and never touched. Whether it is
still the row's version is asked of the descriptor *and* of the path: a file that was replaced by
a rename keeps its old content behind the descriptor. A program that writes may set the mtime back
afterwards (`touch -r`, `rsync --inplace`); it cannot set the ctime, which a chmod or another hard
link changes too, so there the content decides.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from oort.detect.mounts import is_network
from oort.detect.opening import NotRegularError, OutsideRootError, open_beneath
from oort.detect.writers import has_writer
from oort.policy.outcome import Changed, Interrupted, NotAllowed, Unreadable
from oort.policy.version import FileVersion
from oort.remote import CUT, Ended
from oort.values import Sha256

if TYPE_CHECKING:
    from oort.transfer.throttle import StopSignal
    from oort.values import Upload, Watch

_BLOCK: Final = 1024 * 1024
_WRITTEN: Final = "a program has it open for writing"


class HeldFile:
    """One open file, as the version that it was when it was opened; closed by its `with` block."""

    def __init__(self, file: BinaryIO, watch: Watch, upload: Upload) -> None:
        self._file = file
        self._watch = watch
        self._upload = upload
        self._path = os.path.join(os.fsencode(watch.path), upload.rel_path)  # noqa: PTH118  # bytes
        found = os.fstat(file.fileno())
        self._version = FileVersion.of(upload.rel_path, found)
        self._ctime_ns = found.st_ctime_ns
        self._sha256: Sha256 | None = None
        self.objection: str | None = None
        """Why `is_unchanged` said no, where that is another reason than a change."""

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
        held = cls(os.fdopen(fd, "rb", buffering=0), watch, upload)
        reason = held._reason_to_wait()
        if reason is not None:
            held.close()
            raise Ended(Changed(reason))
        return held

    def _reason_to_wait(self) -> str | None:
        """Say why the file, just opened, is not to be sent: it has to settle once more."""
        found, upload = self._version, self._upload
        # The inode is compared from here on: some shares give another one after each mount.
        if (found.size, found.mtime_ns) != (upload.size, upload.mtime_ns):
            return "it is no longer the version that was queued"
        return _WRITTEN if self._is_written() else None

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

    def is_unchanged(self, sha256: str, stop: StopSignal | None = None) -> bool:
        """Tell whether what was read, with this SHA-256, is what is there, and nobody writes it.

        Descriptor and path must still show the size, mtime and inode of the beginning. The file is
        read once more where only its ctime is another one; a `stop` meanwhile is a no.
        """
        self.objection = None
        ctime_ns = self._ctime_if_same_version()
        if ctime_ns is None:
            return False
        if self._is_written():
            self.objection = _WRITTEN
            return False
        if ctime_ns == self._ctime_ns:
            return True
        if hash_file(self.from_start(), stop) != sha256:
            return False
        # What came after that reading is no part of what was read before: the next look has it.
        return self._ctime_if_same_version() is not None

    def _ctime_if_same_version(self) -> int | None:
        """Return the file's ctime; None where it, or its path, shows another version."""
        try:
            seen = os.fstat(self._file.fileno())
            at_path = os.stat(self._path)  # noqa: PTH116  # bytes
        except OSError:
            return None
        same = all(
            FileVersion.of(self._version.rel_path, stat) == self._version
            for stat in (seen, at_path)
        )
        return seen.st_ctime_ns if same else None

    def _is_written(self) -> bool:
        """Tell whether a program has the file open for writing, where that can be known.

        Who forces an upload wants the file as it is.
        """
        if self._upload.forced or not has_writer(self._file.fileno()):
            return False
        return not is_network(self._watch.path)  # there the answer means nothing

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
        if not self.is_unchanged(sha256, stop):
            raise Ended(Changed(self.objection or "it changed while it was being read"))
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
