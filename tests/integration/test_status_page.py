"""What the page and the check ask of the queue: the night so far, what was lost, how well it is."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

import oort.status as documents
from oort.clock import SystemClock
from oort.locations import Locations
from oort.lock import Holder, QueueLock
from oort.policy import state
from oort.policy.health import Level
from oort.policy.night import night_of
from oort.queue.models import UPLOADS
from oort.queue.opening import OpenQueue
from oort.settings import Settings
from oort.status import NightPace
from oort.status.page import LONGEST_S
from oort.values import Watch
from tests.support.fakes import EVENING, FakeClock
from tests.support.rows import STORED, claim, end, row_in, sqlite_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = SystemClock().now()
TONIGHT = night_of(NOW, None)


class Night:
    """A home with a queue, one watched folder, and rows that belong to nights."""

    def __init__(self, folder: Path) -> None:
        self.locations = Locations(folder / "oort", folder / "oort")
        self.root = folder / "data"
        self.root.mkdir()
        self.pace = NightPace(SystemClock())
        self.settings = Settings(watches=(Watch("dome", self.root),), host="dome-pc")
        self.opened = OpenQueue(sqlite_at(self.locations.database), host="", clock=SystemClock())

    def row(self, name: str, wanted: state.State, days_ago: int | None = 0) -> int:
        made = row_in(self.opened, name, wanted, root=os.fsencode(self.root))
        night = None if days_ago is None else (TONIGHT - timedelta(days=days_ago)).isoformat()
        change = update(UPLOADS).where(UPLOADS.c.name == name).values(night=night)
        self.opened.queue.change(lambda connection: connection.execute(change))
        return made

    def age(self, name: str, **by: float) -> None:
        """Have a row wait, and be as it is, for so long."""
        then = NOW - timedelta(**by)
        change = update(UPLOADS).where(UPLOADS.c.name == name)
        change = change.values(created_at=then, updated_at=then)
        self.opened.queue.change(lambda connection: connection.execute(change))

    def page(self) -> dict[str, Any]:
        return documents.page(self.locations, self.settings, NOW, self.pace)

    def health(self, **ages: float) -> tuple[Level, str]:
        with QueueLock(self.locations.lock_file, Holder(4242, "daemon", "dome-pc")):
            found = documents.health(self.locations, self.settings, NOW, **ages)
        return found.level, found.words


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Night]:
    made = Night(tmp_path)
    yield made
    made.opened.close()


def test_tonight_is_counted_by_what_became_of_its_files(there: Night) -> None:
    there.row("yesterday.fits", state.DONE, days_ago=1)
    ended = [state.DONE, state.DONE, state.ALREADY_SYNCED, state.FAILED, state.FILE_GONE]
    for number, wanted in enumerate([*ended, state.IGNORED, state.SETTLING, state.PENDING]):
        there.row(f"{number}.fits", wanted)

    assert there.page()["night"] == {
        "night": TONIGHT.isoformat(),
        "is_tonight": True,
        "seen": 8,
        "safe": 3,
        "pending": 2,
        "error": 1,
        "lost": 1,
        "skipped": 1,
    }


def test_before_the_first_file_of_tonight_the_night_before_is_shown(there: Night) -> None:
    there.row("a.fits", state.DONE, days_ago=3)
    there.row("from-the-future.fits", state.DONE, days_ago=-300)
    there.row("without-a-night.fits", state.DONE, days_ago=None)

    night = there.page()["night"]

    assert night["night"] == (TONIGHT - timedelta(days=3)).isoformat()
    assert (night["is_tonight"], night["seen"], night["safe"]) == (False, 1, 1)


@pytest.mark.parametrize(
    ("longitude", "seen"),
    [(0.0, 1), (-150.0, 0)],  # in the west it is half past eleven in the morning
)
def test_tonight_is_that_of_the_telescope(there: Night, longitude: float, seen: int) -> None:
    there.row("a.fits", state.DONE)
    change = update(UPLOADS).values(night="2026-11-22")
    there.opened.queue.change(lambda connection: connection.execute(change))
    noted = {"dome": {"longitude_deg": longitude}}
    there.opened.queue.memory.note("longitudes", noted).result()

    night = documents.page(there.locations, there.settings, EVENING, there.pace)["night"]

    assert (night["is_tonight"], night["seen"]) == (True, seen)
    assert night["night"] == ("2026-11-22" if seen else "2026-11-21")


def test_without_a_file_tonight_is_empty(there: Night, tmp_path: Path) -> None:
    assert there.page()["night"]["seen"] == 0
    locations = Locations(tmp_path / "none", tmp_path / "none")
    nothing = documents.page(locations, there.settings, NOW, there.pace)
    assert nothing["night"]["night"] == TONIGHT.isoformat()
    assert not locations.state_folder.exists()


def test_what_is_lost_is_listed_until_it_is_acknowledged(there: Night) -> None:
    gone = there.row("gone.fits", state.FILE_GONE)
    there.row("changed.fits", state.CHANGED)
    there.row("done.fits", state.DONE)

    lost = there.page()["lost"]

    assert {(one["path"].rpartition("/")[2], one["substatus"]) for one in lost} == {
        ("gone.fits", "file gone"),
        ("changed.fits", "changed after upload"),
    }
    assert gone in [one["id"] for one in lost]


def test_the_files_stored_last_are_told_in_the_order_of_the_notes(there: Night) -> None:
    first, second = there.row("a.fits", state.DONE), there.row("b.fits", state.DONE)
    there.opened.queue.memory.note("totals", {"latest": [second, 999, first]}).result()

    finished = there.page()["finished"]

    assert [one["id"] for one in finished] == [second, first]
    assert finished[0]["path"] == str(there.root / "b.fits")
    assert finished[0]["ended_at"] is not None


def test_the_span_that_is_not_over_comes_last(there: Night) -> None:
    memory = there.opened.queue.memory
    memory.note("throughput", {"span_s": 300, "spans": [[0, 1, 1]]}).result()
    memory.note("totals", {"span": [300, 2, 2]}).result()

    assert there.page()["throughput"] == {"span_s": 300, "spans": [[0, 1, 1], [300, 2, 2]]}


class _SlowNight(FakeClock):
    """A clock that goes on by two seconds with every look at it: to count the night takes that long."""

    def monotonic(self) -> float:
        self.advance(2.0)
        return super().monotonic()


def test_a_night_that_takes_long_to_count_is_not_counted_with_every_look(there: Night) -> None:
    clock = _SlowNight()
    there.pace = NightPace(clock)
    there.row("a.fits", state.PENDING)
    assert there.page()["night"]["seen"] == 1
    there.row("b.fits", state.SETTLING)
    assert there.page()["night"]["seen"] == 1

    clock.advance(LONGEST_S)
    assert there.page()["night"]["seen"] == 2


def test_when_nothing_waits_any_more_it_is_counted_at_once(there: Night) -> None:
    there.pace = NightPace(_SlowNight())
    there.row("a.fits", state.PENDING)
    assert there.page()["night"]["pending"] == 1
    (upload,) = claim(there.opened)
    end(there.opened, upload, STORED)

    night = there.page()["night"]
    assert (night["pending"], night["safe"]) == (0, 1)


# -- how well it is ---------------------------------------------------------------------------------


def test_a_night_without_trouble_is_well(there: Night) -> None:
    there.row("a.fits", state.DONE)

    assert there.health() == (Level.OK, "the file is safe")


def test_a_file_that_waits_is_judged_by_its_age(there: Night) -> None:
    there.row("a.fits", state.PENDING)
    there.age("a.fits", hours=2)

    assert there.health() == (Level.WARNING, "a file has waited for 2 h")
    assert there.health(crit_age_s=3600.0)[0] is Level.CRITICAL
    assert there.health(warn_age_s=9000.0)[0] is Level.OK


def test_a_file_that_settles_is_not(there: Night) -> None:
    there.row("a.fits", state.SETTLING)
    there.age("a.fits", days=9)

    assert there.health()[0] is Level.OK


def test_a_loss_is_told_for_a_day_or_until_it_is_acknowledged(there: Night) -> None:
    there.row("gone.fits", state.FILE_GONE)
    assert there.health() == (Level.WARNING, "1 file is gone or changed since yesterday")

    there.age("gone.fits", hours=25)
    assert there.health()[0] is Level.OK


def test_a_row_in_error_and_a_watch_that_is_missing_are_told(there: Night) -> None:
    there.row("a.fits", state.FAILED)
    told = {"dome": {"state": "missing", "reason": "/data is not there"}}
    there.opened.queue.memory.note("watches", told).result()

    level, words = there.health()

    assert level is Level.WARNING
    assert words == '1 file needs you; the watch "dome" is missing: /data is not there'


def test_a_key_that_is_refused_is_told(there: Night) -> None:
    link = {
        "api": "cloud",
        "state": "unauthorised",
        "since": None,
        "reason": "401",
        "next_attempt_at": None,
    }
    there.opened.queue.memory.note("links", [link]).result()

    assert there.health() == (Level.CRITICAL, "the server cloud refuses the key: 401")


def test_without_a_daemon_it_is_critical(there: Night) -> None:
    found = documents.health(there.locations, there.settings, NOW)

    assert (found.level, found.words) == (Level.CRITICAL, "the daemon is not running")


def test_a_queue_that_cannot_be_read_is_unknown(there: Night, tmp_path: Path) -> None:
    broken = Locations(tmp_path / "broken", tmp_path / "broken")
    broken.state_folder.mkdir()
    broken.database.write_bytes(b"this is no database, and long enough to be looked at" * 100)

    found = documents.health(broken, there.settings, NOW)

    assert found.level is Level.UNKNOWN
    assert found.words
