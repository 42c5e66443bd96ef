"""Sightings on their way into the queue: kept until they are durable, in order, never lost."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from oort.errors import QueueError
from oort.policy.sighting import Phase
from oort.values import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oort.policy.sighting import Sighting

BATCH: Final = 500
RETRY_S: Final = 1.0
RETRY_MOST_S: Final = 30.0
FULL: Final = 5_000
"""So many wait: detection pauses until the queue takes them."""

_TRIES_ALONE: Final = 5
"""So often a sighting may fail while others are taken; then it is left to the next scan."""
_ENOUGH_FAILED: Final = 3
"""So many that fail one by one, and none that is taken: it is the queue, not they."""


@dataclass(slots=True)
class _Waiting:
    sighting: Sighting
    tries_alone: int = 0


class Outbox:
    """Owned by the intake's thread. `note` blocks until what it was given is durable."""

    def __init__(self, note: Callable[[Sequence[Sighting]], None], *, watch: str) -> None:
        self._note = note
        self._log = structlog.get_logger("oort.intake").bind(watch=watch)
        self._waiting: deque[_Waiting] = deque()
        self._not_before = 0.0
        self._failures = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether detection should pause."""
        return len(self._waiting) >= FULL

    def add(self, sighting: Sighting) -> None:
        """Keep a sighting until `flush` has brought it home."""
        self._waiting.append(_Waiting(sighting))

    def next_at(self) -> float | None:
        """Return when `flush` has something to do; None: nothing waits."""
        return self._not_before if self._waiting else None

    def flush(self, now: float) -> bool:
        """Hand over what waits; tell whether a file became complete, so that it may be taken."""
        settled = False
        while self._waiting and now >= self._not_before:
            batch = self._take_batch()
            try:
                self._note([one.sighting for one in batch])
            except QueueError as error:
                taken = self._hand_over_singly(batch) if len(batch) > 1 else []
                if not taken:
                    self._put_back(batch, error, now)
            except BaseException:
                self._waiting.extendleft(reversed(batch))
                raise
            else:
                taken, self._failures = batch, 0
            settled |= any(one.sighting.phase is Phase.SETTLED for one in taken)
        return settled

    def _take_batch(self) -> list[_Waiting]:
        """Take the next ones, up to and with a rename: what follows builds upon it."""
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < BATCH:
            batch.append(self._waiting.popleft())
            if batch[-1].sighting.phase is Phase.RENAMED:
                break
        return batch

    def _put_back(self, batch: list[_Waiting], error: QueueError, now: float) -> None:
        self._waiting.extendleft(reversed(batch))
        self._failures += 1
        delay = min(RETRY_MOST_S, RETRY_S * 2 ** min(self._failures - 1, 10))
        self._not_before = now + delay
        self._log.warning(
            "sightings.kept", count=len(self._waiting), reason=str(error), again_s=delay
        )

    def _hand_over_singly(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Find out which of them spoil the batch; return those that were taken."""
        taken: list[_Waiting] = []
        failed: list[_Waiting] = []
        for one in batch:
            try:
                self._note([one.sighting])
            except QueueError as error:
                failed.append(one)
                self._log.debug("sighting.refused", reason=str(error))
                if not taken and len(failed) >= _ENOUGH_FAILED:
                    return []
            else:
                taken.append(one)
        if taken:
            self._keep_failed(failed)
        return taken

    def _keep_failed(self, failed: list[_Waiting]) -> None:
        for one in failed:
            one.tries_alone += 1
            if one.tries_alone < _TRIES_ALONE:
                self._waiting.append(one)
                continue
            path = printable(one.sighting.version.rel_path)
            self._log.error("sighting.dropped", path=path, text="the next scan sees it again")
