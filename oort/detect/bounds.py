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
