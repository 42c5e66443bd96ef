"""Versions of files that the queue need not be asked about again: their story has ended.

A scan of a large archive meets the same files every few minutes, and of nearly all of them the queue
says what it said before. So what it said of those that are stored, or left out for good, is kept here
in eight bytes a file. It is a cache and nothing more: what is not in it is asked, and whoever moves
such a row, or has other rules, has it forgotten.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from oort.policy.version import FileVersion

SLOTS_LEAST: Final = 1 << 12
SLOTS_MOST: Final = 1 << 21
"""16 MB, for a million files; of more of them some are asked about each time."""
BELIEVED_S: Final = 3600.0
"""After so long everything is asked once more."""

_GROUP: Final = 4
_PLACE_BITS: Final = 21
_PLACE: Final = (1 << _PLACE_BITS) - 1
_WORD: Final = (1 << 64) - 1


class Familiar:
    """A table of fingerprints, owned by the intake's thread; `forget_all` is for any thread.

    The low bits of a fingerprint say where it stands, by the path alone, the others stand for path
    and version: a table can grow, and another version of a path takes the place of the one before.
    It may stand in any of a group of slots, so that few of the paths that meet in one are lost.
    """

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * SLOTS_LEAST))
        self._count = 0
        self._since: float | None = None
        self._is_void = False

    def begin(self, now: float) -> None:
        """Begin a scan: forget what was told too long ago, or before it was to be forgotten."""
        if self._is_void or (self._since is not None and now - self._since > BELIEVED_S):
            self._is_void = False
            self._since = None
            self._count = 0
            self._slots = array("Q", bytes(8 * len(self._slots)))
        if self._since is None:
            self._since = now

    def forget_all(self) -> None:
        """Have everything asked once more."""
        self._is_void = True

    def knows(self, rel_path: bytes, size: int, mtime_ns: int, inode: int) -> bool:
        """Tell whether this version need not be asked about."""
        if self._is_void:
            return False
        fingerprint = _fingerprint(rel_path, size, mtime_ns, inode)
        group = self._group(fingerprint)
        return fingerprint in self._slots[group : group + _GROUP]

    def learn(self, version: FileVersion) -> None:
        """Remember a version whose story has ended."""
        if 2 * self._count >= len(self._slots) and len(self._slots) < SLOTS_MOST:
            self._grow()
        self._put(_fingerprint(version.rel_path, version.size, version.mtime_ns, version.inode))

    def forget(self, rel_path: bytes) -> None:
        """Forget a path that has another version now."""
        group = self._group(hash(rel_path))
        for at in range(group, group + _GROUP):
            self._count -= self._slots[at] != 0
            self._slots[at] = 0

    def _group(self, place: int) -> int:
        return place & _PLACE & (len(self._slots) - _GROUP)

    def _put(self, fingerprint: int) -> None:
        group = self._group(fingerprint)
        there = self._slots[group : group + _GROUP]
        if fingerprint in there:
            return
        is_full = 0 not in there
        at = group + (fingerprint & (_GROUP - 1) if is_full else there.index(0))
        self._count += not is_full
        self._slots[at] = fingerprint

    def _grow(self) -> None:
        before, self._slots = self._slots, array("Q", bytes(16 * len(self._slots)))
        self._count = 0
        for fingerprint in before:
            if fingerprint:
                self._put(fingerprint)


def _fingerprint(rel_path: bytes, size: int, mtime_ns: int, inode: int) -> int:
    mixed = hash((rel_path, size, mtime_ns, inode)) << _PLACE_BITS
    return (mixed & _WORD) | (hash(rel_path) & _PLACE)
