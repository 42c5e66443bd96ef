"""What of the disk belongs to a watch: the rules of its names, its links, its neighbours.

One place for one question, asked by the scanner for every entry, by the intake for every hint and
by `oort status PATH` for somebody who wonders.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from oort.detect.opening import is_beneath
from oort.policy.paths import KEPT, OUTSIDE, Judgement, Rules, Verdict, judge_size
from oort.policy.version import FileVersion

if TYPE_CHECKING:
    from pathlib import Path

    from oort.policy.version import RelPath

OWN: Final = Judgement(Verdict.EXCLUDED, "oort's or arcsecond's own file")
OF_ANOTHER_WATCH: Final = Judgement(Verdict.EXCLUDED, "it belongs to the watch of an inner folder")
NOT_REGULAR: Final = Judgement(Verdict.EXCLUDED, "no regular file")


@dataclass(frozen=True, slots=True)
class Folder:
    """What lies at that path is a folder that a walk may enter."""

    rel_path: bytes


@dataclass(frozen=True, slots=True)
class Bounds:
    """The ground of one watch. Paths in `never` and `inner` are real paths (`os.path.realpath`)."""

    root: Path
    rules: Rules = field(default_factory=Rules)
    follow_symlinks: bool = False
    never: frozenset[bytes] = frozenset()
    """Oort's and arcsecond's own files and folders, with all that lies in them."""
    inner: frozenset[bytes] = frozenset()
    """The other watched folders: what lies in one below this root is theirs."""

    def judge_real(self, real: bytes, real_root: bytes) -> Judgement:
        """Judge the resolved path of a file or folder by where it really lies."""
        judgement = self._judge_neighbours(real, real_root)
        if judgement.verdict is Verdict.KEPT and not is_beneath(real, real_root):
            return KEPT if self.follow_symlinks else OUTSIDE
        return judgement

    def _judge_neighbours(self, real: bytes, real_root: bytes) -> Judgement:
        """Look for the path and the folders above it among our own and the inner watches."""
        above = real
        while self.never or self.inner:
            if above in self.never:
                return OWN
            if above in self.inner and above != real_root and is_beneath(above, real_root):
                return OF_ANOTHER_WATCH
            parent = os.path.dirname(above)
            if parent == above:
                break
            above = parent
        return KEPT

    def judge_entry(self, real: bytes) -> Judgement:
        """Judge a path whose folders are known to be kept, in the scanner's inner loop."""
        if real in self.never:
            return OWN
        return OF_ANOTHER_WATCH if real in self.inner else KEPT

    def look_at(self, rel_path: RelPath) -> FileVersion | Folder | Judgement | None:
        """Look at one path on the disk.

        A file to send as its version, a folder to walk, what is left out with the rule, and None
        for what is not there. Raises OSError where the disk cannot tell (EACCES, EIO, ESTALE).
        """
        try:
            return self._look_at(rel_path)
        except OSError as error:
            # A link that leads to itself leads nowhere.
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
                return None
            raise

    def _look_at(self, rel_path: RelPath) -> FileVersion | Folder | Judgement | None:
        real_root = os.path.realpath(os.fsencode(self.root), strict=True)
        real = os.path.realpath(os.path.join(real_root, rel_path), strict=True)
        found = os.stat(real)
        is_folder = stat.S_ISDIR(found.st_mode)
        judge = self.rules.judge_folder if is_folder else self.rules.judge_name
        for judgement in (judge(rel_path), self.judge_real(real, real_root)):
            if judgement.verdict is not Verdict.KEPT:
                return judgement
        if is_folder:
            return Folder(rel_path)
        if not stat.S_ISREG(found.st_mode):
            return NOT_REGULAR
        judgement = judge_size(found.st_size)
        if judgement.verdict is not Verdict.KEPT:
            return judgement
        return FileVersion.of(rel_path, found)


class Glances:
    """Looks at many paths of one watch in a row: the folder that they share is resolved once.

    What a folder was holds for moments only: `begin` forgets it. Whoever opens a file afterwards
    goes by descriptors, whatever was put in the folder's place (`oort.detect.opening`).
    """

    def __init__(self) -> None:
        self._bounds: Bounds | None = None
        self._real_root = b""
        self._plain: dict[bytes, bytes] = {}
        """By the path of a folder that is kept, where it really lies."""

    def begin(self) -> None:
        """Believe nothing of before."""
        self._bounds = None
        self._plain.clear()

    def look_at(self, bounds: Bounds, rel_path: RelPath) -> FileVersion | Folder | Judgement | None:
        """Look at one path as `Bounds.look_at` does."""
        at = rel_path.rfind(b"/")
        folder = rel_path[: max(at, 0)]
        try:
            real = os.path.join(self._real(bounds, folder), rel_path[at + 1 :])
            found = os.lstat(real)
        except OSError:
            return bounds.look_at(rel_path)  # it knows what an error means
        if not stat.S_ISREG(found.st_mode) or folder not in self._plain:
            return bounds.look_at(rel_path)
        for judgement in (
            bounds.rules.judge_file_entry(rel_path),
            bounds.judge_entry(real),
            judge_size(found.st_size),
        ):
            if judgement is not KEPT:
                return judgement
        return FileVersion.of(rel_path, found)

    def _real(self, bounds: Bounds, folder: bytes) -> bytes:
        """Return where a folder really lies. Raises OSError where it is not there."""
        if bounds is not self._bounds:
            self.begin()
            self._real_root = os.path.realpath(os.fsencode(bounds.root), strict=True)
            self._bounds = bounds
        real = self._plain.get(folder)
        if real is None:
            real = os.path.realpath(os.path.join(self._real_root, folder), strict=True)
            is_kept = (
                bounds.rules.judge_folder(folder) is KEPT
                and bounds.judge_real(real, self._real_root) is KEPT
            )
            if is_kept:
                self._plain[folder] = real
        return real
