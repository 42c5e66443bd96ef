"""Whether the disk of a watch answers: a share whose server is gone holds its thread for ever.

The thread notes each piece of work that it has done; whoever finds that it has noted nothing for
long knows that it hangs in its disk's hands, unless it waits for something else just then.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SILENT_S: Final = 20.0
"""A disk that has not answered for so long is a share whose server is gone, or a dying one."""


class Silence:
    """Owned by the intake's thread, but for `is_silent`; `monotonic` tells seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._answered_at = monotonic()
        """When the thread last finished a piece of a step: the disk answers as long as this grows."""
        self._has_hung = False
        """The disk did not answer for long, and does again."""
        self._is_elsewhere = False
        """The thread waits for something else just now, not for the disk of the watch."""

    @property
    def is_silent(self) -> bool:
        """Whether the disk has not answered for long; may be asked from any thread."""
        hangs_s = self._monotonic() - self._answered_at
        return not self._is_elsewhere and hangs_s > SILENT_S

    def begin(self) -> float:
        """Begin to work after a rest, which is nobody's silence; return the moment."""
        self._answered_at = self._monotonic()
        return self._answered_at

    def answered(self) -> None:
        """Note that the disk answers, and whether it took its time."""
        before, self._answered_at = self._answered_at, self._monotonic()
        self._has_hung |= self._answered_at - before > SILENT_S

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Let the time of the block be another's, such as the queue's, whose own disk may be full."""
        self.answered()
        self._is_elsewhere = True
        try:
            yield
        finally:
            self._answered_at = self._monotonic()
            self._is_elsewhere = False

    def take_hang(self) -> bool:
        """Tell once whether the disk did not answer for long, and does again."""
        has_hung, self._has_hung = self._has_hung, False
        return has_hung
