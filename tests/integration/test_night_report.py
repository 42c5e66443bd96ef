"""The report of a night, from a real queue: what it counts, and what it does not know."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from oort.clock import SystemClock
from oort.locations import Locations
from oort.policy import state
from oort.policy.ledger import Fate
from oort.queue.opening import OpenQueue
from oort.report import Night, document_of, read_night
from oort.settings import Settings
from oort.values import Watch, iso
from tests.support.rows import STORED, claim, end, row_in, settle, sqlite_at, version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NIGHT = date(2026, 11, 22)
HAWAII = -155.4681
SIDING_SPRING = 149.0672
MORNING = datetime(2026, 11, 25, tzinfo=UTC)
"""After the night's end, wherever on Earth it was."""
KEYS = {
    "night": None,
    "starts_at": None,
    "ends_at": None,
    "complete": None,
    "first_at": None,
    "last_at": None,
    "unknown": None,
    "files": {"total", "safe", "unproven", "waiting", "error", "gone", "changed", "ignored"},
    "bytes": {"total", "safe"},
    "by_filter": None,
    "by_imagetyp": None,
    "by_object": None,
    "by_dataset": None,
    "exposure_s": None,
    "time_to_cloud_s": {"median", "p95", "max"},
    "gaps": None,
    "failures": None,
    "warnings": None,
}


class Observatory:
    """A queue, a watched folder, and what its daemon noted last."""

    def __init__(self, folder: Path) -> None:
        self.locations = Locations(folder / "oort", folder / "oort")
        self.root = folder / "data"
        self.root.mkdir()
        self.watches = [Watch("dome", self.root)]
        self.opened = OpenQueue(sqlite_at(self.locations.database), host="", clock=SystemClock())
        self.scanned()

    def tell(self, name: str, value: Any) -> None:
        self.opened.queue.memory.note(name, value).result()

    def scanned(self, at: datetime = MORNING, **more: Any) -> None:
        """Have the daemon tell of a scan of every watch."""
        told = {"state": "watching", "last_scan_at": iso(at), "whole_scan_at": iso(at)} | more
        self.tell("watches", {watch.name: told for watch in self.watches})

    def stored(self, *names: str, night: str | None = "2026-11-22", **header: str) -> None:
        """Bring files to the server."""
        for name in names:
            settle(
                self.opened,
                version(name),
                root=bytes(self.root),
                night=night,
                header=header,
                dataset_name="M31",
            )
            (upload,) = claim(self.opened)
            end(self.opened, upload, STORED)

    def report(self, *, now: datetime = MORNING, **asked: Any) -> Night:
        settings = Settings(watches=tuple(self.watches), host="dome-pc")
        return read_night(self.locations, settings, now=now, **asked)

    def document(self, **asked: Any) -> dict[str, Any]:
        return document_of(self.report(**asked))


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Observatory]:
    made = Observatory(tmp_path)
    yield made
    made.opened.close()


def test_the_document_has_the_keys_of_the_contract(there: Observatory) -> None:
    there.stored("M31_0001.fits", "M31_0003.fits")

    document = there.document()

    assert set(document) == set(KEYS)
    for key, inner in KEYS.items():
        if inner is not None:
            assert set(document[key]) == inner
    assert set(document["gaps"][0]) == {"folder", "after", "before", "missing"}


def test_a_night_whose_files_are_all_safe_is_complete(there: Observatory) -> None:
    there.stored("a.fits", "b.fits", FILTER="R", OBJECT="M31", IMAGETYP="LIGHT", EXPTIME="60")

    document = there.document()

    assert document["complete"]
    assert "2026-11-22" == document["night"]
    assert [] == document["unknown"] == document["gaps"] == document["failures"]
    assert {"total": 5760, "safe": 5760} == document["bytes"]
    assert (2, 2) == (document["files"]["total"], document["files"]["safe"])
    assert ({"R": 2}, {"LIGHT": 2}, {"M31": 2}, {"M31": 2}) == tuple(
        document[f"by_{what}"] for what in ("filter", "imagetyp", "object", "dataset")
    )
    assert 120.0 == document["exposure_s"]


def test_a_file_that_failed_is_named_with_its_reason(there: Observatory) -> None:
    row_in(there.opened, "bad.fits", state.FAILED, root=bytes(there.root))
    there.opened.queue.change(
        lambda c: c.exec_driver_sql("UPDATE uploads SET night = '2026-11-22'")
    )

    document = there.document()

    assert not document["complete"]
    assert document["failures"] == [
        {
            "path": f"{there.root}/bad.fits",
            "status": "Error",
            "substatus": "error",
            "error": "the server wants no such file",
        }
    ]


def test_the_newest_night_that_has_files_is_told_by_itself(there: Observatory) -> None:
    there.stored("old.fits", night="2026-11-20")
    there.stored("new.fits", night="2026-11-22")
    there.stored("undated.fits", night=None)

    assert NIGHT == there.report().night
    assert date(2026, 11, 20) == there.report(night=date(2026, 11, 20)).night
    assert 1 == there.document(night=date(2026, 11, 20))["files"]["total"]


def test_a_file_of_the_future_hides_no_night_and_is_said(there: Observatory) -> None:
    there.stored("now.fits", night="2026-11-22")
    there.stored("then.fits", night="2099-01-01")

    found = there.report()

    assert NIGHT == found.night
    assert ["--night 2099-01-01" in words for words in found.warnings] == [True]
    assert [] == there.report(night=NIGHT).warnings


def test_without_any_file_the_present_night_is_as_its_watches_say(there: Observatory) -> None:
    there.scanned(MORNING)
    empty = there.document(now=MORNING)

    assert 0 == empty["files"]["total"]
    assert empty["complete"]
    assert empty["first_at"] is empty["time_to_cloud_s"]["median"] is None

    there.scanned(MORNING - timedelta(hours=1))
    assert not there.document(now=MORNING)["complete"]


def test_without_a_queue_nothing_is_known_and_nothing_made(tmp_path: Path) -> None:
    nowhere = Locations(tmp_path / "oort", tmp_path / "oort")
    root = tmp_path / "data"
    root.mkdir()

    found = read_night(nowhere, Settings(watches=(Watch("dome", root),)), now=MORNING)

    assert ['the watch "dome" has not been scanned yet'] == found.unknown
    assert not nowhere.database.exists()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"at": datetime(2026, 11, 22, 14, tzinfo=UTC)}, "before the night's end"),
        ({"last_scan_at": None, "whole_scan_at": None}, "has not been scanned yet"),
        (
            {"whole_scan_at": None, "unreadable": ["M31: Permission denied"]},
            "could not be read in full: M31: Permission denied",
        ),
    ],
)
def test_what_stands_in_the_way_is_said_in_words(
    there: Observatory, facts: dict[str, Any], words: str
) -> None:
    there.stored("a.fits")
    there.scanned(**facts)

    document = there.document()

    assert not document["complete"]
    assert [words in one for one in document["unknown"]] == [True]


def test_a_watch_that_is_missing_stands_in_the_way(there: Observatory) -> None:
    there.stored("a.fits")
    there.root.rmdir()

    assert ["is missing" in words for words in there.document()["unknown"]] == [True]


def test_a_watch_that_is_disabled_does_not(there: Observatory) -> None:
    there.stored("a.fits")
    there.watches.append(Watch("shed", there.root / "gone", enabled=False))

    assert there.document()["complete"]


def test_strict_takes_nothing_on_faith(there: Observatory) -> None:
    there.stored("a.fits", "b.fits")
    there.opened.queue.change(
        lambda c: c.exec_driver_sql("UPDATE uploads SET unproven = 1 WHERE path_text = 'a.fits'")
    )

    plain, strict = there.document(), there.document(strict=True)

    assert (True, 2, 1) == (plain["complete"], plain["files"]["safe"], plain["files"]["unproven"])
    assert (False, 1, 1) == (
        strict["complete"],
        strict["files"]["safe"],
        strict["files"]["unproven"],
    )
    assert 2 == strict["files"]["total"]
    assert ["without a hash" in words for words in strict["unknown"]] == [True]


def test_what_was_let_go_is_in_the_way_until_it_is_acknowledged(there: Observatory) -> None:
    there.stored("a.fits")
    row_in(there.opened, "b.fits", state.IGNORED, root=bytes(there.root))
    there.opened.queue.change(
        lambda c: c.exec_driver_sql(
            "UPDATE uploads SET night = '2026-11-22', inode = 8 WHERE path_text = 'b.fits'"
        )
    )

    assert ["put aside unsent" in words for words in there.document()["unknown"]] == [True]

    there.opened.queue.change(
        lambda c: c.exec_driver_sql("UPDATE uploads SET acknowledged = 1 WHERE inode = 8")
    )
    assert there.document()["complete"]
    assert 1 == there.report().ledger.files[Fate.IGNORED]


@pytest.mark.parametrize(
    ("longitude", "starts_at"),
    [
        (HAWAII, "2026-11-22T22:21:52.344Z"),
        (SIDING_SPRING, "2026-11-22T02:03:43.872Z"),
        (0.0, "2026-11-22T12:00:00.000Z"),
    ],
)
def test_a_night_runs_from_noon_to_noon_where_the_telescope_stands(
    there: Observatory, longitude: float, starts_at: str
) -> None:
    there.stored("a.fits")
    there.tell("longitudes", {"dome": {"longitude_deg": longitude}})

    document = there.document()

    assert starts_at == document["starts_at"]
    assert document["ends_at"][:11] == "2026-11-23T"


def test_with_several_longitudes_it_is_the_earliest_and_the_latest(there: Observatory) -> None:
    there.stored("a.fits")
    there.watches.append(Watch("shed", there.root))
    there.tell(
        "longitudes",
        {"dome": {"longitude_deg": HAWAII}, "shed": {"longitude_deg": SIDING_SPRING}},
    )

    document = there.document()

    assert "2026-11-22T02:03:43.872Z" == document["starts_at"]
    assert "2026-11-23T22:21:52.344Z" == document["ends_at"]


def test_each_watch_must_have_been_scanned_after_the_end_of_its_own_night(
    there: Observatory,
) -> None:
    there.stored("a.fits")
    there.tell("longitudes", {"dome": {"longitude_deg": HAWAII}})
    there.scanned(datetime(2026, 11, 23, 22, tzinfo=UTC))

    assert ["before the night's end" in words for words in there.document()["unknown"]] == [True]

    there.scanned(datetime(2026, 11, 23, 22, 30, tzinfo=UTC))
    assert there.document()["complete"]


def test_a_clock_that_is_wrong_is_said(there: Observatory) -> None:
    there.stored("a.fits")
    there.tell("clocks", {"cloud": 7500.0})

    found = there.report()

    assert [
        "this computer's clock is 2 h 5 min ahead of that of the server cloud"
    ] == found.warnings
    assert found.is_complete


def test_a_clock_that_is_days_ahead_proves_no_scan_after_the_night(there: Observatory) -> None:
    there.stored("a.fits")
    there.tell("clocks", {"cloud": 5 * 86400.0})

    assert ["clock is ahead" in words for words in there.report().unknown] == [True]


def test_where_a_telescope_stands_that_nobody_told_is_said(there: Observatory) -> None:
    there.stored("a.fits")
    there.watches[0] = Watch("dome", there.root, telescope="rehearsal-05")

    assert ["time zone" in words for words in there.report().warnings] == [True]
    assert there.report().is_complete
