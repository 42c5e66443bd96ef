"""Is the queue still where it was? A deleted file is written to as well as any, but for nobody.

SQLite keeps its files open and does not look at their names again: a queue that was deleted, moved
away or replaced would go on unseen, and be lost with the process. So does its log (-wal), which
other processes need to see what was done last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_Identity = tuple[int, int]


class Place:
    """Looks at the names of an open queue, about once a second.

    `turns` grows before and after the writer's connection is opened or closed: in between the log
    stays the same file.
    """

    def __init__(self, file: Path, turns: Callable[[], int]) -> None:
        self._file = file
        self._log = file.with_name(f"{file.name}-wal")
        self._turns = turns
        self._identity = _identity_of(file)
        self._turn = 0
        self._log_identity: _Identity | None = None

    def trouble(self) -> str | None:
        """Return what became of the files in words, None where they are in their place.

        What cannot be looked at just now (a disk that is away for a moment) tells nothing.
        """
        turn = self._turns()
        try:
            if _identity_of(self._file) != self._identity:
                return f"the queue {self._file} was deleted or replaced"
            log = _identity_of(self._log)
        except OSError:
            return None
        if self._turns() != turn:
            return None  # it was opened or closed just now
        if turn != self._turn or self._log_identity is None:
            self._turn, self._log_identity = turn, log
        elif log != self._log_identity:
            return f"the log of the queue, {self._log}, was deleted or replaced"
        return None


def _identity_of(path: Path) -> _Identity | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
