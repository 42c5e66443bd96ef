"""Upkeep of the queue and of the clock's jobs: copies, pruning, waits after a step of the clock."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from oort.daemon.clockstep import StepWatch
from oort.queue import care

if TYPE_CHECKING:
    from pathlib import Path

    from oort.clock import Clock
    from oort.queue.database import Database
    from oort.queue.store import Queue
    from oort.settings import Settings

log = structlog.get_logger("oort.queue")

_DAY: Final = timedelta(days=1)


class Upkeep:
    """Each method is a job, or part of one; all may take a second."""

    def __init__(self, database: Database, store: Queue, clock: Clock, backups: Path) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._backups = backups
        self._steps = StepWatch(clock)

    def follow_clock(self) -> bool:
        """Re-base every wait if the wall clock stepped; tell whether it did."""
        by = self._steps.step()
        if by is None:
            return False
        log.warning("clock.stepped", by_s=round(by.total_seconds(), 1))
        self._store.shift_waits(by)
        return True

    def clamp_waits(self, settings: Settings) -> None:
        """Let nothing wait longer than its rule allows: the clock may have been years ahead."""
        longest = max(timedelta(seconds=settings.retry_max_s), _DAY)
        self._store.clamp_waits(self._clock.now() + longest)

    def copy_queue(self) -> None:
        """Copy the queue when the newest copy is a day old: asked hourly, so restarts delay nothing."""
        file, now = self._database.file, self._clock.now()
        if file is not None and care.copy_is_due(self._backups, now):
            made = care.make_copy(file, self._backups, now)
            log.info("queue.copied", file=made.name)

    def prune(self, settings: Settings) -> None:
        """Remove the history of what ended more than `history_days` ago."""
        before = self._clock.now() - timedelta(days=settings.history_days)
        pruned = self._store.change(lambda connection: care.prune(connection, before))
        if pruned:
            log.info("queue.pruned", steps=pruned)
