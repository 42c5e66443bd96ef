"""The machine's clock is set, by hours or by years, while the daemon runs."""

from __future__ import annotations

import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.files import BLOCK, arrived, make_fits
from tests.support.queue_file import rows_of
from tests.support.vitals import look_at
from tests.support.wait import wait_until
from tests.support.wall_clock import WallClock

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

WAIT_S = 8.0
SETTLING = 20
"""So many files have the daemon look for work before it has noticed the step, too."""
REST_S = 5.0
"""So long an idle daemon is watched after a step."""
MOST_OF_A_CORE = 0.1
MOST_MORE_BYTES = 100 * 1024**2
YEARS = timedelta(days=3 * 365)


@pytest.fixture
def clock(home: Home, tmp_path: Path) -> WallClock:
    """Give all processes of the home another wall clock."""
    made = WallClock(tmp_path)
    home.environment |= made.environment
    return made


def told(home: Home) -> bool:
    return "clock.stepped" in home.told()


def substatuses(home: Home) -> dict[str, str]:
    """Return what the queue's file says of each file: sooner than a command would."""
    return {row.path: row.substatus for row in rows_of(home.folder / "oort" / "oort.db")}


def sent_at(home: Home, sandbox: Sandbox, name: str, *, turn: int) -> float:
    """Wait until a file is sent that often; return when that was, by a clock that nobody sets."""
    wait_until(
        lambda: sum(request["file"] == name for request in sandbox.uploads()) >= turn,
        timeout_s=60,
        every_s=0.1,
        what=home.told,
    )
    return time.monotonic()


def moments_of(document: dict[str, Any]) -> dict[str, datetime]:
    """Return the moments that the answer for a file names, the history's last one too."""
    names = ("created_at", "started_at", "ended_at", "next_attempt_at")
    found = {name: document[name] for name in names if document[name] is not None}
    found["last step"] = document["history"][-1]["at"]
    return {name: datetime.fromisoformat(text) for name, text in found.items()}


@pytest.mark.linux
@pytest.mark.timeout(240)
@pytest.mark.nightly
@pytest.mark.parametrize(
    "step",
    [timedelta(hours=-2), timedelta(days=10), YEARS],
    ids=["2 h back", "10 days ahead", "3 years ahead"],
)
def test_clock_is_set_while_files_wait(
    home: Home, sandbox: Sandbox, clock: WallClock, tmp_path: Path, step: timedelta
) -> None:
    """Whatever waits goes on waiting as long as it would have, and nothing is busy or lost by it.

    1. A file is stored. Of others one is on its way, one waits to be tried again, and twenty settle,
       one after the other in the second that comes, when the clock is set.
    2. The one that waits is tried again eight seconds after its first time, as the server asked.
    3. They arrive, and so does a file that is written afterwards. All times that `oort status`
       shows of that one are times of the new clock; the history of the first is still there.
    4. For five seconds with nothing to do the daemon needs no more than a tenth of a core, and it
       has not grown by 100 MB.
    """
    home.configure({"settle_s": "2", "retry_max_s": str(WAIT_S), "retry_base_s": str(WAIT_S)})
    folder = tmp_path / "dome"
    files = [make_fits(folder / "first.fits")]
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)
    assert home.daemon is not None
    before = look_at(home.daemon.pid)
    sandbox.rule(method="POST", file="way", read_bytes_per_s=200_000, times=1)
    patience = {"Retry-After": str(int(WAIT_S))}
    sandbox.rule(method="POST", file="waits", status=503, headers=patience, times=1)
    files += [make_fits(folder / "way.fits", 1000 * BLOCK, salt=1)]
    files += [make_fits(folder / "waits.fits", salt=2)]
    first = sent_at(home, sandbox, "waits.fits", turn=1)
    wait_until(
        lambda: (
            {"way.fits": "uploading...", "waits.fits": "waiting to retry"}.items()
            <= substatuses(home).items()
        ),
        timeout_s=40,
        what=home.told,
    )
    for n in range(SETTLING):
        files += [make_fits(folder / f"settles_{n}.fits", salt=100 + n)]
        threading.Event().wait(1 / SETTLING)
    threading.Event().wait(1.0)

    clock.step(step)

    again = sent_at(home, sandbox, "waits.fits", turn=2)
    assert WAIT_S - 1 < again - first < WAIT_S + 10
    wait_until(lambda: told(home), timeout_s=20, what=home.told)
    files += [clock.stamp(make_fits(folder / "after.fits", salt=4))]
    home.wait_for(OK=len(files))
    assert arrived(sandbox.files(), files)
    after = home.json("status", files[-1])
    late = {
        name: moment
        for name, moment in moments_of(after).items()
        if abs(moment - clock.now()) > timedelta(minutes=2)
    }
    assert not late
    assert home.json("status", files[0])["history"]
    assert not home.status()["attention"]

    rested = look_at(home.daemon.pid)
    threading.Event().wait(REST_S)
    at_rest = look_at(home.daemon.pid)
    assert at_rest.cpu_s - rested.cpu_s < MOST_OF_A_CORE * REST_S
    assert at_rest.rss_bytes - before.rss_bytes < MOST_MORE_BYTES


@pytest.mark.linux
@pytest.mark.timeout(240)
def test_clock_is_set_while_the_server_asks_for_patience(
    home: Home, sandbox: Sandbox, clock: WallClock, tmp_path: Path
) -> None:
    """A date until which the server asks to wait is one of the server's clock, not of this one.

    1. The daemon's clock is three years behind the server's, who answers 503 with a `Retry-After`
       that is a date of its own, some seconds ahead.
    2. The file is tried again then, and not after years.
    """
    clock.step(-YEARS)
    folder = tmp_path / "dome"
    file = make_fits(folder / "a.fits")
    soon = clock.true_now() + timedelta(seconds=2)
    sandbox.rule(
        method="POST",
        path="/datafiles/",
        status=503,
        times=1,
        headers={"Retry-After": f"{soon:%a, %d %b %Y %H:%M:%S} GMT"},
    )
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)
    assert arrived(sandbox.files(), [file])
    assert len(sandbox.uploads()) == 2


@pytest.mark.linux
@pytest.mark.timeout(240)
def test_machine_starts_in_1970(
    home: Home, sandbox: Sandbox, clock: WallClock, tmp_path: Path
) -> None:
    """A machine without a clock of its own starts in 1970, until NTP comes up.

    1. Files are stored and the daemon is stopped. It starts again in 1970, with a file that is new.
    2. That file arrives; then the clock is set right, and one that is written then arrives too.
    3. The copies of the queue do not pile up, and the newest one that counts is not from 1970.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / "a.fits")]
    home.watch(folder)
    home.start()
    home.wait_for(OK=1)
    home.stop()
    clock.step(datetime(1970, 1, 1, 0, 0, 20, tzinfo=UTC) - clock.now())
    files += [clock.stamp(make_fits(folder / "b.fits", salt=1))]

    home.start()

    home.wait_for(OK=2)
    clock.step(-clock.ahead)
    wait_until(lambda: told(home), timeout_s=20, what=home.told)
    files += [make_fits(folder / "c.fits", salt=2)]
    home.wait_for(OK=3)
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == 3
    assert not home.status()["attention"]
    assert len(list((home.folder / "oort" / "backups").glob("*"))) <= 3


@pytest.mark.linux
@pytest.mark.timeout(240)
def test_machine_sleeps_and_wakes_in_another_year(
    home: Home, sandbox: Sandbox, clock: WallClock, tmp_path: Path
) -> None:
    """A machine that was asleep goes on where it was, whatever its clock says.

    1. The daemon stands still (SIGSTOP) while a row waits to be tried again and a file is written;
       the clock is set back by a year, and it goes on.
    2. Both arrive, and what is written afterwards.
    """
    home.configure({"retry_max_s": str(WAIT_S), "retry_base_s": str(WAIT_S)})
    folder = tmp_path / "dome"
    files = [make_fits(folder / "waits.fits")]
    sandbox.rule(method="POST", path="/datafiles/", status=503, times=1)
    home.watch(folder)
    home.start()
    wait_until(
        lambda: substatuses(home).get("waits.fits") == "waiting to retry",
        timeout_s=40,
        what=home.told,
    )
    home.signal(signal.SIGSTOP)
    files += [make_fits(folder / "meanwhile.fits", salt=1)]
    clock.step(timedelta(days=-365))
    home.signal(signal.SIGCONT)

    wait_until(lambda: told(home), timeout_s=20, what=home.told)
    files += [clock.stamp(make_fits(folder / "after.fits", salt=2))]
    home.wait_for(OK=3)
    assert arrived(sandbox.files(), files)
