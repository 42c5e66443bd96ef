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
    from oort.detect.familiar import Familiar

SLICE: Final = 500
"""Entries that are looked at between two batches."""

_UNREADABLE_MOST: Final = 1000
_ON_WINDOWS: Final = os.name == "nt"


class Unreadable(NamedTuple):
    """A folder, or a file, that the scan could not look at, and why."""

    rel_path: bytes
    reason: str


class _Place(NamedTuple):
    """A folder to walk: its path below the root, where it really lies, and when it changed."""

    rel_path: bytes
    real: bytes
    mtime_ns: int = 0


def _stat(entry: os.DirEntry[bytes]) -> os.stat_result:
    # Windows leaves the inode out of what it gives with the listing.
    return os.lstat(entry.path) if _ON_WINDOWS else entry.stat(follow_symlinks=False)


def _by_change(place: _Place) -> int:
    return place.mtime_ns


def _keeps_nothing(_name: bytes) -> bool:
    return False


class Scan:
    """One walk over the ground of a watch, or over a folder in it. Iterate once, then read.

    Yields lists of `FileVersion` (one may be empty: it is a place to pause). A link to a file
    counts as a file of that name. A link to a folder of the same ground is not walked, since its
    files are found where they lie, unless no walk would come there (a hidden folder); one that
    leads outside is left out, or walked with `follow_symlinks`, each target once, so that loops end.

    What was left out is counted by entries: a folder that is not entered counts as one. Files that
    are `familiar` are counted, but not yielded.
    """

    def __init__(
        self,
        bounds: Bounds,
        *,
        start: bytes = b"",
        slice_: int = SLICE,
        familiar: Familiar | None = None,
    ) -> None:
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
        self._familiar = familiar
        self._batch: list[FileVersion] = []
        self._looked_at = 0
        self._real_root = b""
        self._near_others = {os.path.dirname(path) for path in (*bounds.never, *bounds.inner)}
        """The folders in which something lies that is our own or another watch's."""
        self._links: list[_Place] = []
        self._entered: set[bytes] = set()

    def __iter__(self) -> Iterator[list[FileVersion]]:
        """Walk; the counts are complete when the iterator ends."""
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
        if self._batch:
            yield self._take_batch()

    def _take_batch(self) -> list[FileVersion]:
        batch, self._batch, self._looked_at = self._batch, [], 0
        return batch

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

    def _walk_folder(self, place: _Place, places: list[_Place]) -> Iterator[list[FileVersion]]:
        """Look at each entry of a folder; yield when it is time to pause."""
        first = len(places)
        is_apart = place.real not in self._near_others
        keeps = self._bounds.rules.keeps_by_name if is_apart else _keeps_nothing
        try:
            with os.scandir(place.real) as entries:
                self._count_folder(place)
                prefix = place.rel_path + b"/" if place.rel_path else b""
                for entry in entries:
                    try:
                        if keeps(entry.name) and entry.is_file(follow_symlinks=False):
                            self._take(prefix + entry.name, _stat(entry))
                        else:
                            self._look(entry, prefix, places)
                    except OSError as error:
                        self._cannot_read(prefix + entry.name, error)
                    self._looked_at += 1
                    if self._looked_at >= self._slice:
                        yield self._take_batch()
            # The folder that changed last comes first: what is new lies there, and somebody waits.
            places[first:] = sorted(places[first:], key=_by_change)
        except OSError as error:
            if place.rel_path == self._start:
                self.start_error = error
            self._cannot_read(place.rel_path, error)

    def _count_folder(self, place: _Place) -> None:
        if is_beneath(place.real, self._real_root):
            self.folders += 1
        else:
            self.linked_folders += 1

    def _look(self, entry: os.DirEntry[bytes], prefix: bytes, places: list[_Place]) -> None:
        rel_path = prefix + entry.name
        if entry.is_symlink():
            self._look_at_link(rel_path, entry.path)
        elif entry.is_dir(follow_symlinks=False):
            if self._keeps(self._bounds.rules.judge_folder_entry(rel_path)) and self._keeps(
                self._bounds.judge_entry(entry.path)
            ):
                changed_at = _stat(entry).st_mtime_ns
                places.append(_Place(rel_path, entry.path, changed_at))
        elif self._keeps(self._bounds.rules.judge_file_entry(rel_path)) and self._keeps(
            self._bounds.judge_entry(entry.path)
        ):
            self._take(rel_path, _stat(entry))

    def _take(self, rel_path: bytes, found: os.stat_result) -> None:
        """Take a path that is to be sent where it is a file with content."""
        if not stat.S_ISREG(found.st_mode):
            return
        if not found.st_size:
            self._leave_out(EMPTY)
            return
        self.files += 1
        familiar = self._familiar
        if familiar is None or not familiar.knows(
            rel_path, found.st_size, found.st_mtime_ns, found.st_ino
        ):
            self._batch.append(FileVersion.of(RelPath(rel_path), found))

    def _look_at_link(self, rel_path: bytes, path: bytes) -> None:
        real = os.path.realpath(path, strict=True)
        found = os.stat(real)
        is_folder = stat.S_ISDIR(found.st_mode)
        rules = self._bounds.rules
        judge = rules.judge_folder_entry if is_folder else rules.judge_file_entry
        if not self._keeps(judge(rel_path)) or not self._keeps(
            self._bounds.judge_real(real, self._real_root)
        ):
            return
        if not is_folder:
            self._take(rel_path, found)
        elif not self._is_walked_anyway(real):
            self._links.append(_Place(rel_path, real))

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
