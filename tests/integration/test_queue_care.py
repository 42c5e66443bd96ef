"""A queue that is damaged: set aside as it is, replaced by the newest good copy, and doubted."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from oort.clock import SystemClock
from oort.errors import QueueError
from oort.policy import state
from oort.queue import care
from oort.queue.care import Inspection, inspect, make_copy
from oort.queue.database import copy, is_sound
from oort.queue.datasets import DatasetKey, KnownDataset
from oort.queue.models import ATTEMPTS, TRANSITIONS
from oort.queue.opening import OpenQueue
from tests.support.fakes import FakeClock
from tests.support.holding import holding
from tests.support.queue_file import write_half_of_the_log
from tests.support.rows import (
    ROOT,
    STORED,
    all_rows,
    claim,
    end,
    row_in,
    settle,
    sqlite_at,
    version,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
PAGE = 4096
TOUCH_ALL = "UPDATE uploads SET updated_at = updated_at + 1"


def open_queue(file: Path) -> OpenQueue:
    return OpenQueue(sqlite_at(file), host="", clock=SystemClock())


def queue_with(file: Path, files: int) -> Path:
    """Make a queue that waits for so many files, closed in order."""
    opened = open_queue(file)
    settle(opened, *(version(f"{number}.fits") for number in range(files)))
    opened.close()
    return file


def damage(file: Path, *, at: int = PAGE, size: int = 64 * 1024) -> None:
    """Overwrite a piece in the middle, as a dying disk does."""
    with file.open("r+b") as raw:
        raw.seek(at)
        raw.write(b"\xa5" * size)


def names(file: Path) -> set[str]:
    return {path.name for path in file.parent.iterdir()}


def waiting(file: Path) -> int:
    opened = open_queue(file)
    try:
        return len(all_rows(opened))
    finally:
        opened.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "oort.db"


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    return tmp_path / "state" / "backups"


# -- finding the damage -----------------------------------------------------------------------------


def test_a_queue_that_is_not_there_needs_no_care(file: Path, backups: Path) -> None:
    assert inspect(file, backups, NOW) == Inspection()
    assert not file.exists()


def test_a_sound_queue_is_left_alone(file: Path, backups: Path) -> None:
    queue_with(file, 3)

    assert inspect(file, backups, NOW) == Inspection()
    assert names(file) == {"oort.db"}


def test_a_killed_daemons_queue_is_sound(file: Path, backups: Path) -> None:
    with holding("queue", file, "200") as process:
        process.kill()
        process.wait()

    assert file.with_name("oort.db-wal").exists()
    assert inspect(file, backups, NOW) == Inspection()
    assert waiting(file) == 200


def test_a_damaged_queue_is_set_aside_with_all_its_parts(file: Path, backups: Path) -> None:
    with holding("queue", file, "500") as process:
        process.kill()
        process.wait()
    damage(file)
    wal = file.with_name("oort.db-wal").read_bytes()

    found = inspect(file, backups, NOW)

    aside = "oort.db.damaged-20261123T050000Z"
    assert found.warning is not None
    assert aside in found.warning
    assert not found.knows_less
    assert names(file) == {aside, f"{aside}-wal", f"{aside}-shm"}
    assert b"\xa5" * PAGE in file.with_name(aside).read_bytes()
    assert file.with_name(f"{aside}-wal").read_bytes() == wal


@pytest.mark.parametrize(
    "content", [b"this is no queue at all", b"SQLite format 3\x00 but no more", b"\0" * 8192]
)
def test_what_is_no_queue_is_set_aside(file: Path, backups: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)

    assert inspect(file, backups, NOW).warning is not None

    assert waiting(file) == 0
    assert file.with_name("oort.db.damaged-20261123T050000Z").read_bytes() == content


def test_a_file_that_was_made_and_never_written_is_a_new_queue(file: Path, backups: Path) -> None:
    file.parent.mkdir()
    file.touch()

    assert inspect(file, backups, NOW) == Inspection()


def test_a_queue_that_was_emptied_comes_back_from_its_copy(file: Path, backups: Path) -> None:
    queue_with(file, 5)
    make_copy(file, backups, NOW)
    os.truncate(file, 0)

    assert inspect(file, backups, NOW).knows_less
    assert waiting(file) == 5


def test_a_queue_that_was_deleted_comes_back_from_its_copy(file: Path, backups: Path) -> None:
    queue_with(file, 5)
    made = make_copy(file, backups, NOW)
    file.unlink()
    file.with_name("oort.db-wal").write_bytes(b"what is left")

    found = inspect(file, backups, NOW)

    assert found.knows_less
    assert found.warning is not None
    assert f"the copy {made.name} is used" in found.warning
    assert waiting(file) == 5
    assert file.with_name("oort.db.damaged-20261123T050000Z-wal").read_bytes() == b"what is left"


def test_a_folder_in_the_queues_place_is_refused(file: Path, backups: Path) -> None:
    file.mkdir(parents=True)

    with pytest.raises(QueueError, match="is a folder"):
        inspect(file, backups, NOW)


def test_a_file_of_another_application_is_refused_and_not_touched(
    file: Path, backups: Path
) -> None:
    file.parent.mkdir()
    with sqlite3.connect(file) as other:
        other.executescript("CREATE TABLE stars (name); INSERT INTO stars VALUES ('Vega')")
    other.close()
    content = file.read_bytes()

    assert inspect(file, backups, NOW) == Inspection()
    with pytest.raises(QueueError, match="no queue of oort's: it holds stars"):
        open_queue(file)

    assert file.read_bytes() == content


def test_two_queues_damaged_in_one_second_are_both_kept(file: Path, backups: Path) -> None:
    for number in range(2):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"no queue" * (number + 1))
        inspect(file, backups, NOW)
        assert waiting(file) == 0
        file.unlink()

    aside = "oort.db.damaged-20261123T050000Z"
    assert {aside, f"{aside}-1"} <= names(file)


def test_a_large_queue_that_was_closed_in_order_is_not_read_through(
    file: Path, backups: Path
) -> None:
    queue_with(file, 500)
    damage(file)

    assert inspect(file, backups, NOW, always_below=0) == Inspection()
    assert inspect(file, backups, NOW).warning is not None


def test_a_queue_that_cannot_be_read_is_not_taken_for_a_damaged_one(
    file: Path, backups: Path
) -> None:
    """Whatever is wrong, it is no reason to begin anew with last night's copy."""
    queue_with(file, 3)
    file.with_name("oort.db-wal").mkdir()  # SQLite cannot open that

    with pytest.raises(QueueError, match="cannot be checked"):
        inspect(file, backups, NOW)

    assert file.exists()


# -- restoring --------------------------------------------------------------------------------------


def copies_of(file: Path, backups: Path, counts: list[int]) -> list[Path]:
    """Make one copy a night, each of a queue with another number of files."""
    made = []
    for night, count in enumerate(counts):
        source = queue_with(file.with_name(f"source-{night}.db"), count)
        made.append(make_copy(source, backups, NOW - timedelta(days=10 - night)))
    return made


def test_the_newest_copy_takes_the_damaged_queues_place(file: Path, backups: Path) -> None:
    made = copies_of(file, backups, [1, 2, 3])
    queue_with(file, 500)
    damage(file)

    found = inspect(file, backups, NOW)

    assert found.knows_less
    assert found.warning is not None
    assert f"the copy {made[-1].name} is used" in found.warning
    assert waiting(file) == 3


def test_copies_that_are_damaged_themselves_are_passed_over(file: Path, backups: Path) -> None:
    made = copies_of(file, backups, [1, 2, 3])
    damage(made[2])
    os.truncate(made[1], 0)
    queue_with(file, 500)
    damage(file)

    assert inspect(file, backups, NOW).knows_less

    assert waiting(file) == 1
    assert made[2].exists()


def index_by_what_nobody_knows(copy_of_queue: Path) -> None:
    """Give a copy an index that cannot be made anew: the quick check does not try to."""
    with closing(sqlite3.connect(copy_of_queue)) as queue:
        queue.create_function("of_yesterday", 1, abs, deterministic=True)
        queue.execute("CREATE INDEX ix_of_yesterday ON uploads (of_yesterday(id))")
        queue.commit()


def test_a_copy_that_cannot_be_used_after_all_is_passed_over(file: Path, backups: Path) -> None:
    made = copies_of(file, backups, [1, 2])
    index_by_what_nobody_knows(made[1])
    assert is_sound(made[1])
    queue_with(file, 500)
    damage(file)

    found = inspect(file, backups, NOW)

    assert found.warning is not None
    assert f"the copy {made[0].name} is used" in found.warning
    assert waiting(file) == 1


def test_a_disk_that_takes_no_copy_is_told_in_words_and_costs_nothing(
    file: Path, backups: Path
) -> None:
    copies_of(file, backups, [1, 2])
    queue_with(file, 500)
    damage(file)
    (backups.parent / "oort.db.part").mkdir()  # where the copy is to be written

    with pytest.raises(QueueError, match=r"cannot be restored from its copy oort-.*\.db: "):
        inspect(file, backups, NOW)

    (backups.parent / "oort.db.part").rmdir()
    assert inspect(file, backups, NOW).knows_less
    assert waiting(file) == 2


def test_without_a_good_copy_the_queue_begins_anew_and_says_so(file: Path, backups: Path) -> None:
    (made,) = copies_of(file, backups, [1])
    damage(made)
    queue_with(file, 500)
    damage(file)

    found = inspect(file, backups, NOW)

    assert not found.knows_less
    assert found.warning is not None
    assert "scanned anew" in found.warning
    assert waiting(file) == 0


def test_three_copies_are_kept(file: Path, backups: Path) -> None:
    queue_with(file, 1)

    made = [make_copy(file, backups, NOW + timedelta(days=night)) for night in range(5)]

    assert care.copies(backups, NOW + timedelta(days=5)) == made[:1:-1]


def test_copies_from_the_future_were_made_by_a_wrong_clock(file: Path, backups: Path) -> None:
    """They come after all others, or no copy of a clock that is right again would be kept."""
    queue_with(file, 1)
    future = [make_copy(file, backups, NOW + timedelta(days=1000 + day)) for day in range(3)]

    made = make_copy(file, backups, NOW)

    assert care.copies(backups, NOW) == [made, *future[:0:-1]]


def test_half_a_copy_of_a_killed_daemon_is_cleared_away(file: Path, backups: Path) -> None:
    queue_with(file, 1)
    backups.mkdir()
    (backups / "oort-20261120T050000Z.db.part").write_bytes(b"half")

    made = make_copy(file, backups, NOW)

    assert list(backups.iterdir()) == [made]


def test_a_copy_is_its_owners_alone(file: Path, backups: Path) -> None:
    queue_with(file, 1)

    made = make_copy(file, backups, NOW)

    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert stat.S_IMODE(backups.stat().st_mode) == 0o700


def test_a_copy_is_taken_while_the_queue_is_in_use(file: Path, backups: Path) -> None:
    with holding("queue", file, "100"):
        made = make_copy(file, backups, NOW)

    assert is_sound(made)
    assert waiting(made) == 100


def test_a_copy_that_fails_leaves_nothing_behind(file: Path, backups: Path) -> None:
    queue_with(file, 500)
    damage(file, at=0)

    with pytest.raises(sqlite3.DatabaseError):
        copy(file, backups / "oort-now.db")

    assert list(backups.iterdir()) == []


def test_a_copy_is_due_once_a_day(file: Path, backups: Path) -> None:
    assert care.copy_is_due(backups, NOW)
    queue_with(file, 1)
    made = make_copy(file, backups, NOW)
    moment = NOW.timestamp()
    os.utime(made, (moment, moment))

    assert not care.copy_is_due(backups, NOW + timedelta(hours=23))
    assert care.copy_is_due(backups, NOW + timedelta(hours=24))
    assert care.copy_is_due(backups, NOW - timedelta(hours=1))


# -- doubt after a restore --------------------------------------------------------------------------


def test_after_a_restore_everything_not_known_to_be_stored_is_asked_for(opened: OpenQueue) -> None:
    now_in = {
        "settling": state.SETTLING,
        "error": state.FAILED,
        "waiting": state.WAITING,
        "done": state.DONE,
        "ignored": state.CHANGED,
        "pending": state.PENDING,
    }
    for name, wanted in now_in.items():
        row_in(opened, name, wanted)

    opened.queue.doubt_everything()

    asked = {row["path_text"] for row in all_rows(opened) if row["ask_first"]}
    assert asked == {"settling", "error", "waiting", "pending"}


def test_after_a_restore_a_file_found_by_the_scan_is_a_doubt(opened: OpenQueue) -> None:
    opened.queue.memory.remember("dome", ROOT, scanned=True)

    opened.queue.doubt_everything()

    assert not opened.queue.memory.of("dome", ROOT).scanned


def test_after_a_restore_no_dataset_is_known_to_be_ours_alone(opened: OpenQueue) -> None:
    key = DatasetKey("cloud", "ada", "", "dome")
    opened.queue.datasets.keep(key, KnownDataset("u-1", None, fresh=True), [])

    opened.queue.doubt_everything()

    assert opened.queue.datasets.known(key) == KnownDataset("u-1", None, fresh=False)


# -- damage while it runs ---------------------------------------------------------------------------


@pytest.fixture
def failures() -> list[str]:
    return []


@pytest.fixture
def running(file: Path, failures: list[str]) -> Iterator[OpenQueue]:
    """Give a queue of 500 files, all of it in the file, and read from there."""
    queue_with(file, 500)
    opened = OpenQueue(sqlite_at(file), host="", clock=SystemClock(), on_fatal=failures.append)
    yield opened
    opened.close()


def test_a_reader_that_finds_the_damage_ends_the_daemon(
    running: OpenQueue, file: Path, failures: list[str]
) -> None:
    damage(file, at=PAGE, size=file.stat().st_size - PAGE)

    with pytest.raises(DatabaseError), running.readers.connect() as connection:
        connection.execute(text("SELECT count(*), sum(size), max(path_text) FROM uploads"))

    assert failures[0].startswith("the queue is damaged: ")


def test_a_writer_that_finds_the_damage_ends_the_daemon(
    running: OpenQueue, file: Path, failures: list[str]
) -> None:
    damage(file, at=PAGE, size=file.stat().st_size - PAGE)

    with pytest.raises(QueueError):
        settle(running, *(version(f"new-{number}.fits") for number in range(50)))

    assert failures[0].startswith("the queue is damaged: ")


def test_the_next_start_checks_a_queue_that_was_found_damaged(
    running: OpenQueue, file: Path, backups: Path
) -> None:
    damage(file, at=PAGE, size=file.stat().st_size - PAGE)
    with pytest.raises(DatabaseError), running.readers.connect() as connection:
        connection.execute(text("SELECT count(*), sum(size), max(path_text) FROM uploads"))
    running.close()

    found = inspect(file, backups, NOW, always_below=0)

    assert found.warning is not None
    assert waiting(file) == 0
    assert inspect(file, backups, NOW, always_below=0) == Inspection()


def spoil_index_entry(file: Path) -> None:
    """Change one entry of an index, so that it names a moment at which no row was changed."""
    with closing(sqlite3.connect(file)) as queue:
        queue.execute("UPDATE uploads SET updated_at = 1000000 + id")
        queue.commit()
        queue.execute("PRAGMA journal_mode=DELETE")
        (last,) = queue.execute("SELECT max(updated_at) FROM uploads").fetchone()
    content = file.read_bytes()
    entry = int(last).to_bytes(3, "big")
    places = [at for at in range(len(content)) if content.startswith(entry, at)]
    assert len(places) == 2  # the row, and the index after it
    with file.open("r+b") as raw:
        raw.seek(places[1])
        raw.write(int(last + 1).to_bytes(3, "big"))


def test_damage_that_only_a_thorough_check_finds_does_not_end_every_daemon(
    file: Path, backups: Path, failures: list[str]
) -> None:
    make_copy(queue_with(file, 3), backups, NOW - timedelta(days=1))
    queue_with(file, 500)
    spoil_index_entry(file)
    assert is_sound(file)
    assert not inspect(file, backups, NOW).knows_less

    opened = OpenQueue(sqlite_at(file), host="", clock=SystemClock(), on_fatal=failures.append)
    with pytest.raises(QueueError):
        opened.queue.change(lambda connection: connection.execute(text(TOUCH_ALL)))
    opened.close()
    assert failures[0].startswith("the queue is damaged: ")

    found = inspect(file, backups, NOW)
    assert found.knows_less
    assert found.warning is not None
    assert "is used" in found.warning
    assert waiting(file) == 3
    care.acquit(file)
    assert inspect(file, backups, NOW) == Inspection()


def test_a_start_that_fails_after_a_restore_leaves_the_doubts_to_the_next_one(
    file: Path, backups: Path
) -> None:
    copies_of(file, backups, [1, 2])
    damage(queue_with(file, 500))
    assert inspect(file, backups, NOW).knows_less

    assert inspect(file, backups, NOW).knows_less

    care.acquit(file)
    assert not inspect(file, backups, NOW).knows_less


def test_a_disk_that_takes_no_mark_is_no_reason_to_doubt_nothing(file: Path, backups: Path) -> None:
    queue_with(file, 3)
    file.with_name("oort.db.suspect").symlink_to(file.parent / "nowhere" / "mark")

    assert inspect(file, backups, NOW, was_killed=True).knows_less


def test_a_start_that_fails_after_the_log_was_lost_leaves_the_doubts_to_the_next_one(
    file: Path, backups: Path
) -> None:
    queue_with(file, 3)
    assert inspect(file, backups, NOW, was_killed=True).knows_less

    assert inspect(file, backups, NOW).knows_less


@pytest.mark.parametrize("left", [(), ("-shm",)])
def test_a_log_lost_when_half_of_it_was_in_the_file_is_damage(
    file: Path, backups: Path, left: tuple[str, ...]
) -> None:
    queue_with(file, 5)
    made = make_copy(file, backups, NOW)
    with holding("queue", file, "5", "later") as process:
        process.kill()
        process.wait()
    write_half_of_the_log(file)
    for part in {"-wal", "-shm"} - set(left):
        file.with_name(file.name + part).unlink()
    assert is_sound(file), "so much is found by the quick check, too"

    found = inspect(file, backups, NOW, was_killed=True, always_below=0)

    assert found.knows_less
    assert found.warning is not None
    assert f"the copy {made.name} is used" in found.warning
    assert waiting(file) == 5


def test_a_log_without_a_byte_is_asked_about_and_not_told(file: Path, backups: Path) -> None:
    queue_with(file, 3)
    with holding("queue", file, "0") as process:
        process.kill()
        process.wait()
    log = file.with_name("oort.db-wal")
    os.truncate(log, 0)

    assert inspect(file, backups, NOW, was_killed=True) == Inspection(knows_less=True)

    file.with_name("oort.db.suspect").unlink()
    log.unlink()
    assert inspect(file, backups, NOW, was_killed=True).warning is not None


@pytest.mark.parametrize("part", ["", "-wal"])
def test_a_queue_that_is_no_longer_in_its_place_ends_the_daemon(
    running: OpenQueue, file: Path, failures: list[str], part: str
) -> None:
    settle(running, version("new.fits"))
    for _ in range(3):
        running.look()
    assert not failures

    (file.parent / f"oort.db{part}").unlink()
    running.look()

    assert "was deleted or replaced" in failures[0]


def test_what_was_in_a_log_that_was_replaced_is_in_the_file_at_the_end(
    running: OpenQueue, file: Path
) -> None:
    settle(running, version("new.fits"))
    running.look()
    log = file.with_name("oort.db-wal")
    log.unlink()
    log.touch()

    running.close()

    assert waiting(file) == 501


def test_a_writer_that_connects_anew_finds_its_log_in_place(
    running: OpenQueue, failures: list[str]
) -> None:
    settle(running, version("new.fits"))
    running.look()
    running.readers.dispose()
    with pytest.raises(QueueError):
        running.queue.change(lambda connection: connection.execute(text("no statement")))
    running.look()
    settle(running, version("newer.fits"))

    for _ in range(3):
        running.look()

    assert not failures


def test_a_queue_that_cannot_even_be_opened_is_checked_at_the_next_start(
    file: Path, backups: Path
) -> None:
    queue_with(file, 500)
    damage(file, at=100, size=PAGE)

    with pytest.raises(QueueError, match="cannot be used"):
        open_queue(file)

    assert inspect(file, backups, NOW, always_below=0).warning is not None
    assert waiting(file) == 0


def test_a_queue_whose_folder_is_a_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")

    with pytest.raises(QueueError, match="cannot be opened"):
        open_queue(tmp_path / "state" / "oort.db")


# -- pruning ----------------------------------------------------------------------------------------


def test_old_history_is_pruned_and_the_rows_stay(tmp_path: Path) -> None:
    clock = FakeClock()
    opened = OpenQueue(sqlite_at(tmp_path / "oort.db"), host="", clock=clock)
    for name in ("old", "new"):
        settle(opened, version(f"{name}.fits"))
        end(opened, claim(opened)[0], STORED)
        clock.advance(86_400)
    settle(opened, version("waiting.fits"))
    before = clock.now() - timedelta(hours=30)

    pruned = opened.queue.change(lambda connection: care.prune(connection, before))

    assert pruned == (4, None)
    kept = {row["path_text"]: len(row.steps) for row in all_rows(opened)}
    assert kept == {"old.fits": 0, "new.fits": 4, "waiting.fits": 2}
    with opened.readers.connect() as connection:
        assert len(connection.execute(select(ATTEMPTS)).all()) == 1
        assert len(connection.execute(select(TRANSITIONS)).all()) == 6
    opened.close()


def test_history_is_pruned_a_few_rows_at_a_time(tmp_path: Path) -> None:
    clock = FakeClock()
    opened = OpenQueue(sqlite_at(tmp_path / "oort.db"), host="", clock=clock)
    settle(opened, *(version(f"{number}.fits") for number in range(5)))
    for upload in claim(opened):
        end(opened, upload, STORED)
    clock.advance(86_400)
    found: list[int] = []
    after_id: int | None = 0
    while after_id is not None:
        asked = partial(care.prune, before=clock.now(), after_id=after_id, most=2)
        pruned, after_id = opened.queue.change(asked)
        found.append(pruned)

    assert found == [8, 8, 4]
    assert {len(row.steps) for row in all_rows(opened)} == {0}
    opened.close()
