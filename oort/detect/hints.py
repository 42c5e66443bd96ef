"""Paths that events named, on their way from the observer to the intake: few, and coalesced.

The observer's thread must never wait and never die, so putting a hint only changes a dictionary.
What does not fit is not kept: the queue remembers that hints were lost, and a scan makes up for it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import Flag, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PATHS_MOST: Final = 20_000
"""Paths that may wait; more than the kernel holds events (16,384) by default."""


class HintKind(Flag):
    """What events said of a path; of several, all of it."""

    CREATED = auto()
    """A file of that name appeared."""
    CLOSED = auto()
    """A program that had it open for writing closed it, or renamed it into place."""
    FOLDER = auto()
    """A folder of that name appeared: what lies in it may have been there before its events."""
    GONE = auto()
    """A folder of that name, the watched one perhaps, was deleted."""


@dataclass(frozen=True, slots=True)
class Hint:
    """One path with all that was said of it since it was taken last."""

    path: bytes
    """As the event had it: absolute, below the watched folder."""
    kind: HintKind
    moved_from: bytes | None = None
    """It had this name before; absolute too."""


class HintQueue:
    """Bounded, coalesced per path, in the order of the first hint of each. Any thread may put."""

    def __init__(self, wake: Callable[[], None], *, paths_most: int = PATHS_MOST) -> None:
        self._wake = wake
        self._paths_most = paths_most
        self._lock = threading.Lock()
        self._hints: dict[bytes, Hint] = {}
        self._lost: str | None = None

    def put(self, path: bytes, kind: HintKind, moved_from: bytes | None = None) -> None:
        """Add a hint, or note that it was lost; never waits."""
        with self._lock:
            known = self._hints.get(path)
            if known is not None:
                kind |= known.kind
                moved_from = moved_from or known.moved_from
            elif len(self._hints) >= self._paths_most:
                self._lost = "more events than can be kept"
                return
            self._hints[path] = Hint(path, kind, moved_from)
        self._wake()

    def lose(self, reason: str) -> None:
        """Note that events were lost: only a scan can tell which."""
        with self._lock:
            self._lost = reason
        self._wake()

    def take(self, most: int) -> list[Hint]:
        """Return, and forget, up to `most` hints, the oldest first."""
        with self._lock:
            paths = [path for path, _ in zip(self._hints, range(most), strict=False)]
            return [self._hints.pop(path) for path in paths]

    def take_loss(self) -> str | None:
        """Return, once, why events were lost; None where none were."""
        with self._lock:
            lost, self._lost = self._lost, None
        return lost

    def clear(self) -> None:
        """Forget everything: a scan will see it."""
        with self._lock:
            self._hints.clear()
            self._lost = None

    def __len__(self) -> int:
        return len(self._hints)
