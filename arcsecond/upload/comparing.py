"""Holding a file on this disk against one in the dataset, and what follows for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcsecond.errors import BodyChangedError, CancelledError
from arcsecond.upload.attempt import begin, hash_of, is_unchanged, opened
from arcsecond.upload.compare import Likeness, compare
from arcsecond.upload.result import Result, already_synced, conflict, done

if TYPE_CHECKING:
    import threading

    from arcsecond.upload.datafiles import RemoteFile
    from arcsecond.upload.local import LocalFile


class Comparer:
    """Reads local files where their hash decides; `stop` ends that."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def outcome(
        self, file: LocalFile, there: RemoteFile, *, ours: bool, sha256: str | None = None
    ) -> Result:
        """Say what becomes of a file whose name `there` has; `ours` if we may have brought it.

        `sha256` is the local file's, where it is known. Raises as `hash_of` does.
        """
        likeness = self.likeness(file, there, sha256)
        if likeness is Likeness.OTHER:
            size = "an unknown number of" if there.size is None else str(there.size)
            if not there.has_file:
                return conflict("the dataset has a record of that name, and no file in it")
            differs = (
                f"with {size} bytes, this one has {file.size}"
                if there.size != file.size
                else "with other content"
            )
            return conflict(f"another file of that name is in the dataset, {differs}")
        outcome = done if ours else already_synced
        return outcome(other_name(there, file), unproven=likeness is Likeness.UNPROVEN)

    def likeness(self, file: LocalFile, there: RemoteFile, sha256: str | None = None) -> Likeness:
        """Compare, reading the local file only if its hash decides; raises as `hash_of` does."""
        if sha256 is None and there.sha256 is not None and there.size in (None, file.size):
            sha256 = self.hash_of(file)
        return compare(file.size, sha256 or "", there)

    def hash_of(self, file: LocalFile) -> str:
        """Return the file's SHA-256; raises OSError, BodyChangedError and CancelledError."""
        with opened(file) as handle:
            ctime_ns = begin(file, handle)
            sha256 = hash_of(handle, self._stop.is_set)
            if sha256 is None:
                raise CancelledError("the upload was stopped")
            if not is_unchanged(file, handle, ctime_ns, sha256, self._stop.is_set):
                raise BodyChangedError("the file changed while it was being read")
        return sha256


def other_name(there: RemoteFile, file: LocalFile) -> str:
    """Return a note of the name that the server gave the file, if it is another one."""
    return f"there as {there.name!r}" if there.name and there.name != file.name else ""
