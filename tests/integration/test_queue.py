"""The queue on a real SQLite file: what goes in, what is claimed, what is kept."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from oort.clock import SystemClock
from oort.policy import state
from oort.policy.outcome import Broken, ServerBusy, Stored
from oort.policy.retry import Facts, Limits, decide
from oort.policy.sighting import Phase, Sighting
from oort.policy.version import FileVersion, RelPath
from oort.queue.datasets import DatasetKey, KnownDataset
from oort.queue.ends import Ended
from oort.queue.models import ATTEMPTS, TRANSITIONS, UPLOADS
from oort.queue.moves import StaleRowError

if TYPE_CHECKING:
    from oort.queue.opening import OpenQueue
    from oort.values import Upload

ROOT = b"/data/dome"
KEY = DatasetKey("cloud", "ada", "", "dome")


def version(path: str, size: int = 2880, mtime_ns: int = 1) -> FileVersion:
    return FileVersion(RelPath(path.encode()), size, mtime_ns, 7)


def sighting(phase: Phase, seen: FileVersion, *, ask_first: bool = False) -> Sighting:
    return Sighting(seen, phase, phase.name.lower(), dataset_name="dome", ask_first=ask_first)


def settle(opened: OpenQueue, *seen: FileVersion, ask_first: bool = False) -> None:
    for phase in (Phase.SEEN, Phase.SETTLED):
        opened.queue.note("w", ROOT, [sighting(phase, one, ask_first=ask_first) for one in seen])


def claim(opened: OpenQueue, limit: int = 100) -> list[Upload]:
    return opened.queue.claim(["w"], limit=limit, tonight="2026-11-23")


def end(opened: OpenQueue, upload: Upload, outcome: Stored | ServerBusy | Broken) -> bool:
    sent_in_vain = isinstance(outcome, Broken)
    facts = Facts(upload.attempts, upload.may_be_stored or sent_in_vain, ask_first=upload.ask_first)
    decision = decide(outcome, facts, Limits(), random.Random(1))
    ended = Ended(
        type(outcome).__name__,
        SystemClock().now(),
        outcome.bytes_sent,
        sha256=getattr(outcome, "sha256", None),
    )
    return opened.queue.finish(upload, upload.state, decision, ended).result()


STORED = Stored("1", "a.fits", "0" * 64, 2880, 201)


def rows(opened: OpenQueue) -> list[tuple[str, str]]:
    with opened.readers.connect() as connection:
        found = connection.execute(
            select(UPLOADS.c.path_text, UPLOADS.c.substatus).order_by(UPLOADS.c.id)
        )
        return [(row[0], row[1]) for row in found]


def test_a_settled_file_is_claimed_once(opened: OpenQueue) -> None:
    settle(opened, version("a.fits"), version("b.fits"))

    first, second = claim(opened), claim(opened)

    assert [upload.rel_path for upload in first] == [b"a.fits", b"b.fits"]
    assert second == []
    assert {upload.state for upload in first} == {state.SYNCING}


def test_a_file_that_still_settles_is_not_claimed(opened: OpenQueue) -> None:
    opened.queue.note("w", ROOT, [sighting(Phase.SEEN, version("a.fits"))])

    assert claim(opened) == []
    assert [one.rel_path for one in opened.queue.settling("w")] == [b"a.fits"]


def test_a_row_whose_dataset_is_known_is_claimed_as_possibly_stored(opened: OpenQueue) -> None:
    settle(opened, version("a.fits"))
    opened.queue.datasets.keep(KEY, KnownDataset("u-1", None, fresh=False), ["w"])

    (upload,) = claim(opened)

    assert upload.state == state.UPLOADING
    assert not upload.may_be_stored
    opened.queue.recover(wait_s=0)
    (again,) = claim(opened)
    assert again.may_be_stored
    assert again.state == state.CHECKING


def test_a_fresh_dataset_needs_no_question(opened: OpenQueue) -> None:
    settle(opened, version("a.fits"), ask_first=True)
    opened.queue.datasets.keep(KEY, KnownDataset("u-1", None, fresh=True), ["w"])

    (upload,) = claim(opened)

    assert upload.state == state.UPLOADING


def test_what_may_have_been_sent_is_asked_for_where_it_was_sent(opened: OpenQueue) -> None:
    datasets = opened.queue.datasets
    settle(opened, version("a.fits"), version("b.fits"))
    datasets.keep(KEY, KnownDataset("u-1", None, fresh=False), ["w"])
    claim(opened, 1)
    opened.queue.recover(wait_s=0)  # a.fits may be stored in u-1 now

    datasets.forget_rule("w")
    datasets.forget(KEY, ["w"])
    datasets.keep(KEY, KnownDataset("u-2", None, fresh=True), ["w"])

    told = {upload.rel_path: upload for upload in claim(opened)}
    assert told[RelPath(b"a.fits")].may_be_stored
    assert told[RelPath(b"a.fits")].dataset_uuid == "u-1"
    assert told[RelPath(b"b.fits")].dataset_uuid == "u-2"


@pytest.mark.parametrize(
    ("count", "at_once"),
    [(400, 7), pytest.param(10_000, 20, marks=[pytest.mark.soak, pytest.mark.timeout(900)])],
)
def test_many_threads_never_claim_the_same_row(opened: OpenQueue, count: int, at_once: int) -> None:
    settle(opened, *(version(f"{n}.fits") for n in range(count)))

    def work(_: int) -> list[int]:
        uploads = claim(opened, at_once)
        for upload in uploads:
            end(opened, upload, STORED)
        return [upload.id for upload in uploads]

    with ThreadPoolExecutor(8) as pool:
        taken = [one for ids in pool.map(work, range(count // at_once + 80)) for one in ids]

    assert len(taken) == count
    assert len(set(taken)) == count
    assert rows(opened) == [(f"{n}.fits", "done") for n in range(count)]


def test_an_attempt_is_recorded_with_its_history(opened: OpenQueue) -> None:
    settle(opened, version("a.fits"))
    (upload,) = claim(opened)

    end(opened, upload, STORED)

    assert rows(opened) == [("a.fits", "done")]
    with opened.readers.connect() as connection:
        steps = connection.execute(select(TRANSITIONS.c.substatus).order_by(TRANSITIONS.c.id))
        assert [step[0] for step in steps] == [
            "settling...",
            "pending",
            "syncing dataset...",
            "done",
        ]
        attempt = connection.execute(select(ATTEMPTS)).mappings().one()
    assert attempt["counted"]
    assert attempt["bytes_sent"] == 2880


def test_a_completion_of_a_lost_claim_is_refused(opened: OpenQueue) -> None:
    settle(opened, version("a.fits"))
    (upload,) = claim(opened)
    opened.queue.recover(wait_s=0)
    (again,) = claim(opened)

    with pytest.raises(StaleRowError):
        end(opened, upload, STORED)
    end(opened, again, STORED)

    assert rows(opened) == [("a.fits", "done")]


def test_what_waits_is_claimed_when_its_time_has_come(opened: OpenQueue) -> None:
    settle(opened, version("a.fits"))
    (upload,) = claim(opened)

    end(opened, upload, ServerBusy("503", 503, retry_after_s=3600))

    assert claim(opened) == []
    due = opened.queue.next_due_at(["w"])
    assert due is not None
    assert due - SystemClock().now() > timedelta(minutes=59)
    assert not opened.queue.waits(["w"], SystemClock().now())
    assert opened.queue.waits(["w"], due)


def test_a_cut_connection_leaves_a_doubt_behind_the_others(opened: OpenQueue) -> None:
    settle(opened, version("a.fits"), version("b.fits"))
    (upload,) = claim(opened, 1)

    end(opened, upload, Broken("reset", 100, body_complete=False, link_proven=False))

    others = claim(opened)
    assert [one.rel_path for one in others] == [b"b.fits", b"a.fits"]
    assert others[1].may_be_stored


def test_a_change_before_it_is_stored_gives_the_row_the_new_version(opened: OpenQueue) -> None:
    settle(opened, version("a.fits"))

    opened.queue.note("w", ROOT, [sighting(Phase.SEEN, version("a.fits", 5760, 2))])
    opened.queue.note("w", ROOT, [sighting(Phase.SETTLED, version("a.fits", 5760, 2))])

    (upload,) = claim(opened)
    assert upload.size == 5760


def test_a_row_in_hand_is_only_marked_when_its_file_changes(opened: OpenQueue) -> None:
    settle(opened, version("a.fits"))
    (upload,) = claim(opened)

    opened.queue.note("w", ROOT, [sighting(Phase.SETTLED, version("a.fits", 5760, 2))])

    assert rows(opened) == [("a.fits", "syncing dataset...")]
    assert end(opened, upload, ServerBusy("503", 503))


def test_a_change_after_ok_makes_one_row_that_later_changes_update(opened: OpenQueue) -> None:
    settle(opened, version("a.fits"))
    (upload,) = claim(opened)
    end(opened, upload, STORED)

    for size in (3000, 4000, 5000):
        settle(opened, version("a.fits", size, size))

    assert rows(opened) == [("a.fits", "done"), ("a.fits", "changed after upload")]


def test_another_mtime_with_the_same_size_is_compared_not_sent(opened: OpenQueue) -> None:
    settle(opened, version("a.fits"))
    (upload,) = claim(opened)
    end(opened, upload, STORED)

    settle(opened, version("a.fits", 2880, 99))

    (todo,) = opened.queue.todo(0, 10)
    opened.queue.compared(todo, ROOT, version("a.fits", 2880, 99), same=True)
    assert opened.queue.todo(0, 10) == []
    assert rows(opened) == [("a.fits", "done")]


def test_a_baseline_is_ignored_and_closed_to_the_scanner(opened: OpenQueue) -> None:
    assert opened.queue.memory.baseline("w", ROOT, [version("old.fits")]) == 1

    settle(opened, version("old.fits"))

    assert rows(opened) == [("old.fits", "ignored")]
    assert opened.queue.memory.of("w", ROOT).baselined


def test_a_namesake_in_the_same_dataset_is_found(opened: OpenQueue) -> None:
    settle(opened, version("one/a.fits"), version("two/a.fits"))
    opened.queue.datasets.keep(KEY, KnownDataset("u-1", None, fresh=True), ["w"])
    first, second = claim(opened)

    assert opened.queue.namesake(first, "u-1") is None
    found = opened.queue.namesake(second, "u-1")
    assert found is not None
    assert found.id == first.id
    assert not found.is_safe
    end(opened, first, STORED)
    found = opened.queue.namesake(second, "u-1")
    assert found is not None
    assert found.is_safe


def test_a_file_that_is_renamed_while_it_settles_keeps_its_row(opened: OpenQueue) -> None:
    seen = version("a.writing")
    opened.queue.note("w", ROOT, [sighting(Phase.SEEN, seen)])

    opened.queue.note(
        "w", ROOT, [Sighting(seen, Phase.RENAMED, "renamed", renamed_to=RelPath(b"a.fits"))]
    )

    assert rows(opened) == [("a.fits", "settling...")]


def test_a_name_that_is_no_utf8_is_kept_as_its_bytes(opened: OpenQueue) -> None:
    odd = FileVersion(RelPath(b"bad\xff\n'.fits"), 1, 2, 3)

    settle(opened, odd)

    (upload,) = claim(opened)
    assert upload.rel_path == b"bad\xff\n'.fits"
    assert rows(opened)[0][0] == "bad\\xff\n'.fits"


def test_one_refused_change_does_not_take_its_group_down(opened: OpenQueue) -> None:
    def refuse(_: object) -> None:
        raise ValueError("no")

    settle(opened, version("a.fits"))
    good = [opened.writer.submit(lambda _: 1) for _ in range(5)]
    bad = opened.writer.submit(refuse)

    assert [future.result() for future in good] == [1] * 5
    with pytest.raises(ValueError, match="no"):
        bad.result()
