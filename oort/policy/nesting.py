"""Watched folders that lie in one another: how a file of one is called in another. Pure.

A file belongs to the innermost watch that contains it. What another watch has stored stays as it
is: so the other's rows are looked at before a file counts as new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oort.policy.version import RelPath

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Kin:
    """Another watch whose folder contains this watch's, or lies in it."""

    watch: str
    way: bytes
    """From the outer of the two folders to the inner one, `/` at its end."""
    is_outer: bool
    """Whether the other's folder is the outer one."""
    settles: bool = True
    """Whether the other is watched now: it finds out then what it may have stored."""

    def theirs(self, rel_path: RelPath) -> RelPath | None:
        """Return how the other watch calls a file of this one; None where it does not contain it."""
        if self.is_outer:
            return RelPath(self.way + rel_path)
        inside = rel_path.startswith(self.way) and len(rel_path) > len(self.way)
        return RelPath(rel_path[len(self.way) :]) if inside else None


def way_to(outer: bytes, inner: bytes) -> bytes | None:
    """Return the way from a folder to one that lies in it, `/` at its end; None where it does not."""
    start = outer.rstrip(b"/") + b"/"
    return inner[len(start) :] + b"/" if inner.startswith(start) and inner != start else None


def kin_of(root: bytes, others: Iterable[tuple[str, bytes]]) -> tuple[Kin, ...]:
    """Return those of the other watches (name, folder) that nest with a folder; real paths all."""
    found = []
    for name, folder in others:
        down, up = way_to(root, folder), way_to(folder, root)
        if down is not None:
            found.append(Kin(name, down, is_outer=False))
        elif up is not None:
            found.append(Kin(name, up, is_outer=True))
    return tuple(found)
