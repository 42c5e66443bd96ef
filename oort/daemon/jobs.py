"""The table of jobs of the clock: what runs how often. The only door to APScheduler.

APScheduler depends on the wall clock (measured: a step back stops its jobs, a step of years ahead
makes it list every missed run). So its triggers here never look back, its defaults are changed once
(`coalesce`, one instance, no grace time that would skip a run), and a guard that waits on the
monotonic clock looks now and then for plans that belong to another time: it must be no job itself,
because a step back stops those. What is due about once a second is no job: `oort.daemon.beat`.
Nothing that a file waits for depends on any of it: dispatch and settling wait on monotonic events of
their own.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog
from apscheduler.events import EVENT_JOB_ERROR
from apscheduler.executors.base import BaseExecutor, run_job
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = structlog.get_logger("oort.jobs")

GUARD_S: Final = 5.0
"""How often the plans are looked at."""
HANGS_S: Final = 5.0
"""A scheduler that has held its lock for so long will hold it for ever."""
STOP_S: Final = 1.0
"""A daemon's end waits so long for the scheduler."""


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


class _Threads(BaseExecutor):  # type: ignore[misc]  # APScheduler 3.11 has no types
    """Runs each job in a thread of its own, which the end of the process does not wait for.

    The usual pool's threads are joined at exit, so that a probe of a server that never answers
    would keep a stopped daemon for as long as its time-out.
    """

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        threading.Thread(
            target=self._run, args=(job, run_times), name=f"job-{job.id}", daemon=True
        ).start()

    def _run(self, job: Any, run_times: list[datetime]) -> None:
        events = run_job(job, job._jobstore_alias, run_times, self._logger.name)  # noqa: SLF001  # as every executor does
        self._run_job_success(job.id, events)


class Jobs:
    """Runs the table until it is stopped."""

    def __init__(self, table: Sequence[Job]) -> None:
        self._table = {job.name: job for job in table}
        self._ending = threading.Event()
        self._guard = threading.Thread(target=self._watch_plans, name="job-guard", daemon=True)
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": _Threads()},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(_on_error, EVENT_JOB_ERROR)
        for job in table:
            self._scheduler.add_job(
                job.run, _Every(job.every_s, at_once=job.at_once), id=job.name, name=job.name
            )

    def start(self) -> None:
        """Start the scheduler's thread and its guard."""
        self._scheduler.start()
        self._guard.start()

    @property
    def is_alive(self) -> bool:
        """Whether the scheduler's thread and its guard run, and the former does not hang.

        It hangs for ever where the system has no memory left for a job's thread: CPython 3.11 waits
        for the first word of a thread that died before it.
        """
        thread = self._scheduler._thread  # noqa: SLF001  # 3.11 offers no other way to ask
        runs = bool(thread is not None and thread.is_alive()) and self._guard.is_alive()
        return runs and self._answers(HANGS_S)

    def _answers(self, patience_s: float) -> bool:
        """Tell whether the scheduler lets go of its lock, which it holds for moments."""
        lock = self._scheduler._jobstores_lock  # noqa: SLF001  # asked for by its every method
        if not lock.acquire(timeout=patience_s):
            return False
        lock.release()
        return True

    def _watch_plans(self) -> None:
        while not self._ending.wait(GUARD_S):
            self._mend_plans(_now())

    def _mend_plans(self, now: datetime) -> None:
        """Run now what is planned further ahead than its interval: the clock, or a setting, changed."""
        for planned in self._scheduler.get_jobs():
            longest = timedelta(seconds=self._table[planned.id].every_s() + GUARD_S)
            if planned.next_run_time - now > longest:
                planned.modify(next_run_time=now)

    def run_now(self, name: str) -> None:
        """Have a job run as soon as a thread is free; nothing before the start or after the end."""
        if not self._scheduler.running:
            return
        self._scheduler.modify_job(name, next_run_time=_now())

    def after_clock_step(self, now: datetime) -> None:
        """Plan every job anew from `now`: their plans belong to another time."""
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=now)

    def stop(self) -> None:
        """End the scheduler; a job that runs just now is not waited for, nor one that hangs."""
        self._ending.set()
        if not self._answers(STOP_S):
            return
        if self._guard.is_alive():
            self._guard.join()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  # the scheduler's own clock


def _on_error(event: Any) -> None:
    log.error("job.failed", job=event.job_id, error=repr(event.exception), trace=event.traceback)
