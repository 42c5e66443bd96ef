"""How many folders lie below a watched folder, and which of them cannot be read."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_S: Final = 5.0
"""A walk through a million folders is broken off: what was counted so far tells enough."""

_UNREADABLE_MOST: Final = 100


@dataclass(slots=True)
class Tree:
    """What a walk showed; `folders` counts the watched folder itself, and hidden ones."""

    folders: int = 0
    is_whole: bool = True
    """False where the walk was broken off."""
    unreadable: list[bytes] = field(default_factory=list)
    """Folders that cannot be listed, hidden ones left out: nothing of those is ever sent."""


def tree_of(root: Path) -> Tree:
    """Walk through all folders below `root`, links not followed. Raises OSError for the root."""
    tree = Tree()
    top = os.fsencode(root)
    until = time.monotonic() + LONGEST_S
    with os.scandir(top):  # what cannot be listed at all is not this walk's to tell
        pass
    places = [top]
    while places:
        place = places.pop()
        tree.folders += 1
        try:
            with os.scandir(place) as entries:
                places += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            below = place[len(top) :]
            if b"/." not in below and len(tree.unreadable) < _UNREADABLE_MOST:
                tree.unreadable.append(place)
        if time.monotonic() > until:
            tree.is_whole = not places
            return tree
    return tree
