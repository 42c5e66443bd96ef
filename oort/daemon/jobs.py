"""The table of jobs of the clock: what runs how often. The only door to APScheduler.

APScheduler depends on the wall clock (measured: a step back stops its jobs, a step of years ahead
makes it list every missed run). So its triggers here never look back, its defaults are changed once
(`coalesce`, one instance, no grace time that would skip a run), and on a step of the clock every
job is put to now. Nothing that a file waits for depends on it: dispatch and settling wait on
monotonic events of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog
from apscheduler.events import EVENT_JOB_ERROR
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = structlog.get_logger("oort.jobs")

THREADS: Final = 4


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the table: `every_s` is asked anew at each run, so a changed setting holds at once."""

    name: str
    every_s: Callable[[], float]
    run: Callable[[], None]
    at_once: bool = False


class _Every(BaseTrigger):  # type: ignore[misc]  # APScheduler 3.11 has no types
    """Next run: an interval after the last one, and never in the past."""

    def __init__(self, every_s: Callable[[], float], *, at_once: bool) -> None:
        self._every_s = every_s
        self._at_once = at_once

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """Return the moment of the next run; APScheduler asks after each one."""
        if previous is None and self._at_once:
            return now
        planned = (previous or now) + timedelta(seconds=self._every_s())
        return planned if planned > now else now + timedelta(seconds=self._every_s())


class Jobs:
    """Runs the table until it is stopped."""

    def __init__(self, table: Sequence[Job]) -> None:
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(THREADS)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(_on_error, EVENT_JOB_ERROR)
        for job in table:
            self._scheduler.add_job(
                job.run, _Every(job.every_s, at_once=job.at_once), id=job.name, name=job.name
            )

    def start(self) -> None:
        """Start the scheduler's thread."""
        self._scheduler.start()

    @property
    def is_alive(self) -> bool:
        """Whether the scheduler's thread runs."""
        thread = self._scheduler._thread  # noqa: SLF001  # 3.11 offers no other way to ask
        return bool(thread is not None and thread.is_alive())

    def run_now(self, name: str) -> None:
        """Have a job run as soon as a thread is free; nothing before the start or after the end."""
        if not self._scheduler.running:
            return
        self._scheduler.modify_job(name, next_run_time=datetime.now(UTC))  # noqa: TID251  # the scheduler's own clock

    def after_clock_step(self, now: datetime) -> None:
        """Plan every job anew from `now`: their plans belong to another time."""
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=now)

    def stop(self) -> None:
        """End the scheduler; a job that runs just now is not waited for."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


def _on_error(event: Any) -> None:
    log.error("job.failed", job=event.job_id, error=repr(event.exception), trace=event.traceback)
