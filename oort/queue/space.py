"""Is there room on the disk of the queue? Below 50 MB nothing is claimed any more."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

LEAST_BYTES: Final = 50 * 1024 * 1024
"""design.md §3, "Trouble on the machine itself"."""


def has_room_for(file: Path, folder: Path) -> bool:
    """Tell whether a copy of `file` in `folder` would leave the queue the space that it needs."""
    disk = folder if folder.exists() else folder.parent
    return shutil.disk_usage(disk).free >= file.stat().st_size + LEAST_BYTES


class StateDisk:
    """Looks at the free space of the state folder's disk; asked once a second."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.has_space = True

    @property
    def warning(self) -> str | None:
        """What `oort status` shows while there is too little space."""
        if self.has_space:
            return None
        return (
            f"less than {LEAST_BYTES // 2**20} MB are free for the queue in {self._folder}: "
            "nothing is sent until there is more"
        )

    def look(self) -> bool:
        """Look once; tell whether the answer changed."""
        try:
            has_space = shutil.disk_usage(self._folder).free >= LEAST_BYTES
        except OSError:
            return False
        changed = has_space != self.has_space
        self.has_space = has_space
        return changed
