"""Upkeep of the queue and of the clock's jobs: copies, pruning, waits after a step of the clock."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from oort.daemon.clockstep import StepWatch
from oort.queue import care
from oort.queue.database import is_damaged, reason_of
from oort.queue.space import has_room_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from oort.clock import Clock
    from oort.queue.database import Database
    from oort.queue.store import Queue
    from oort.settings import Settings

log = structlog.get_logger("oort.queue")

TRUSTED_S: Final = 3600.0
"""So long after a step the clock is not trusted with what it would remove."""

_DAY: Final = timedelta(days=1)


class Upkeep:
    """Each method is a job, or part of one; all may take a second."""

    def __init__(
        self,
        database: Database,
        store: Queue,
        clock: Clock,
        backups: Path,
        *,
        on_damage: Callable[[str], None],
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._backups = backups
        self._on_damage = on_damage
        self._steps = StepWatch(clock)
        self._steps_before_pruning = StepWatch(clock)
        self._is_shifting = False
        self._stepped_mono: float | None = None

    def follow_clock(self) -> bool:
        """Re-base every wait if the wall clock stepped; tell whether it did."""
        # Set before the step is taken note of, and only for one: who may not claim is woken by that.
        self._is_shifting = self._steps.is_pending
        try:
            by = self._steps.step()
            if by is None:
                return False
            self._stepped_mono = self._clock.monotonic()
            log.warning("clock.stepped", by_s=round(by.total_seconds(), 1))
            self._store.shift_waits(by)
        finally:
            self._is_shifting = False
        return True

    @property
    def waits_are_of_this_clock(self) -> bool:
        """Whether what the rows wait for is told by the clock as it is now, and no step is pending."""
        return not (self._is_shifting or self._steps.is_pending)

    def clamp_waits(self, settings: Settings) -> None:
        """Let nothing wait longer than its rule allows: the clock may have been years ahead."""
        longest = max(timedelta(seconds=settings.retry_max_s), _DAY)
        self._store.clamp_waits(self._clock.now() + longest)

    def copy_queue(self) -> None:
        """Copy the queue when the newest copy is a day old: asked hourly, so restarts delay nothing.

        A copy reads the whole queue, so it finds damage where nothing else has looked for years.
        """
        file, now = self._database.file, self._clock.now()
        if file is None or not care.copy_is_due(self._backups, now):
            return
        try:
            if not has_room_for(file, self._backups):
                log.warning("queue.not_copied", reason="there is too little space for a copy")
                return
            made = care.make_copy(file, self._backups, now)
        except (sqlite3.Error, OSError) as error:
            log.warning("queue.not_copied", reason=reason_of(error))
            if is_damaged(error):
                self._on_damage(f"the queue is damaged: {reason_of(error)}")
            return
        log.info("queue.copied", file=made.name)

    def prune(self, settings: Settings) -> None:
        """Remove the history of what ended more than `history_days` ago; asked hourly.

        Not where the clock stepped in the last hour: one that is years ahead for a moment would
        cost all of it. It is looked at here too, because a step makes all jobs due at once.
        """
        mono = self._clock.monotonic()
        if self._steps_before_pruning.step() is not None:
            self._stepped_mono = mono
        if self._stepped_mono is not None and mono - self._stepped_mono < TRUSTED_S:
            return
        before = self._clock.now() - timedelta(days=settings.history_days)
        pruned = 0
        after_id: int | None = 0
        while after_id is not None:
            steps, after_id = self._store.change(
                partial(care.prune, before=before, after_id=after_id)
            )
            pruned += steps
        if pruned:
            log.info("queue.pruned", steps=pruned)
