"""Notices that config.toml or config.ini changed; a half-written file is none.

A changed file is taken when two reads a second apart are equal (design.md §3), so that an editor
that writes in steps is never caught in the middle. What the content means is the caller's affair.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


_UNKNOWN: Final = (-1, -1, -1)
"""A stamp that no file has."""


@dataclass(slots=True)
class Watched:
    """One file: what was taken of it last, and what is waiting to be seen a second time."""

    file: Path
    on_change: Callable[[bytes | None], None]
    """Called with the file's content, None where it is not there or cannot be read."""
    even_if_same: bool = False
    """Call also when the file was written again with what it held before."""
    stamp: tuple[int, int, int] | None = None
    taken: bytes | None = None
    candidate: bytes | None = None
    is_candidate: bool = False
    is_half_taken: bool = False
    """`on_change` broke off: whatever the file holds next is taken, be it what was taken before."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def prime(self, content: bytes | None) -> None:
        """Know what was taken already; what is in the file by now is compared with that."""
        with self.lock:
            self.is_candidate = False  # who looked before had nothing to compare with
            self.stamp = _stamp(self.file) if self.even_if_same else _UNKNOWN
            self.taken = content

    def take_now(self) -> None:
        """Take the file as it is: a command of ours has replaced it in one step, and waits."""
        with self.lock:
            self.is_candidate = False
            self.stamp = _stamp(self.file)
            self._take(content_of(self.file))

    def look(self) -> None:
        """Look once; to be called about once a second."""
        with self.lock:
            self._look()

    def _take(self, content: bytes | None) -> None:
        if content is None and self.stamp is not None and not self.even_if_same:
            self.stamp = _UNKNOWN  # when it may be read again, neither time nor size tells
        if content != self.taken or self.even_if_same or self.is_half_taken:
            self.is_half_taken = True
            try:
                self.on_change(content)
            except BaseException:
                self.stamp = _UNKNOWN  # it is not taken: the next look sees a change again
                raise
            self.is_half_taken = False
            self.taken = content

    def _look(self) -> None:
        if not self.is_candidate:
            stamp = _stamp(self.file)
            if stamp == self.stamp:
                return
            self.stamp = stamp
            self.candidate, self.is_candidate = content_of(self.file), True
            return
        stamp, content = _stamp(self.file), content_of(self.file)
        if content != self.candidate:
            self.candidate = content
            return
        self.is_candidate = False
        # The stamp was read first: what is written after the content shows in the next look.
        self.stamp = stamp
        self._take(content)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def content_of(file: Path) -> bytes | None:
    """Return a file's content, None where it cannot be read."""
    try:
        return file.read_bytes()
    except OSError:
        return None
