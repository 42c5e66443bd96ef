"""What sightings leave in the rows: batches, doubts, datasets, renames, later changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oort.clock import SystemClock
from oort.policy import state
from oort.policy.outcome import Broken, Stored
from oort.policy.retry import Decision
from oort.policy.sighting import Phase, Sighting
from oort.policy.version import FileVersion, RelPath
from oort.queue.datasets import DatasetKey, KnownDataset
from oort.queue.ends import Ended
from tests.support.rows import (
    ROOT,
    STORED,
    WATCH,
    all_rows,
    claim,
    end,
    newest,
    note,
    row_in,
    settle,
    version,
)

if TYPE_CHECKING:
    from oort.queue.opening import OpenQueue

KEY = DatasetKey("cloud", "ada", "", "dome")


def seen(phase: Phase, *versions: FileVersion) -> list[Sighting]:
    return [Sighting(one, phase, phase.name.lower()) for one in versions]


def test_files_that_come_twice_in_one_batch_have_one_row_each(opened: OpenQueue) -> None:
    a, b = version("a.fits"), version("b.fits")
    longer = version("a.fits", 5760, 2), version("b.fits", 5760, 2)

    opened.queue.note(WATCH, ROOT, seen(Phase.SEEN, a, b, *longer, a, b))

    assert [(row["path_text"], row["size"]) for row in all_rows(opened)] == [
        ("a.fits", 2880),
        ("b.fits", 2880),
    ]


def test_a_file_that_settles_at_once_has_its_whole_history(opened: OpenQueue) -> None:
    note(opened, Phase.SETTLED, version("a.fits"))

    (row,) = all_rows(opened)
    assert [step for step, _ in row.steps] == [state.SETTLING, state.PENDING]


def test_a_truncated_file_says_why_from_the_first_moment_on(opened: OpenQueue) -> None:
    note(opened, Phase.TRUNCATED, version("new.fits"))
    note(opened, Phase.SEEN, version("old.fits"))
    note(opened, Phase.TRUNCATED, version("old.fits"))

    for row in all_rows(opened):
        assert row.state == state.TRUNCATED
        assert row["error"] == "truncated"


def test_a_file_that_is_being_written_costs_no_history(opened: OpenQueue) -> None:
    for size in range(1, 20):
        note(opened, Phase.SEEN, version("a.fits", size, size))

    (row,) = all_rows(opened)
    assert row["size"] == 19
    assert len(row.steps) == 1


def test_a_waiting_file_that_changes_says_so(opened: OpenQueue) -> None:
    row_in(opened, "a.fits", state.PENDING)

    note(opened, Phase.SETTLED, version("a.fits", 5760, 2))

    assert newest(opened, "a.fits").steps[-1] == (state.PENDING, "settled")
    assert newest(opened, "a.fits")["size"] == 5760


# -- doubts -----------------------------------------------------------------------------------------


def broken(opened: OpenQueue, path: str = "a.fits") -> None:
    """Have a file in doubt: its upload broke."""
    settle(opened, version(path))
    (upload,) = claim(opened)
    opened.queue.enter(upload, upload.state, state.UPLOADING, "sending")
    decision = Decision(state.PENDING, "reset", error="reset", may_be_stored=True, cut=True)
    ended = Ended(Broken.__name__, SystemClock().now(), 100)
    opened.queue.finish(upload, state.UPLOADING, decision, ended).result()


def test_a_doubt_outlives_every_later_change_of_the_file(opened: OpenQueue) -> None:
    broken(opened)
    for size in (3000, 4000, 5000):
        note(opened, Phase.SEEN, version("a.fits", size, size))
    note(opened, Phase.SETTLED, version("a.fits", 5000, 5000))

    (upload,) = claim(opened)

    assert upload.ask_first
    assert upload.state == state.CHECKING


def test_a_file_from_before_us_stays_to_be_asked_for_when_events_name_it(
    opened: OpenQueue,
) -> None:
    settle(opened, version("a.fits"), ask_first=True)
    settle(opened, version("a.fits", 5760, 2))

    assert claim(opened)[0].ask_first


def test_a_scan_in_doubt_doubts_what_is_known_already(opened: OpenQueue) -> None:
    note(opened, Phase.SEEN, version("a.fits"))
    note(opened, Phase.SETTLED, version("a.fits"), ask_first=True)

    assert claim(opened)[0].ask_first


# -- datasets ---------------------------------------------------------------------------------------


def test_a_file_whose_header_names_another_dataset_goes_there(opened: OpenQueue) -> None:
    note(opened, Phase.SEEN, version("a.fits"), dataset_name="dome")
    opened.queue.datasets.keep(KEY, KnownDataset("u-1", None, fresh=True), [WATCH])

    note(opened, Phase.SETTLED, version("a.fits"), dataset_name="M31")

    (upload,) = claim(opened)
    assert upload.dataset_name == "M31"
    assert upload.dataset_uuid is None


def test_a_file_whose_dataset_stays_the_same_keeps_it(opened: OpenQueue) -> None:
    note(opened, Phase.SEEN, version("a.fits"), dataset_name="dome")
    opened.queue.datasets.keep(KEY, KnownDataset("u-1", None, fresh=True), [WATCH])

    note(opened, Phase.SETTLED, version("a.fits"), dataset_name="dome")

    assert claim(opened)[0].dataset_uuid == "u-1"


# -- a new version ----------------------------------------------------------------------------------


def test_a_new_version_forgets_what_was_found_of_the_old_one(opened: OpenQueue) -> None:
    settle(opened, version("a.fits"))
    (upload,) = claim(opened)
    decision = Decision(state.ALREADY_SYNCED, "the same file was there before us, unproven")
    ended = Ended("FoundSame", SystemClock().now(), remote_id="9", unproven=True, tags_pending=True)
    opened.queue.finish(upload, upload.state, decision, ended).result()

    settle(opened, version("a.fits", 5760, 2))

    row = newest(opened, "a.fits")
    assert row.state == state.PENDING
    assert (row["remote_id"], row["unproven"], row["tags_pending"]) == (None, False, False)
    assert opened.queue.todo(0, 10) == []


# -- renames ----------------------------------------------------------------------------------------


def rename(opened: OpenQueue, before: str, after: str) -> None:
    raw = RelPath(after.encode())
    note(opened, Phase.RENAMED, version(before), renamed_to=raw)


def test_a_rename_is_in_the_history(opened: OpenQueue) -> None:
    for name, now_in in (("a.writing", state.SETTLING), ("b.writing", state.PENDING)):
        row_in(opened, name, now_in)
        rename(opened, name, f"{name}.fits")

        row = newest(opened, f"{name}.fits")
        assert row.steps[-1] == (state.SETTLING, f"renamed from {name}")


def test_a_file_renamed_onto_a_known_one_leaves_its_row_behind(opened: OpenQueue) -> None:
    row_in(opened, "a.fits", state.DONE)
    row_in(opened, "a.writing", state.SETTLING)

    rename(opened, "a.writing", "a.fits")

    row = newest(opened, "a.writing")
    assert row.state == state.IGNORED
    assert row.steps[-1] == (state.IGNORED, "renamed to a.fits")


# -- after the upload -------------------------------------------------------------------------------


def test_a_comparison_that_comes_after_a_later_change_adds_nothing(opened: OpenQueue) -> None:
    row_in(opened, "a.fits", state.DONE)
    settle(opened, version("a.fits", 2880, 2))
    (todo,) = opened.queue.todo(0, 10)
    settle(opened, version("a.fits", 5760, 3))

    opened.queue.compared(todo, ROOT, version("a.fits", 5760, 3), same=False)

    assert [row.state for row in all_rows(opened)] == [state.DONE, state.CHANGED]
    assert opened.queue.todo(0, 10) == []


def test_a_comparison_that_finds_other_content_shows_the_change(opened: OpenQueue) -> None:
    settle(opened, version("a.fits"), night="2026-11-22", dataset_name="dome")
    end(opened, claim(opened)[0], STORED)
    settle(opened, version("a.fits", 2880, 2))
    (todo,) = opened.queue.todo(0, 10)

    opened.queue.compared(todo, ROOT, version("a.fits", 2880, 2), same=False)

    row = newest(opened, "a.fits")
    assert row.state == state.CHANGED
    assert (row["night"], row["dataset_name"]) == ("2026-11-22", "dome")


def test_a_file_that_changed_in_hand_is_looked_at_when_it_is_back(opened: OpenQueue) -> None:
    settle(opened, version("a.fits"))
    (upload,) = claim(opened)
    note(opened, Phase.SEEN, version("a.fits", 5760, 2))
    assert newest(opened, "a.fits").state == upload.state

    decision = Decision(state.DONE, "stored", counted=True)
    ended = Ended(Stored.__name__, SystemClock().now(), sha256=STORED.sha256)

    assert opened.queue.finish(upload, upload.state, decision, ended).result()


def test_a_mark_in_hand_is_gone_with_the_next_claim(opened: OpenQueue) -> None:
    settle(opened, version("a.fits"))
    claim(opened)
    note(opened, Phase.SEEN, version("a.fits", 5760, 2))
    opened.queue.recover(wait_s=0)

    (again,) = claim(opened)

    assert not newest(opened, "a.fits")["changed_in_hand"]
    end(opened, again, STORED)
    assert newest(opened, "a.fits").state == state.DONE
