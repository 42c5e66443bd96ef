"""The documents behind `oort status`, `uploads` and `folders`: shapes, times, held, paths without a row."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import oort.status as documents
from oort.clock import SystemClock
from oort.errors import OortError
from oort.locations import Locations
from oort.lock import Holder, QueueLock
from oort.policy import state
from oort.policy.sighting import Phase
from oort.queue.opening import OpenQueue
from oort.settings import Settings
from oort.values import Watch, iso
from tests.support.fakes import EVENING
from tests.support.files import fits_bytes
from tests.support.rows import (
    BUSY,
    STORED,
    claim,
    end,
    newest,
    note,
    row_in,
    settle,
    sqlite_at,
    version,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL_SEVEN = {"New", "Preparing", "Uploading", "Finishing", "OK", "Skipped", "Error"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
OFFLINE = {
    "api": "cloud",
    "state": "offline",
    "since": "2026-11-22T21:30:00.000Z",
    "reason": "connection refused",
    "next_attempt_at": "2026-11-22T21:30:08.000Z",
}
ROW_KEYS = {
    "id",
    "watch",
    "path",
    "size",
    "status",
    "substatus",
    "attempts",
    "error",
    "dataset",
    "remote_id",
    "sha256",
    "created_at",
    "started_at",
    "ended_at",
    "next_attempt_at",
    "unproven",
}


class Observatory:
    """A home with a queue and two watched folders, one of them inside the other."""

    def __init__(self, folder: Path) -> None:
        self.locations = Locations(folder / "oort", folder / "oort")
        self.root = folder / "data"
        self.inner = self.root / "inner"
        self.inner.mkdir(parents=True)
        self.watches = (Watch("dome", self.root, exclude=("*.log",)), Watch("inner", self.inner))
        database = sqlite_at(self.locations.database)
        self.opened = OpenQueue(database, host="", clock=SystemClock())

    @property
    def settings(self) -> Settings:
        return Settings(watches=self.watches, host="dome-pc")

    # -- what is there ---------------------------------------------------------------------------

    def file(self, name: str | bytes, content: bytes = b"content") -> Path:
        made = self.root / os.fsdecode(name)
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_bytes(content)
        return made

    def row(self, name: str, wanted: state.State = state.PENDING, watch: str = "dome") -> int:
        root = self.root if watch == "dome" else self.inner
        return row_in(self.opened, name, wanted, watch=watch, root=os.fsencode(root))

    def tell(self, **notes: Any) -> None:
        """Write notes as the daemon does."""
        for name, value in notes.items():
            self.opened.queue.memory.note(name, value).result()

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """Hold the lock as a daemon does."""
        holder = Holder(4242, "daemon", "dome-pc", "2026-11-22T20:00:00.000Z", "5.0.0")
        with QueueLock(self.locations.lock_file, holder):
            yield

    # -- what is told ----------------------------------------------------------------------------

    def overview(self) -> dict[str, Any]:
        return documents.overview(self.locations, self.settings)

    def of(self, path: Path | str) -> dict[str, Any]:
        return documents.of_path(self.locations, self.settings, path)

    def uploads(self, **asked: Any) -> list[dict[str, Any]]:
        return documents.uploads(self.locations, self.settings, **asked)

    def names(self, **asked: Any) -> list[str]:
        return [Path(row["path"]).name for row in self.uploads(**asked)]

    def watch(self, name: str = "dome") -> dict[str, Any]:
        found = documents.watches(self.locations, self.settings)
        return next(one for one in found if one["name"] == name)

    def refusal(self, path: Path | str) -> str:
        with pytest.raises(OortError) as refused:
            self.of(path)
        return refused.value.message


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Observatory]:
    made = Observatory(tmp_path)
    yield made
    made.opened.close()


def moments(document: Any) -> Iterator[str]:
    """Yield every time in a document."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key in ("at", "since") or key.endswith("_at"):
                if value is not None:
                    yield value
            else:
                yield from moments(value)
    elif isinstance(document, list):
        for one in document:
            yield from moments(one)


# -- the overview -----------------------------------------------------------------------------------


def test_without_a_queue_nothing_is_made_and_everything_is_told(tmp_path: Path) -> None:
    locations = Locations(tmp_path / "none", tmp_path / "none")

    told = documents.overview(locations, Settings(host="dome-pc"))

    assert not locations.state_folder.exists()
    assert told["daemon"] == {
        "running": False,
        "pid": None,
        "host": "dome-pc",
        "started_at": None,
        "version": None,
        "paused": False,
        "warnings": [],
    }
    assert told["link"] == {
        "state": "online",
        "since": None,
        "reason": None,
        "next_attempt_at": None,
    }
    assert set(told["queue"]["by_status"]) == ALL_SEVEN
    assert told["queue"]["total"] == 0
    assert (told["watches"], told["active"], told["attention"]) == ([], [], [])


def test_the_queue_at_a_glance_has_the_shape_of_the_contract(there: Observatory) -> None:
    for number, wanted in enumerate([state.DONE, state.FAILED, state.WAITING, state.SETTLING]):
        there.row(f"{number}.fits", wanted)

    queue = there.overview()["queue"]

    assert {
        "total",
        "by_status",
        "pending_files",
        "pending_bytes",
        "oldest_pending_at",
        "unproven",
        "rate_bytes_per_s",
        "eta_s",
    } <= set(queue)
    assert queue["by_status"] == dict.fromkeys(ALL_SEVEN, 0) | {"OK": 1, "Error": 1, "New": 2}
    assert (queue["total"], queue["pending_files"], queue["pending_bytes"]) == (4, 2, 5760)
    assert queue["oldest_pending_at"] is not None
    assert (queue["rate_bytes_per_s"], queue["eta_s"]) == (0.0, None)


def test_a_file_that_still_settles_does_not_wait(there: Observatory) -> None:
    there.row("a.fits", state.SETTLING)

    assert there.overview()["queue"]["oldest_pending_at"] is None


def test_unproven_files_are_counted_apart(there: Observatory) -> None:
    from oort.policy.retry import Decision
    from oort.queue.ends import Ended

    there.row("a.fits", state.PENDING)
    (upload,) = claim(there.opened)
    decision = Decision(state.ALREADY_SYNCED, "unproven")
    ended = Ended("FoundSame", SystemClock().now(), unproven=True)
    there.opened.queue.finish(upload, upload.state, decision, ended).result()

    queue = there.overview()["queue"]

    assert (queue["unproven"], queue["by_status"]["Skipped"]) == (1, 1)


def test_every_time_is_iso_in_utc(there: Observatory) -> None:
    for number, wanted in enumerate([state.DONE, state.FAILED, state.WAITING]):
        there.row(f"{number}.fits", wanted)
    there.tell(links=[OFFLINE], watches={"dome": {"last_scan_at": "2026-11-22T21:29:00.000Z"}})
    with there.daemon():
        found = [*moments(there.overview()), *moments(there.uploads())]
        found += moments(there.of(there.root / "2.fits"))

    assert len(found) > 15
    assert [one for one in found if not MOMENT.fullmatch(one)] == []


def test_a_moment_elsewhere_is_told_in_utc() -> None:
    there = EVENING.astimezone(timezone(timedelta(hours=-10)))

    assert iso(there) == "2026-11-22T21:30:00.000Z"
    assert iso(None) is None


def test_the_daemon_is_told_by_its_lock(there: Observatory) -> None:
    there.tell(daemon={"pid": 1, "warnings": ["the disk is nearly full"]}, paused=True)
    with there.daemon():
        assert there.overview()["daemon"] == {
            "running": True,
            "pid": 4242,
            "host": "dome-pc",
            "started_at": "2026-11-22T20:00:00.000Z",
            "version": "5.0.0",
            "paused": True,
            "warnings": ["the disk is nearly full"],
        }

    after = there.overview()["daemon"]
    assert (after["running"], after["warnings"], after["paused"]) == (False, [], True)


def test_of_several_links_the_worst_is_told_first(there: Observatory) -> None:
    there.watches = (*there.watches, Watch("far", there.root / "far", api="institute"))
    refused = OFFLINE | {"api": "institute", "state": "unauthorised", "reason": "401"}
    there.tell(links=[OFFLINE, refused])

    told = there.overview()

    assert told["link"] == {key: refused[key] for key in told["link"]}
    assert [(one["api"], one["state"]) for one in told["links"]] == [
        ("cloud", "offline"),
        ("institute", "unauthorised"),
    ]


def test_one_link_is_not_listed_twice(there: Observatory) -> None:
    there.tell(links=[OFFLINE])

    told = there.overview()

    assert "links" not in told
    assert told["link"] == {key: OFFLINE[key] for key in told["link"]}


def test_uploads_in_hand_show_their_progress(there: Observatory) -> None:
    row_id = there.row("a.fits", state.SYNCING)
    there.tell(active={str(row_id): 99_999_999}, rate=1024.0)

    with there.daemon():
        told = there.overview()
        (active,) = told["active"]
    assert set(active) == {"id", "path", "size", "bytes_sent", "started_at"}
    assert (active["id"], active["size"], active["bytes_sent"]) == (row_id, 2880, 2880)
    assert active["path"] == str(there.root / "a.fits")
    assert (told["queue"]["rate_bytes_per_s"], told["queue"]["eta_s"]) == (1024.0, 2.8)

    assert there.overview()["active"] == []


def test_what_needs_a_person_is_listed_newest_first(there: Observatory) -> None:
    first = there.row("first.fits", state.FAILED)
    second = there.row("second.fits", state.NAME_CONFLICT)
    there.row("fine.fits", state.DONE)

    attention = there.overview()["attention"]

    assert [one["id"] for one in attention] == [second, first]
    assert attention[0] == {
        "id": second,
        "path": str(there.root / "second.fits"),
        "status": "Error",
        "substatus": "name conflict",
        "error": "another file of that name is there",
        "attempts": 0,
        "next_attempt_at": None,
    }


def test_at_most_a_hundred_need_a_person_at_once(there: Observatory) -> None:
    note(there.opened, Phase.TRUNCATED, *(version(f"{number}.fits") for number in range(130)))

    told = there.overview()

    assert len(told["attention"]) == 100
    assert told["queue"]["by_status"]["Error"] == 130


# -- watches ----------------------------------------------------------------------------------------


def test_a_watch_is_told_with_all_its_keys(there: Observatory) -> None:
    there.row("a.fits", state.DONE)

    assert there.watch() == {
        "name": "dome",
        "path": str(there.root),
        "state": "watching",
        "reason": None,
        "dataset": "{folder}",
        "telescope": None,
        "portal": None,
        "by_status": dict.fromkeys(ALL_SEVEN, 0) | {"OK": 1},
        "left_out": {"hidden": 0, "empty": 0, "excluded": 0, "outside": 0},
        "last_scan_at": None,
        "missed_events": 0,
        "unreadable": [],
    }


def test_the_folders_are_the_watches_of_the_status(there: Observatory) -> None:
    assert documents.watches(there.locations, there.settings) == there.overview()["watches"]


def test_a_watch_is_as_the_daemon_told(there: Observatory) -> None:
    told = {
        "state": "scanning",
        "reason": "1,000 files so far",
        "left_out": {"hidden": 3, "excluded": 2},
        "last_scan_at": "2026-11-22T21:29:00.000Z",
        "missed_events": 7,
        "unreadable": ["closed: Permission denied"],
    }
    there.tell(watches={"dome": told})

    with there.daemon():
        found = there.watch()
    assert (found["state"], found["reason"]) == ("scanning", "1,000 files so far")
    assert found["left_out"] == {"hidden": 3, "empty": 0, "excluded": 2, "outside": 0}
    assert (found["last_scan_at"], found["missed_events"]) == ("2026-11-22T21:29:00.000Z", 7)
    assert found["unreadable"] == ["closed: Permission denied"]


@pytest.mark.parametrize("told", ["missing", "scanning"])
def test_without_a_daemon_what_has_passed_is_not_told_as_present(
    there: Observatory, told: str
) -> None:
    there.tell(watches={"dome": {"state": told, "reason": "then"}})

    found = there.watch()

    assert (found["state"], found["reason"]) == ("watching", None)


def test_without_a_daemon_a_held_watch_is_still_held(there: Observatory) -> None:
    there.tell(watches={"dome": {"state": "held", "reason": "no such dataset"}})

    assert there.watch()["reason"] == "no such dataset"


def test_a_folder_that_is_not_there_is_missing_also_without_a_daemon(there: Observatory) -> None:
    there.watches = (Watch("far", there.root / "nothing"),)

    found = there.watch("far")

    assert found["state"] == "missing"
    assert "nothing is not there" in found["reason"]


def test_a_disabled_and_a_polling_watch_say_so(there: Observatory) -> None:
    there.watches = (
        Watch("off", there.root, enabled=False),
        Watch("share", there.inner, polling=True),
    )

    assert there.watch("off")["state"] == "disabled"
    assert there.watch("share")["state"] == "polling"


# -- held -------------------------------------------------------------------------------------------


def held(there: Observatory) -> tuple[str, str | None]:
    told = there.of(there.root / "a.fits")
    return told["substatus"], told["error"]


@pytest.fixture
def waits(there: Observatory) -> Observatory:
    there.row("a.fits", state.PENDING)
    return there


def test_a_row_that_may_flow_is_not_held(waits: Observatory) -> None:
    assert held(waits) == ("pending", None)


def test_a_pause_holds(waits: Observatory) -> None:
    waits.tell(paused=True)

    assert held(waits) == ("held", "paused; `oort resume` goes on")


def test_a_link_that_is_down_holds_what_goes_there(waits: Observatory) -> None:
    with waits.daemon():
        waits.tell(links=[OFFLINE])
        assert held(waits) == ("held", "connection refused")
        assert waits.of(waits.root / "a.fits")["next_attempt_at"] == OFFLINE["next_attempt_at"]

        waits.tell(links=[OFFLINE | {"api": "institute"}])
        assert held(waits) == ("pending", None)


def test_without_a_daemon_nobody_knows_the_link(waits: Observatory) -> None:
    waits.tell(links=[OFFLINE])

    assert held(waits) == ("pending", None)


@pytest.mark.parametrize("now_in", ["held", "missing"])
def test_a_watch_that_waits_holds(waits: Observatory, now_in: str) -> None:
    waits.tell(watches={"dome": {"state": now_in, "reason": "ask somebody"}})

    with waits.daemon():
        assert held(waits) == ("held", "ask somebody")


def test_a_watch_that_is_gone_or_disabled_holds(waits: Observatory) -> None:
    waits.watches = (Watch("dome", waits.root, enabled=False),)
    assert held(waits) == ("held", "its watch is disabled")

    waits.watches = ()
    assert held(waits) == ("held", "its watch is gone from config.toml")


@pytest.mark.parametrize("wanted", [state.SETTLING, state.DONE, state.FAILED, state.SYNCING])
def test_only_what_waits_is_held(there: Observatory, wanted: state.State) -> None:
    there.row("a.fits", wanted)
    there.tell(paused=True)

    assert held(there)[0] == wanted.substatus.value


def test_held_is_written_nowhere(waits: Observatory) -> None:
    waits.tell(paused=True)
    held(waits)

    assert newest(waits.opened, "a.fits").state == state.PENDING
    assert waits.overview()["queue"]["by_status"]["New"] == 1


def test_a_held_row_keeps_its_error_when_it_flows_again(there: Observatory) -> None:
    there.row("a.fits", state.WAITING)
    there.tell(paused=True)
    there.tell(paused=None)

    assert held(there) == ("waiting to retry", "503 Service Unavailable")


# -- one file ---------------------------------------------------------------------------------------


def test_a_stored_file_is_told_with_its_history(there: Observatory) -> None:
    row_id = there.row("a.fits", state.DONE)

    told = there.of(there.root / "a.fits")

    assert set(told) == ROW_KEYS | {"history"}
    assert told["id"] == row_id
    assert (told["status"], told["substatus"]) == ("OK", "done")
    assert (told["attempts"], told["error"], told["unproven"]) == (1, None, False)
    assert len(told["sha256"]) == 64
    assert [set(step) for step in told["history"]] == [{"at", "status", "substatus", "cause"}] * 4
    assert [step["substatus"] for step in told["history"]] == [
        "settling...",
        "pending",
        "syncing dataset...",
        "done",
    ]
    assert told["history"][-1]["cause"] == "stored"


def test_a_file_that_settles_says_what_its_format_misses(there: Observatory) -> None:
    there.row("short.fits", state.SETTLING)
    there.row("whole.fits", state.SETTLING)
    short = there.file("short.fits", fits_bytes()[:4000])
    whole = there.file("whole.fits", fits_bytes())

    assert "bytes are missing" in (there.of(short)["error"] or "")
    assert there.of(whole)["error"] is None

    there.watches = (Watch("dome", there.root, check_structure=False),)
    assert there.of(short)["error"] is None


@pytest.mark.linux
def test_a_file_that_settles_says_that_somebody_writes_it(there: Observatory) -> None:
    there.row("open.fits", state.SETTLING)
    path = there.file("open.fits", fits_bytes())

    with path.open("r+b"):
        assert there.of(path)["error"] == "a program has it open for writing"
    assert there.of(path)["error"] is None


def test_what_waits_says_when_it_is_tried_again(there: Observatory) -> None:
    there.row("a.fits", state.WAITING)

    told = there.of(there.root / "a.fits")

    assert told["attempts"] == 1
    due = datetime.fromisoformat(told["next_attempt_at"])
    assert due - SystemClock().now() > timedelta(minutes=50)


def test_of_several_versions_the_newest_is_told(there: Observatory) -> None:
    there.row("a.fits", state.CHANGED)

    assert there.of(there.root / "a.fits")["substatus"] == "changed after upload"


def test_a_file_may_be_named_from_where_one_is(
    there: Observatory, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.row("night/a.fits", state.DONE)
    (there.root / "night").mkdir()
    monkeypatch.chdir(there.root / "night")

    assert there.of("a.fits")["path"] == str(there.root / "night" / "a.fits")
    assert there.of("../night/./a.fits")["id"] is not None


def test_a_file_may_be_named_through_a_link_to_its_folder(there: Observatory) -> None:
    row_id = there.row("a.fits", state.DONE)
    there.file("a.fits")
    (there.root.parent / "short").symlink_to(there.root)

    assert there.of(there.root.parent / "short" / "a.fits")["id"] == row_id


def test_a_name_that_is_no_utf8_is_shown_with_escapes(there: Observatory) -> None:
    settle(there.opened, version(b"bad\xff.fits"), root=os.fsencode(there.root))

    told = there.of(os.fsdecode(os.fsencode(there.root) + b"/bad\xff.fits"))

    assert told["path"] == f"{there.root}/bad\\xff.fits"


def test_the_innermost_watch_tells_of_a_file(there: Observatory) -> None:
    there.row("inner/a.fits", state.FAILED)
    inner = there.row("a.fits", state.DONE, watch="inner")

    assert there.of(there.inner / "a.fits")["id"] == inner


def test_what_another_watch_has_stored_is_told_where_the_inner_one_knows_nothing(
    there: Observatory,
) -> None:
    outer = there.row("inner/a.fits", state.DONE)

    assert there.of(there.inner / "a.fits")["id"] == outer


def test_history_outlives_its_watch(there: Observatory) -> None:
    row_id = there.row("a.fits", state.DONE)
    there.watches = ()

    assert there.of(there.root / "a.fits")["id"] == row_id


# -- folders ----------------------------------------------------------------------------------------


def test_a_folder_is_told_by_its_counts(there: Observatory) -> None:
    (there.root / "night").mkdir()
    there.row("night/a.fits", state.DONE)
    there.row("nightly.fits", state.FAILED)
    there.row("night/deep/b.fits", state.PENDING)

    assert there.of(there.root / "night") == {
        "path": str(there.root / "night"),
        "watch": "dome",
        "by_status": dict.fromkeys(ALL_SEVEN, 0) | {"OK": 1, "New": 1},
        "pending_files": 1,
        "pending_bytes": 2880,
    }
    assert there.of(there.root)["by_status"]["Error"] == 1


def test_a_folder_that_is_gone_is_told_by_its_rows(there: Observatory) -> None:
    there.row("night/a.fits", state.DONE)

    assert there.of(there.root / "night")["by_status"]["OK"] == 1


# -- what has no row --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "substatus", "rule"),
    [
        (".hidden.fits", b"x", "skipped (hidden file)", "dot"),
        (".trash/a.fits", b"x", "skipped (hidden file)", "dot"),
        ("empty.fits", b"", "skipped (empty file)", "empty"),
        ("night.log", b"x", "ignored", "*.log"),
        ("a.fits.part", b"x", "ignored", "*.part"),
    ],
)
def test_what_the_rules_leave_out_is_told_with_the_rule(
    there: Observatory, name: str, content: bytes, substatus: str, rule: str
) -> None:
    told = there.of(there.file(name, content))

    assert set(told) == ROW_KEYS | {"history"}
    assert (told["id"], told["status"], told["substatus"]) == (None, "Skipped", substatus)
    assert (told["watch"], told["size"], told["history"]) == ("dome", len(content), [])
    assert rule in told["error"]


def test_a_link_that_leads_outside_is_ignored(there: Observatory) -> None:
    outside = there.root.parent / "secret.fits"
    outside.write_bytes(b"x")
    link = there.root / "link.fits"
    link.symlink_to(outside)

    told = there.of(link)

    assert (told["id"], told["substatus"]) == (None, "ignored")
    assert "outside" in told["error"]


def test_our_own_files_are_never_sent(there: Observatory) -> None:
    there.watches = (Watch("all", there.root.parent),)
    there.locations.config_file.write_text("")

    told = there.of(there.locations.database)

    assert (told["id"], told["substatus"]) == (None, "ignored")
    assert "own" in told["error"]


def test_a_fifo_is_no_file_to_send(there: Observatory) -> None:
    pipe = there.root / "pipe"
    os.mkfifo(pipe)

    assert "no regular file" in there.of(pipe)["error"]


def test_a_path_that_does_not_exist_is_refused(there: Observatory) -> None:
    words = there.refusal(there.root / "nothing.fits")

    assert words.endswith("nothing.fits does not exist, and is not in the queue")
    assert "does not exist" in there.refusal(there.root / ".hidden-and-gone")


def test_a_path_that_no_watch_covers_is_refused(there: Observatory) -> None:
    elsewhere = there.root.parent / "elsewhere.fits"
    elsewhere.write_bytes(b"x")

    assert there.refusal(elsewhere) == f"no watch covers {elsewhere}"


def test_a_folder_that_begins_like_a_watched_one_is_not_covered(there: Observatory) -> None:
    beside = there.root.parent / "database.fits"
    beside.write_bytes(b"x")

    assert "no watch covers" in there.refusal(beside)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, "its watch is being scanned"),
        (
            {"state": "watching", "last_scan_at": "2026-11-22T21:30:00.000Z"},
            "the next scan is at 2026-11-22T21:35:00.000Z",
        ),
        (
            {"state": "polling", "last_scan_at": "2026-11-22T21:30:00.000Z"},
            "the next scan is at 2026-11-22T21:30:10.000Z",
        ),
    ],
)
def test_a_file_that_is_not_seen_yet_says_when_it_will_be(
    there: Observatory, told: dict[str, Any], expected: str
) -> None:
    new = there.file("new.fits")
    there.tell(watches={"dome": told})

    with there.daemon():
        assert there.refusal(new) == f"{new} is not seen yet; {expected}"
    assert "the daemon is not running" in there.refusal(new)


# -- uploads ----------------------------------------------------------------------------------------


def test_uploads_are_rows_without_their_history(there: Observatory) -> None:
    there.row("a.fits", state.DONE)

    (row,) = there.uploads()

    assert set(row) == ROW_KEYS


def test_uploads_come_newest_change_first_and_as_many_as_asked(there: Observatory) -> None:
    for number in range(5):
        there.row(f"{number}.fits", state.PENDING)
        end(there.opened, claim(there.opened)[0], BUSY)

    assert there.names() == ["4.fits", "3.fits", "2.fits", "1.fits", "0.fits"]
    assert there.names(limit=2) == ["4.fits", "3.fits"]
    assert len(there.names(limit=0)) == 5


def test_uploads_can_be_asked_for_by_status_watch_night_and_time(there: Observatory) -> None:
    there.row("done.fits", state.DONE)
    there.row("error.fits", state.FAILED)
    there.row("inner.fits", state.PENDING, watch="inner")
    settle(there.opened, version("night.fits"), night="2026-11-21", watch="inner")

    assert there.names(status="ok") == ["done.fits"]
    assert there.names(status="error") == ["error.fits"]
    assert set(there.names(watch="inner")) == {"inner.fits", "night.fits"}
    assert there.names(night="2026-11-21") == ["night.fits"]
    assert there.names(since=SystemClock().now() + timedelta(minutes=1)) == []
    assert len(there.names(since=SystemClock().now() - timedelta(hours=1))) == 4


def test_uploads_where_there_is_no_queue_are_none(tmp_path: Path) -> None:
    locations = Locations(tmp_path / "none", tmp_path / "none")

    assert documents.uploads(locations, Settings()) == []


# -- a queue that cannot be read --------------------------------------------------------------------


def test_a_queue_of_another_version_says_so(there: Observatory) -> None:
    there.opened.queue.change(
        lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    )

    with pytest.raises(OortError, match="has schema 9999"):
        there.overview()


def test_a_file_that_is_no_queue_says_so(tmp_path: Path) -> None:
    locations = Locations(tmp_path, tmp_path)
    locations.database.write_bytes(b"no queue at all" * 100)

    with pytest.raises(OortError, match="cannot be used"):
        documents.overview(locations, Settings())


def test_looking_changes_nothing(there: Observatory) -> None:
    there.row("a.fits", state.PENDING)
    (upload,) = claim(there.opened)
    end(there.opened, upload, STORED)
    before = there.opened.writer.commits

    there.overview()
    there.uploads()
    there.of(there.root / "a.fits")

    assert there.opened.writer.commits == before
