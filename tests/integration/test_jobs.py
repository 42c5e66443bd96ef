"""The jobs of the clock on the real APScheduler: they go on, whatever they and the clock do."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from oort.clock import SystemClock
from oort.daemon.jobs import Job, Jobs
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


class Counted:
    """A job that counts its runs, and does what it is told besides."""

    def __init__(self, name: str, every_s: float = 0.05, *, at_once: bool = False) -> None:
        self.name = name
        self.every_s = every_s
        self.at_once = at_once
        self.runs = 0
        self.fails = False
        self.hold = threading.Event()
        self.hold.set()

    def run(self) -> None:
        self.runs += 1
        assert self.hold.wait(30)
        if self.fails:
            raise RuntimeError("this run went wrong")

    @property
    def job(self) -> Job:
        return Job(self.name, lambda: self.every_s, self.run, at_once=self.at_once)

    def goes_on(self, runs: int = 3) -> None:
        """Wait until it has run so many times more."""
        reached = self.runs + runs
        wait_until(lambda: self.runs >= reached, what=f"{self.name} ran {self.runs} times")


@contextmanager
def running(*counted: Counted) -> Iterator[Jobs]:
    jobs = Jobs([one.job for one in counted])
    jobs.start()
    try:
        yield jobs
    finally:
        for one in counted:
            one.hold.set()
        jobs.stop()


def plan_for(jobs: Jobs, name: str, moment: datetime) -> None:
    """Leave a plan as it is after the wall clock stepped: at a moment of another time."""
    jobs._scheduler.modify_job(name, next_run_time=moment)


def now() -> datetime:
    return SystemClock().now()


def test_a_job_runs_again_and_again() -> None:
    beat = Counted("beat")

    with running(beat):
        beat.goes_on(5)


def test_a_job_that_raises_goes_on_and_harms_nobody() -> None:
    bad, good = Counted("bad"), Counted("good")
    bad.fails = True

    with running(bad, good):
        bad.goes_on()
        good.goes_on()


def test_a_job_that_hangs_does_not_keep_the_others() -> None:
    slow, good = Counted("slow"), Counted("good")
    slow.hold.clear()

    with running(slow, good):
        wait_until(lambda: slow.runs)
        good.goes_on(10)
        assert slow.runs == 1


def test_runs_that_were_missed_are_made_up_by_one() -> None:
    late = Counted("late", every_s=3600)

    with running(late) as jobs:
        plan_for(jobs, "late", now() - timedelta(days=3))
        wait_until(lambda: late.runs)

        planned = jobs._scheduler.get_job("late").next_run_time
        assert late.runs == 1
        assert planned > now() + timedelta(minutes=59)


def test_only_what_is_to_run_at_once_does() -> None:
    first = Counted("first", every_s=3600, at_once=True)
    later = Counted("later", every_s=3600)

    with running(first, later):
        wait_until(lambda: first.runs)
        assert later.runs == 0


def test_a_job_can_be_asked_to_run_now() -> None:
    copy = Counted("copy", every_s=3600)

    with running(copy) as jobs:
        jobs.run_now("copy")
        wait_until(lambda: copy.runs == 1)


def test_nothing_runs_before_the_start_and_after_the_end() -> None:
    copy = Counted("copy", every_s=3600)
    jobs = Jobs([copy.job])

    jobs.run_now("copy")
    jobs.start()
    jobs.stop()
    jobs.run_now("copy")
    jobs.stop()

    assert copy.runs == 0
    assert not jobs.is_alive


def test_a_clock_that_was_years_ahead_stops_no_job() -> None:
    """Plans that lie far ahead are what a step back leaves; nobody needs to have noticed it."""
    beat, copy = Counted("beat"), Counted("copy", every_s=3600)

    with running(beat, copy) as jobs:
        beat.goes_on()
        plan_for(jobs, "beat", now() + timedelta(days=3 * 365))
        plan_for(jobs, "copy", now() + timedelta(hours=2))

        beat.goes_on()
        wait_until(lambda: copy.runs == 1)


def test_a_clock_that_was_years_behind_makes_no_storm() -> None:
    beat = Counted("beat", every_s=0.5)

    with running(beat) as jobs:
        plan_for(jobs, "beat", datetime(1970, 1, 2, tzinfo=UTC))
        beat.goes_on(2)

        planned = jobs._scheduler.get_job("beat").next_run_time
        assert abs(planned - now()) < timedelta(seconds=30)


def test_after_a_noticed_step_every_job_is_planned_anew() -> None:
    jobs_of = [Counted("one", every_s=3600), Counted("two", every_s=7200)]

    with running(*jobs_of) as jobs:
        jobs.after_clock_step(now())

        wait_until(lambda: all(one.runs == 1 for one in jobs_of))


def test_a_shorter_interval_holds_at_once() -> None:
    rescan = Counted("rescan", every_s=3600)

    with running(rescan):
        rescan.every_s = 0.1
        rescan.goes_on()


def test_the_scheduler_says_whether_it_lives() -> None:
    jobs = Jobs([Counted("beat").job])
    assert not jobs.is_alive

    jobs.start()
    assert jobs.is_alive

    jobs.stop()
    assert not jobs.is_alive


def test_a_job_that_hangs_does_not_keep_the_process_from_ending() -> None:
    script = """
import threading
from oort.daemon.jobs import Job, Jobs
entered = threading.Event()
def hang():
    entered.set()
    threading.Event().wait()
jobs = Jobs([Job("probe", lambda: 60.0, hang, at_once=True)])
jobs.start()
entered.wait()
jobs.stop()
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)

    assert done.returncode == 0
