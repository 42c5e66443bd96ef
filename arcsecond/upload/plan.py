"""What a folder holds against what its dataset holds: all that a person should know beforehand.

Two walks at most: the first counts, the second (only where the dataset has files with a hash that
no local name accounts for) looks for those that the server gave another name.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from arcsecond.errors import InputError
from arcsecond.upload.local import LeftOut, LocalFile, Reason, walk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from arcsecond.upload.datafiles import RemoteFile
    from arcsecond.upload.index import RemoteIndex

_NOT_COUNTED = frozenset({Reason.FOLDER, Reason.GONE})


@dataclass(slots=True)
class Plan:
    """A folder as it was found."""

    root: Path
    sees_dataset: bool = True
    """False where this key may not read the dataset's listing: what is there is not known."""
    files: int = 0
    volume: int = 0
    """Bytes of all files that are not left out."""
    there: int = 0
    """Of these, how many have a namesake of the same size in the dataset."""
    there_volume: int = 0
    not_to_send_volume: int = 0
    """Bytes of all that is there, or will fail before a byte of it is sent."""
    differing: int = 0
    """How many have a namesake of another size there: they will fail."""
    renamed: dict[bytes, RemoteFile] = field(default_factory=dict)
    """Files that are there under another name, as their SHA-256 proves, by their path here."""
    renamed_volume: int = 0
    names: set[str] = field(default_factory=set)
    doubles: set[str] = field(default_factory=set)
    """Names that more than one file bears."""
    doubled: int = 0
    """How many files bear a name that one before them has."""
    left_out: Counter[Reason] = field(default_factory=Counter)
    unreadable: list[LeftOut] = field(default_factory=list)

    @property
    def to_send(self) -> int:
        """How many files are missing at the server, as far as can be told beforehand."""
        return self.files - self.there - self.differing - len(self.renamed) - self.doubled

    @property
    def volume_to_send(self) -> int:
        """Bytes of these."""
        return self.volume - self.not_to_send_volume


def make_plan(
    root: Path,
    index: RemoteIndex,
    hash_of: Callable[[LocalFile], str | None],
    on_found: Callable[[Plan], None] | None = None,
) -> Plan:
    """Look at the folder; `hash_of` reads a file, and returns None if it cannot be read.

    `on_found` is shown the plan with each further file. Raises InputError if `root` is no folder.
    """
    if not root.is_dir():
        raise InputError(f"{root} is no folder")
    plan = Plan(root, sees_dataset=index.is_complete)
    for found in walk(root):
        _count(plan, found, index)
        if on_found is not None:
            on_found(plan)
    _find_renamed(plan, index, hash_of)
    return plan


def _count(plan: Plan, found: LocalFile | LeftOut, index: RemoteIndex) -> None:
    if isinstance(found, LeftOut):
        if found.reason is Reason.UNREADABLE:
            plan.unreadable.append(found)
        elif found.reason not in _NOT_COUNTED:
            plan.left_out[found.reason] += 1
        return
    plan.files += 1
    plan.volume += found.size
    name = found.name
    if name in plan.names:
        plan.doubles.add(name)
        plan.doubled += 1
        plan.not_to_send_volume += found.size
        return
    plan.names.add(name)
    namesake = index.named(name)
    if namesake is None:
        return
    plan.not_to_send_volume += found.size
    if namesake.size in (None, found.size):
        plan.there += 1
        plan.there_volume += found.size
    else:
        plan.differing += 1


def _find_renamed(
    plan: Plan, index: RemoteIndex, hash_of: Callable[[LocalFile], str | None]
) -> None:
    by_hash = {file.sha256: file for file in index.nobodys(plan.names)}
    sizes = {file.size for file in by_hash.values()}
    if not by_hash:
        return
    seen: set[str] = set()
    for found in walk(plan.root):
        if isinstance(found, LeftOut) or found.name in seen or found.name in index:
            continue
        if found.name in plan.doubles:
            seen.add(found.name)
        if found.size not in sizes and None not in sizes:
            continue
        there = by_hash.pop(hash_of(found), None)  # one local file for each
        if there is not None:
            plan.renamed[found.rel_path] = there
            plan.renamed_volume += found.size
            plan.not_to_send_volume += found.size
