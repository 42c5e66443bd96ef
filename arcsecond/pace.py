"""An answer must come at a pace: one that trickles for ever would keep its reader for ever.

A read time-out starts anew with each byte. A server, or what stands in front of it, that gives one
byte a minute would never be given up, and four of them are all the workers that there are.
"""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

PATIENCE: Final = 10.0
"""An answer may take so many read time-outs, whatever its pace."""
LEAST_BYTES_PER_S: Final = 1000.0
"""Beyond that it must have come at this rate, taken over all of its time."""


class TrickleError(TimeoutError):
    """The answer comes too slowly to be waited for; its text says how slowly."""


class Paced(io.RawIOBase):
    """What comes from a socket; raises TrickleError where it trickles.

    `read_s` is the time-out of one read, in seconds, which the socket keeps by itself.
    """

    def __init__(
        self, source: io.RawIOBase, read_s: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._source = source
        self._patience_s = PATIENCE * read_s
        self._monotonic = monotonic
        self._began = monotonic()
        self._bytes = 0

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        """Read what is there, as `io.RawIOBase.readinto` does."""
        spent_s = self._monotonic() - self._began
        if spent_s > self._patience_s and self._bytes < spent_s * LEAST_BYTES_PER_S:
            raise TrickleError(f"only {self._bytes} bytes of an answer came within {spent_s:.0f} s")
        count = self._source.readinto(buffer)
        self._bytes += count or 0
        return count

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._source.fileno()

    def close(self) -> None:
        """Close the source too."""
        if not self.closed:
            self._source.close()
        super().close()
