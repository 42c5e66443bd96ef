"""The walk that is believed: every file below a watched folder that belongs to its watch.

Written for a hundred thousand files that are known already: one `stat` a file, no recursion, in
slices, so that the caller can look after other things in between. What vanishes while it walks is
nothing special; what cannot be read is collected and told.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from oort.detect.bounds import OF_ANOTHER_WATCH
from oort.detect.mounts import LEFT_BY_SYSTEMS
from oort.detect.opening import is_beneath
from oort.policy.paths import EMPTY, KEPT, Judgement, Verdict
from oort.policy.version import FileVersion, RelPath

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oort.detect.bounds import Bounds

SLICE: Final = 500
"""Entries that are looked at between two batches."""

_UNREADABLE_MOST: Final = 1000
_ON_WINDOWS: Final = os.name == "nt"


class Unreadable(NamedTuple):
    """A folder, or a file, that the scan could not look at, and why."""

    rel_path: bytes
    reason: str


class _Place(NamedTuple):
    """A folder to walk: its path below the root, and where it really lies."""

    rel_path: bytes
    real: bytes


class Scan:
    """One walk over the ground of a watch, or over a folder in it. Iterate once, then read.

    Yields lists of `FileVersion` (one may be empty: it is a place to pause). A link to a file
    counts as a file of that name. A link to a folder of the same ground is not walked, since its
    files are found where they lie, unless no walk would come there (a hidden folder); one that
    leads outside is left out, or walked with `follow_symlinks`, each target once, so that loops end.

    What was left out is counted by entries: a folder that is not entered counts as one.
    """

    def __init__(self, bounds: Bounds, *, start: bytes = b"", slice_: int = SLICE) -> None:
        self.left_out: Counter[Verdict] = Counter()
        self.unreadable: list[Unreadable] = []
        """At most a thousand of them."""
        self.folders = 0
        """Folders below the root that were walked."""
        self.linked_folders = 0
        """Folders that were walked through a link; no observer tells of these."""
        self.files = 0
        self.start_error: OSError | None = None
        """Why the folder to start with could not be walked: then nothing may be concluded."""
        self._bounds = bounds
        self._start = start
        self._slice = slice_
        self._real_root = b""
        self._links: list[_Place] = []
        self._entered: set[bytes] = set()

    def __iter__(self) -> Iterator[list[FileVersion]]:
        """Walk; the counts are complete when the iterator ends."""
        batch: list[FileVersion] = []
        looked_at = 0
        for found in self._walk():
            if found is not None:
                batch.append(found)
                self.files += 1
            looked_at += 1
            if looked_at >= self._slice:
                yield batch
                batch, looked_at = [], 0
        if batch:
            yield batch

    def _walk(self) -> Iterator[FileVersion | None]:
        """Yield once an entry: its version where it is a file to send, else None."""
        try:
            places = self._begin()
        except OSError as error:
            self.start_error = error
            return
        while places:
            place = places.pop()
            yield from self._walk_folder(place, places)
            if not places:
                places = self._linked_places()

    def _linked_places(self) -> list[_Place]:
        """Return the linked folders found so far, the first by name on top.

        Links come last and in order, so that two that lead to one folder always give one name.
        """
        places = []
        for place in sorted(self._links):
            if place.real not in self._entered:
                self._entered.add(place.real)
                places.append(place)
        self._links = []
        return places[::-1]

    def _begin(self) -> list[_Place]:
        """Find the folder to start with. Raises OSError where the root or the start is not there."""
        bounds = self._bounds
        self._real_root = os.path.realpath(os.fsencode(bounds.root), strict=True)
        real = os.path.realpath(os.path.join(self._real_root, self._start), strict=True)
        for judgement in (
            bounds.rules.judge_folder(self._start),
            bounds.judge_real(real, self._real_root),
        ):
            if judgement.verdict is not Verdict.KEPT:
                self._leave_out(judgement)
                return []
        named = os.path.normpath(os.path.join(self._real_root, self._start))
        if os.path.normcase(real) != os.path.normcase(named) and self._is_walked_anyway(real):
            return []  # an event names a new link as it does a new folder: the rule is the same
        return [_Place(self._start, real)]

    def _walk_folder(self, place: _Place, places: list[_Place]) -> Iterator[FileVersion | None]:
        try:
            with os.scandir(place.real) as entries:
                self._count_folder(place)
                prefix = place.rel_path + b"/" if place.rel_path else b""
                for entry in entries:
                    try:
                        yield self._look(entry, prefix, places)
                    except OSError as error:
                        self._cannot_read(prefix + entry.name, error)
                        yield None
        except OSError as error:
            if place.rel_path == self._start:
                self.start_error = error
            self._cannot_read(place.rel_path, error)

    def _count_folder(self, place: _Place) -> None:
        if is_beneath(place.real, self._real_root):
            self.folders += 1
        else:
            self.linked_folders += 1

    def _look(
        self, entry: os.DirEntry[bytes], prefix: bytes, places: list[_Place]
    ) -> FileVersion | None:
        rel_path = prefix + entry.name
        if entry.is_symlink():
            return self._look_at_link(rel_path, entry.path)
        if entry.is_dir(follow_symlinks=False):
            if self._keeps(self._bounds.rules.judge_folder_entry(rel_path)) and self._keeps(
                self._bounds.judge_entry(entry.path)
            ):
                places.append(_Place(rel_path, entry.path))
            return None
        if not self._keeps(self._bounds.rules.judge_file_entry(rel_path)) or not self._keeps(
            self._bounds.judge_entry(entry.path)
        ):
            return None
        # Windows leaves the inode out of what it gives with the listing.
        found = os.lstat(entry.path) if _ON_WINDOWS else entry.stat(follow_symlinks=False)
        return self._version(rel_path, found)

    def _version(self, rel_path: bytes, found: os.stat_result) -> FileVersion | None:
        if not stat.S_ISREG(found.st_mode):
            return None
        if not found.st_size:
            self._leave_out(EMPTY)
            return None
        return FileVersion.of(RelPath(rel_path), found)

    def _look_at_link(self, rel_path: bytes, path: bytes) -> FileVersion | None:
        real = os.path.realpath(path, strict=True)
        found = os.stat(real)
        is_folder = stat.S_ISDIR(found.st_mode)
        rules = self._bounds.rules
        judge = rules.judge_folder_entry if is_folder else rules.judge_file_entry
        if not self._keeps(judge(rel_path)) or not self._keeps(
            self._bounds.judge_real(real, self._real_root)
        ):
            return None
        if not is_folder:
            return self._version(rel_path, found)
        if not self._is_walked_anyway(real):
            self._links.append(_Place(rel_path, real))
        return None

    def _is_walked_anyway(self, real: bytes) -> bool:
        """Tell whether the walk comes to a linked folder where it really lies."""
        if not is_beneath(real, self._real_root):
            return False
        below = real[len(self._real_root) :].replace(os.sep.encode(), b"/").lstrip(b"/")
        return self._bounds.rules.judge_folder(below).verdict is Verdict.KEPT

    def _keeps(self, judgement: Judgement) -> bool:
        if judgement is KEPT:
            return True
        self._leave_out(judgement)
        return False

    def _leave_out(self, judgement: Judgement) -> None:
        if judgement is not OF_ANOTHER_WATCH:
            self.left_out[judgement.verdict] += 1

    def _cannot_read(self, rel_path: bytes, error: OSError) -> None:
        if rel_path in LEFT_BY_SYSTEMS:
            return  # never anybody's data, and never to be read by anybody
        vanished = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}  # or a link that leads to itself
        if error.errno not in vanished and len(self.unreadable) < _UNREADABLE_MOST:
            self.unreadable.append(Unreadable(rel_path, error.strerror or str(error)))
