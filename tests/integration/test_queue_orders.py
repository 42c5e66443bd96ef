"""What people tell the queue to do: retry, skip, let a watch go, and what is refused in words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from oort.clock import SystemClock
from oort.policy import state
from oort.policy.nesting import Kin
from oort.policy.retry import Decision
from oort.policy.sighting import Phase, concerns
from oort.policy.version import RelPath
from oort.queue import orders
from oort.queue.ends import Ended
from oort.queue.orders import Told, Which
from tests.support.rows import (
    REFUSED,
    ROOT,
    STORED,
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
    from oort.policy.state import State
    from oort.queue.opening import OpenQueue


def retry(opened: OpenQueue, *paths: str, force: bool = False, **which: object) -> Told:
    named = Which(tuple(path.encode() for path in paths), **which)  # type: ignore[arg-type]  # ids=, every_error=
    now = SystemClock().now()
    told: Told = opened.queue.change(lambda c: orders.retry(c, "", named, now, force=force))
    return told


def skip(opened: OpenQueue, *paths: str, **which: object) -> Told:
    named = Which(tuple(path.encode() for path in paths), **which)  # type: ignore[arg-type]  # ids=
    now = SystemClock().now()
    told: Told = opened.queue.change(lambda c: orders.skip(c, "", named, now))
    return told


def states(opened: OpenQueue) -> dict[str, State]:
    return {row["path_text"]: row.state for row in all_rows(opened)}


def by_word(now_in: State) -> str:
    return now_in.substatus.value


# -- retry ------------------------------------------------------------------------------------------

RETRIED = [
    state.PENDING,
    state.WAITING,
    state.FAILED,
    state.NAME_CONFLICT,
    state.FILE_GONE,
    state.ALREADY_SYNCED,
    state.IGNORED,
    state.CHANGED,
]


@pytest.mark.parametrize("before", RETRIED, ids=by_word)
def test_a_retry_brings_a_row_to_the_front(opened: OpenQueue, before: State) -> None:
    row_in(opened, "a.fits", before)

    told = retry(opened, "/data/dome/a.fits")

    assert told == Told(moved=1)
    row = newest(opened, "a.fits")
    assert row.state == state.PENDING
    assert row["priority"] == 1
    assert row["error"] is None
    assert row["next_attempt_at"] is None


@pytest.mark.parametrize(
    "before", [state.FILE_GONE, state.ALREADY_SYNCED, state.IGNORED, state.CHANGED], ids=by_word
)
def test_a_retry_of_what_was_skipped_asks_the_server_first(
    opened: OpenQueue, before: State
) -> None:
    row_in(opened, "a.fits", before)

    retry(opened, "/data/dome/a.fits")

    (upload,) = claim(opened)
    assert upload.ask_first
    assert upload.state == state.CHECKING


def test_an_interactive_retry_is_claimed_before_everything_else(opened: OpenQueue) -> None:
    row_in(opened, "old.fits", state.FAILED)
    settle(opened, *(version(f"{n}.fits") for n in range(5)), night="2026-11-22")

    retry(opened, "/data/dome/old.fits")

    assert claim(opened, 1)[0].rel_path == b"old.fits"


def test_a_stored_file_is_not_retried(opened: OpenQueue) -> None:
    row_in(opened, "a.fits", state.DONE)

    told = retry(opened, "/data/dome/a.fits")

    assert told.moved == 0
    assert told.refused == ["/data/dome/a.fits: is stored and confirmed: there is nothing to retry"]


def test_what_is_being_sent_is_not_retried(opened: OpenQueue) -> None:
    row_in(opened, "a.fits", state.SYNCING)

    assert retry(opened, "/data/dome/a.fits").refused == ["/data/dome/a.fits: is being sent"]


def test_a_truncated_file_settles_again(opened: OpenQueue) -> None:
    row_in(opened, "a.fits", state.TRUNCATED)

    told = retry(opened, "/data/dome/a.fits")

    assert told == Told(moved=1, look_again=[("dome", b"a.fits")])
    assert newest(opened, "a.fits").state == state.SETTLING


@pytest.mark.parametrize("before", [state.TRUNCATED, state.SETTLING], ids=by_word)
def test_force_sends_a_file_that_its_format_calls_short(opened: OpenQueue, before: State) -> None:
    row_in(opened, "a.fits", before)

    assert retry(opened, "/data/dome/a.fits", force=True) == Told(moved=1)

    (upload,) = claim(opened)
    assert upload.forced


def test_a_settling_file_is_not_retried_without_force(opened: OpenQueue) -> None:
    row_in(opened, "a.fits", state.SETTLING)

    (words,) = retry(opened, "/data/dome/a.fits").refused

    assert "still settles" in words
    assert "--force" in words


def test_an_older_version_is_not_retried_beside_a_newer_one(opened: OpenQueue) -> None:
    row_in(opened, "a.fits", state.FAILED)
    old = newest(opened, "a.fits").id
    skip(opened, "/data/dome/a.fits")
    settle(opened, version("a.fits", 5760, 2))

    told = retry(opened, ids=(old,))

    assert told.refused == ["/data/dome/a.fits: a newer version of it is in the queue"]


def test_all_takes_every_row_in_error_and_nothing_else(opened: OpenQueue) -> None:
    for number, before in enumerate([state.FAILED, state.NAME_CONFLICT, state.FILE_GONE]):
        row_in(opened, f"{number}.fits", before)

    assert retry(opened, every_error=True).moved == 2

    assert states(opened) == {
        "0.fits": state.PENDING,
        "1.fits": state.PENDING,
        "2.fits": state.FILE_GONE,
    }


def test_all_without_an_error_moves_nothing_and_refuses_nothing(opened: OpenQueue) -> None:
    row_in(opened, "a.fits", state.DONE)

    assert retry(opened, every_error=True) == Told()


def test_a_row_that_is_named_twice_moves_once(opened: OpenQueue) -> None:
    row_id = row_in(opened, "a.fits", state.FAILED)

    told = retry(opened, "/data/dome/a.fits", "/data/dome", ids=(row_id,), every_error=True)

    assert told == Told(moved=1)


def test_what_names_nothing_is_refused_in_words(opened: OpenQueue) -> None:
    told = retry(opened, "/data/dome/nothing.fits", "/elsewhere/a.fits", ids=(77,))

    assert told.moved == 0
    assert told.refused == [
        "/data/dome/nothing.fits: is not in the queue; `oort status PATH` tells more",
        "/elsewhere/a.fits: is not in the queue; `oort status PATH` tells more",
        "77: there is no such upload",
    ]


def test_the_attempts_of_a_retried_file_stay_counted(opened: OpenQueue) -> None:
    row_in(opened, "a.fits", state.FAILED)

    retry(opened, "/data/dome/a.fits")

    (upload,) = claim(opened)
    assert upload.attempts == 1
    end(opened, upload, STORED)
    assert newest(opened, "a.fits")["attempts"] == 2


# -- folders ----------------------------------------------------------------------------------------


def test_a_folder_means_what_in_it_needs_a_retry(opened: OpenQueue) -> None:
    row_in(opened, "night/bad.fits", state.FAILED)
    row_in(opened, "night/good.fits", state.DONE)
    row_in(opened, "night/new.fits", state.SETTLING)
    row_in(opened, "nightly.fits", state.FAILED)

    told = retry(opened, "/data/dome/night")

    assert told == Told(moved=1)
    assert states(opened)["nightly.fits"] == state.FAILED


def test_a_folder_in_which_nothing_needs_a_retry_says_so(opened: OpenQueue) -> None:
    row_in(opened, "night/good.fits", state.DONE)

    assert retry(opened, "/data/dome/night") == Told(refused=["/data/dome/night: needs no retry"])


def test_the_watched_folder_itself_means_all_of_it(opened: OpenQueue) -> None:
    row_in(opened, "a.fits", state.FAILED)
    row_in(opened, "deep/er/b.fits", state.NAME_CONFLICT)

    assert retry(opened, "/data/dome").moved == 2


def test_of_a_path_only_the_newest_version_is_named(opened: OpenQueue) -> None:
    row_in(opened, "a.fits", state.CHANGED)

    assert skip(opened, "/data/dome") == Told(moved=1)

    assert [row.state for row in all_rows(opened)] == [state.DONE, state.IGNORED]


def test_the_innermost_watch_has_the_file(opened: OpenQueue) -> None:
    row_in(opened, "inner/a.fits", state.FAILED)
    row_in(opened, "a.fits", state.FAILED, watch="inner", root=ROOT + b"/inner")

    retry(opened, "/data/dome/inner/a.fits")

    assert states(opened) == {"inner/a.fits": state.FAILED, "a.fits": state.PENDING}


def test_of_two_watches_of_one_folder_the_newer_rows_are_meant(opened: OpenQueue) -> None:
    row_in(opened, "a.fits", state.FAILED, watch="zenith")
    newer = row_in(opened, "a.fits", state.FAILED, watch="dome")

    assert retry(opened, "/data/dome/a.fits").moved == 1
    assert [row.id for row in all_rows(opened) if row.state == state.PENDING] == [newer]


def test_a_name_that_is_no_utf8_can_be_named(opened: OpenQueue) -> None:
    settle(opened, version(b"bad\xff.fits"))
    end(opened, claim(opened)[0], REFUSED)
    now = SystemClock().now()
    named = Which((b"/data/dome/bad\xff.fits", b"/data/dome/none\xff.fits"))

    told = opened.queue.change(lambda c: orders.retry(c, "", named, now))

    assert told.moved == 1
    assert told.refused[0].startswith("/data/dome/none\\xff.fits: is not in the queue")


# -- skip -------------------------------------------------------------------------------------------

SKIPPED = [
    state.SETTLING,
    state.PENDING,
    state.WAITING,
    state.FAILED,
    state.NAME_CONFLICT,
    state.TRUNCATED,
    state.FILE_GONE,
    state.CHANGED,
]


@pytest.mark.parametrize("before", SKIPPED, ids=by_word)
def test_a_skip_puts_a_row_aside_and_acknowledges_it(opened: OpenQueue, before: State) -> None:
    row_in(opened, "a.fits", before)

    assert skip(opened, "/data/dome/a.fits") == Told(moved=1)

    row = newest(opened, "a.fits")
    assert row.state == state.IGNORED
    assert row["acknowledged"]
    assert row["error"] is None
    assert row["next_attempt_at"] is None
    assert row.steps[-1] == (state.IGNORED, "skipped by hand")


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (state.DONE, "is stored already"),
        (state.ALREADY_SYNCED, "was at the server before us"),
        (state.SYNCING, "is being sent"),
    ],
)
def test_what_cannot_be_skipped_is_refused_with_the_reason(
    opened: OpenQueue, before: State, words: str
) -> None:
    row_in(opened, "a.fits", before)

    assert skip(opened, "/data/dome/a.fits") == Told(refused=[f"/data/dome/a.fits: {words}"])
    assert newest(opened, "a.fits").state == before


def test_a_row_whose_watch_was_removed_can_be_acknowledged_once(opened: OpenQueue) -> None:
    row_in(opened, "a.fits", state.IGNORED)
    assert not newest(opened, "a.fits")["acknowledged"]

    assert skip(opened, "/data/dome/a.fits") == Told(moved=1)

    row = newest(opened, "a.fits")
    assert row["acknowledged"]
    assert row.steps[-2:] == [
        (state.IGNORED, "its watch was removed"),
        (state.IGNORED, "skipped by hand"),
    ]
    assert skip(opened, "/data/dome/a.fits") == Told(
        refused=["/data/dome/a.fits: is ignored already"]
    )


def test_a_skipped_file_is_closed_to_the_scanner_until_it_changes(opened: OpenQueue) -> None:
    row_in(opened, "a.fits", state.FAILED)
    skip(opened, "/data/dome/a.fits")

    settle(opened, version("a.fits"))
    assert claim(opened) == []

    settle(opened, version("a.fits", 5760, 2))
    assert [upload.size for upload in claim(opened)] == [5760]


# -- a watch that is let go -------------------------------------------------------------------------


def let_go(opened: OpenQueue, watch: str = "dome") -> Told:
    now = SystemClock().now()
    told: Told = opened.queue.change(lambda c: orders.let_go(c, "", watch, now))
    return told


def test_letting_a_watch_go_puts_its_waiting_rows_aside(opened: OpenQueue) -> None:
    row_in(opened, "waiting.fits", state.WAITING)
    row_in(opened, "done.fits", state.DONE)
    row_in(opened, "error.fits", state.FAILED)
    row_in(opened, "sent.fits", state.SYNCING)
    row_in(opened, "pending.fits", state.PENDING)
    row_in(opened, "settling.fits", state.SETTLING)
    row_in(opened, "other.fits", state.PENDING, watch="other")

    assert let_go(opened).moved == 3

    assert states(opened) == {
        "waiting.fits": state.IGNORED,
        "done.fits": state.DONE,
        "error.fits": state.FAILED,
        "sent.fits": state.SYNCING,
        "pending.fits": state.IGNORED,
        "settling.fits": state.IGNORED,
        "other.fits": state.PENDING,
    }
    assert newest(opened, "pending.fits").steps[-1] == (state.IGNORED, "its watch was removed")


def test_a_file_settles_again_when_a_watch_covers_it_again(opened: OpenQueue) -> None:
    row_in(opened, "a.fits", state.IGNORED)

    note(opened, Phase.SEEN, version("a.fits"))

    assert newest(opened, "a.fits").state == state.SETTLING
    assert len(all_rows(opened)) == 1


# -- watches that nest ------------------------------------------------------------------------------


def test_a_folder_that_another_watch_has_is_handed_over_with_what_waits(
    opened: OpenQueue,
) -> None:
    row_in(opened, "m31/waiting.fits", state.WAITING)
    row_in(opened, "m31/done.fits", state.DONE)
    row_in(opened, "m31/failed.fits", state.FAILED)
    row_in(opened, "m31/conflict.fits", state.NAME_CONFLICT)
    row_in(opened, "m31/short.fits", state.TRUNCATED)
    row_in(opened, "conflict.fits", state.NAME_CONFLICT)
    row_in(opened, "m31/sent.fits", state.SYNCING)
    row_in(opened, "m31/pending.fits", state.PENDING)
    row_in(opened, "m31/deep/settling.fits", state.SETTLING)
    row_in(opened, "m31.fits", state.PENDING)
    row_in(opened, "m310/a.fits", state.PENDING)
    row_in(opened, "m31/other.fits", state.PENDING, watch="other")
    now = SystemClock().now()

    moved = opened.queue.change(
        lambda c: orders.hand_over(c, "", "dome", way=b"m31/", to="m31", now=now)
    )

    assert moved == 6
    assert states(opened) == {
        "m31/waiting.fits": state.IGNORED,
        "m31/failed.fits": state.IGNORED,
        "m31/conflict.fits": state.IGNORED,
        "m31/short.fits": state.IGNORED,
        "conflict.fits": state.NAME_CONFLICT,
        "m31/pending.fits": state.IGNORED,
        "m31/deep/settling.fits": state.IGNORED,
        "m31/sent.fits": state.SYNCING,
        "m31/done.fits": state.DONE,
        "m31.fits": state.PENDING,
        "m310/a.fits": state.PENDING,
        "m31/other.fits": state.PENDING,
    }
    assert newest(opened, "m31/pending.fits").steps[-1] == (
        state.IGNORED,
        'it belongs to the watch "m31" now',
    )


@pytest.mark.parametrize("own", [None, state.IGNORED, state.FILE_GONE, state.FAILED])
@pytest.mark.parametrize(
    "theirs", [state.DONE, state.ALREADY_SYNCED, state.SYNCING, state.PENDING, state.FAILED]
)
def test_a_file_that_a_watch_around_it_has_stored_is_known(
    opened: OpenQueue, own: State | None, theirs: State
) -> None:
    row_in(opened, "m31/a.fits", theirs)
    if own is not None:
        row_in(opened, "a.fits", own, watch="m31", root=ROOT + b"/m31")
    kin = [Kin("dome", b"m31/", is_outer=True)]
    path = RelPath(b"a.fits")

    row = opened.queue.known("m31", [path], kin).get(path)

    stored_there = theirs in (state.DONE, state.ALREADY_SYNCED, state.SYNCING)
    if stored_there and own is not state.FAILED:
        assert row is not None
        assert row.state == theirs
        assert row.version == version("a.fits")
        assert not concerns(row, version("a.fits"))
        assert concerns(row, version("a.fits", 5760, 2))
    else:
        assert (None if row is None else row.state) == own


def in_doubt(opened: OpenQueue, path: str, after: State) -> None:
    """Have an attempt of a file end so that nobody knows what the server has."""
    settle(opened, version(path))
    (upload,) = claim(opened)
    decision = Decision(after, "the answer was lost", may_be_stored=True)
    ended = Ended("Unclear", SystemClock().now(), 2880)
    opened.queue.finish(upload, upload.state, decision, ended).result()


@pytest.mark.parametrize("after", [state.PENDING, state.WAITING, state.FAILED])
def test_what_may_be_stored_stays_with_the_watch_that_sent_it(
    opened: OpenQueue, after: State
) -> None:
    in_doubt(opened, "m31/a.fits", after)
    path = RelPath(b"a.fits")
    outer = Kin("dome", b"m31/", is_outer=True)

    assert opened.queue.hand_over("dome", b"m31/", "m31") == 0
    assert newest(opened, "m31/a.fits").state == after
    row = opened.queue.known("m31", [path], [outer])[path]
    assert not concerns(row, version("a.fits"))
    assert opened.queue.known("m31", [path], [replace(outer, settles=False)]) == {}


@pytest.mark.parametrize(
    "before", [state.SETTLING, state.PENDING, state.WAITING, state.SYNCING, state.FILE_GONE]
)
def test_a_baseline_leaves_out_nothing_that_another_watch_was_to_send(
    opened: OpenQueue, before: State
) -> None:
    row_in(opened, "m31/stored.fits", state.DONE)
    row_in(opened, "m31/a.fits", before)
    there = [version("a.fits"), version("stored.fits"), version("old.fits")]
    kin = [Kin("dome", b"m31/", is_outer=True)]

    assert opened.queue.memory.baseline("m31", ROOT + b"/m31", there, kin) == 2
    assert {row["path_text"] for row in all_rows(opened) if row["watch"] == "m31"} == {
        "stored.fits",
        "old.fits",
    }


def test_a_file_that_a_watch_inside_has_stored_is_known_too(opened: OpenQueue) -> None:
    row_in(opened, "a.fits", state.DONE, watch="m31", root=ROOT + b"/m31")
    paths = [RelPath(b"m31/a.fits"), RelPath(b"a.fits")]

    known = opened.queue.known("dome", paths, [Kin("m31", b"m31/", is_outer=False)])

    assert {path: row.state for path, row in known.items()} == {paths[0]: state.DONE}
    assert known[paths[0]].version == version("m31/a.fits")
