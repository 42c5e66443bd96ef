"""Is there room on the disk of the queue? Below 50 MB, or read-only, nothing is claimed any more."""

from __future__ import annotations

import errno
import os
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
    """Looks whether the state folder's disk takes anything; asked once a second."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.warning: str | None = None
        """What `oort status` shows while it takes nothing, or too little."""

    @property
    def has_space(self) -> bool:
        """Whether there is room for what an upload has to record."""
        return self.warning is None

    def look(self) -> bool:
        """Look once; tell whether the answer changed."""
        try:
            warning = self._found()
        except OSError:
            return False
        changed = warning != self.warning
        self.warning = warning
        return changed

    def _found(self) -> str | None:
        if _is_read_only(self._folder / "oort.lock"):
            return f"the disk of the queue in {self._folder} is read-only: nothing is sent"
        if shutil.disk_usage(self._folder).free >= LEAST_BYTES:
            return None
        return (
            f"less than {LEAST_BYTES // 2**20} MB are free for the queue in {self._folder}: "
            "nothing is sent until there is more"
        )


def _is_read_only(file: Path) -> bool:
    """Tell whether the disk of a file has become read-only: its flags do not tell after an error."""
    try:
        os.close(os.open(file, os.O_WRONLY))
    except OSError as error:
        return error.errno == errno.EROFS
    return False
