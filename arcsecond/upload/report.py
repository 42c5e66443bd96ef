"""What became of a folder's files, and how far it is."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from arcsecond.errors import ArcsecondError
    from arcsecond.status import Status, Substatus

LAST_SENT: Final = 20
"""So many paths are kept of what was sent: a hundred thousand would say nothing, and cost memory."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that did not get there, and why."""

    path: str
    substatus: Substatus
    error: ArcsecondError


@dataclass(slots=True)
class Report:
    """What became of a folder's files."""

    files: int = 0
    """How many there were, without what was left out."""
    counts: Counter[tuple[Status, Substatus]] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    sent: int = 0
    sent_volume: int = 0
    last_sent: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_SENT))
    """Paths of what was sent last, in the order in which it arrived."""
    finished_volume: int = 0
    unproven: int = 0
    notes: list[tuple[str, str]] = field(default_factory=list)
    """Paths of safe files with something to say about them, such as another name at the server."""
    not_tried: int = 0
    was_stopped: bool = False
    gave_up: ArcsecondError | None = None
    """Why the rest was not tried."""

    @property
    def finished(self) -> int:
        """Files with an outcome."""
        return self.counts.total()

    @property
    def is_complete(self) -> bool:
        """Whether every file is safe, and nothing was left untried."""
        return not self.failures and not self.not_tried


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is, while it runs."""

    files: int
    """Finished ones, sent or not."""
    sent: int
    volume: int
    """Bytes of these, and of the files in hand what went out."""
    bytes_moved: int
    """What really crossed the wire, second tries included."""
    trouble: str = ""
    """Why a file waits to be sent again, where one does."""
