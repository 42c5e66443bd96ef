"""One attempt against a real server: what is sent, and what the disk has to say before and during."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from oort.policy import state
from oort.policy.doubt import NO_DOUBT
from oort.policy.outcome import (
    Changed,
    FoundSame,
    Gone,
    Interrupted,
    NameReserved,
    NotAllowed,
    RootMissing,
    Stored,
    Unreadable,
)
from oort.remote import Remote
from oort.values import RelPath
from tests.support.attempts import API
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from oort.values import Sha256
    from tests.support.attempts import Night

LARGE = 6 * 1024 * 1024


def test_a_file_is_stored_whole_with_its_hash_and_tags(night: Night) -> None:
    content = bytes(range(256)) * 1000
    night.watch_with(tags=("M31", "first light"), raw=False)
    outcome = night.bring("L/M31_0001.fits", content).outcome
    assert isinstance(outcome, Stored), outcome
    assert outcome.http_status == 201
    assert outcome.bytes_sent > len(content)
    assert not outcome.note
    (stored,) = night.stored()
    assert stored["sha256"] == outcome.sha256 == hashlib.sha256(content).hexdigest()
    assert stored["name"] == outcome.remote_name == "M31_0001.fits"
    assert stored["is_raw"] is False
    assert stored["tags"] == [
        f"arcsecond|sha256|{outcome.sha256}",
        f"oort|root|{night.watch.path}",
        "oort|folder|dome/L",
        "oort|origin|dome-pc",
        "oort|uploader|stargazer",
        "oort|version|5.0.0",
        "M31",
        "first light",
    ]


def test_a_stored_file_leaves_no_doubt(night: Night) -> None:
    assert night.bring("a.fits").doubt == NO_DOUBT


def test_the_row_is_uploading_before_the_first_byte(night: Night) -> None:
    night.bring("a.fits", state=state.CHECKING)
    assert night.around.states == ["syncing dataset...", "uploading..."]
    after, name, uuid = night.around.entered[-1]
    assert (after, name, uuid) == (state.UPLOADING, night.watch.dataset, night.dataset)


def test_a_row_that_was_claimed_straight_into_uploading_costs_no_further_step(
    night: Night,
) -> None:
    night.bring("a.fits")
    night.around.entered.clear()
    night.write("b.fits")
    row = night.row(
        "b.fits",
        state=state.UPLOADING,
        dataset_name=night.watch.dataset,
        dataset_uuid=night.dataset,
    )
    assert isinstance(night.try_once(row).outcome, Stored)
    assert night.around.entered == []
    assert len(night.sandbox.requests("GET", "/datasets/")) == 3  # 2 of the first file, 1 of ours


def test_progress_grows_up_to_the_whole_form(night: Night) -> None:
    outcome = night.bring("a.fits", bytes(LARGE)).outcome
    assert isinstance(outcome, Stored)
    progressed = night.around.progressed
    assert progressed == sorted(progressed)
    assert progressed[0] == 0
    assert progressed[-1] == outcome.bytes_sent


def test_names_that_are_no_plain_ascii_arrive(night: Night) -> None:
    for name in ("Ångström 1.fits", 'a"b\n.fits', "100%,|.fits"):
        assert isinstance(night.bring(name).outcome, Stored)
    names = {file["name"] for file in night.stored()}
    assert "Ångström 1.fits" in names
    assert len(names) == 3


@pytest.mark.linux
def test_a_name_that_is_no_utf8_arrives_as_words_and_is_noted(night: Night) -> None:
    path = os.path.join(os.fsencode(night.watch.path), b"bad\xff.fits")  # noqa: PTH118  # bytes
    with open(path, "wb") as file:  # noqa: PTH123  # bytes
        file.write(b"content")
    outcome = night.try_once(night.row(os.fsdecode(b"bad\xff.fits"))).outcome
    assert isinstance(outcome, Stored), outcome
    # Everything up to the last backslash is cut by the server.
    assert outcome.remote_name == "xff.fits"
    assert outcome.note == "stored as xff.fits"


# -- what this host's rules leave out ------------------------------------------------------------


@pytest.mark.parametrize("path", [b"../secret", b"/etc/hostname", b"a/../../secret", b"a//b"])
def test_a_row_that_leads_out_of_the_folder_is_refused(night: Night, path: bytes) -> None:
    night.write("a.fits")
    (night.watch.path.parent / "secret").write_bytes(b"not to be sent")
    row = replace(night.row("a.fits"), rel_path=RelPath(path))
    assert isinstance(night.try_once(row).outcome, NotAllowed)
    assert night.sandbox.uploads() == []


def test_a_link_that_leads_out_of_the_folder_is_refused(night: Night) -> None:
    outside = night.watch.path.parent / "outside.fits"
    outside.write_bytes(b"not to be sent")
    (night.watch.path / "link.fits").symlink_to(outside)
    assert isinstance(night.try_once(night.row("link.fits")).outcome, NotAllowed)
    night.watch_with(follow_symlinks=True)
    assert isinstance(night.try_once(night.row("link.fits")).outcome, Stored)


def test_what_this_hosts_rules_leave_out_is_refused_unopened(night: Night) -> None:
    night.around.rule = "*.tmp is always excluded"
    outcome = night.bring("a.tmp").outcome
    assert isinstance(outcome, NotAllowed)
    assert "*.tmp" in outcome.reason
    assert night.sandbox.requests() == []


# -- the file on the disk ------------------------------------------------------------------------


def test_another_size_than_the_rows_is_another_version(night: Night) -> None:
    night.write("a.fits", b"first")
    row = night.row("a.fits")
    night.write("a.fits", b"second")
    assert isinstance(night.try_once(row).outcome, Changed)
    assert night.sandbox.requests() == []


def test_another_mtime_than_the_rows_is_another_version(night: Night) -> None:
    path = night.write("a.fits")
    row = night.row("a.fits")
    os.utime(path, ns=(row.mtime_ns + 1, row.mtime_ns + 1))
    assert isinstance(night.try_once(row).outcome, Changed)


def _while_sending(night: Night, act: Callable[[], object]) -> None:
    """Do something when half of the file has left: the throttle is where an attempt can be held."""
    done = False
    take = night.around.throttle.take

    def take_and_act(count: int, stop: threading.Event) -> bool:
        nonlocal done
        if sum(night.around.progressed) > LARGE // 4 and not done:
            done = True
            act()
        return take(count, stop)

    night.around.throttle.take = take_and_act  # type: ignore[assignment,method-assign]  # a point in time, not a behaviour


@pytest.mark.parametrize(
    "how",
    ["grown", "truncated", "replaced", "touched", "removed", "rewritten with its time set back"],
)
def test_a_file_that_changes_while_it_is_sent_is_never_completed(night: Night, how: str) -> None:
    path = night.write("a.fits", bytes(LARGE))
    row = night.row("a.fits")

    def act() -> None:
        if how == "grown":
            with path.open("ab") as file:
                file.write(b"more")
        elif how == "truncated":
            os.truncate(path, LARGE // 2)
        elif how == "replaced":
            other = night.write("other.part", bytes(LARGE))
            os.utime(other, ns=(row.mtime_ns, row.mtime_ns))
            other.replace(path)
        elif how == "touched":
            os.utime(path, ns=(row.mtime_ns + 5, row.mtime_ns + 5))
        elif how == "rewritten with its time set back":
            path.write_bytes(b"x" * LARGE)
            os.utime(path, ns=(row.mtime_ns, row.mtime_ns))
        else:
            path.unlink()

    _while_sending(night, act)
    carried = night.try_once(row)
    assert isinstance(carried.outcome, Changed), carried.outcome
    assert carried.doubt == NO_DOUBT
    (upload,) = wait_until(lambda: [u for u in night.sandbox.uploads() if u["done"]])
    assert not upload["body_complete"]
    assert night.stored() == []


@pytest.mark.parametrize("how", ["mode", "another hard link"])
def test_what_leaves_the_content_alone_does_not_cost_the_upload(night: Night, how: str) -> None:
    path = night.write("a.fits", bytes(LARGE))

    def act() -> None:
        if how == "mode":
            path.chmod(0o640)
        else:
            path.with_name("copy.part").hardlink_to(path)

    _while_sending(night, act)
    assert isinstance(night.try_once(night.row("a.fits")).outcome, Stored)
    assert len(night.sandbox.uploads()) == 1


@pytest.mark.linux
def test_a_file_that_somebody_writes_is_not_sent(night: Night) -> None:
    path = night.write("a.fits", bytes(LARGE))
    writing = Changed("a program has it open for writing")
    row = night.row("a.fits")

    with path.open("r+b"):
        assert night.try_once(row).outcome == writing
        assert not night.sandbox.uploads()
        assert isinstance(night.try_once(replace(row, forced=True)).outcome, Stored)
    assert len(night.sandbox.uploads()) == 1


@pytest.mark.linux
def test_a_file_that_somebody_opens_for_writing_meanwhile_is_never_completed(night: Night) -> None:
    path = night.write("a.fits", bytes(LARGE))
    with contextlib.ExitStack() as opened:
        _while_sending(night, lambda: opened.enter_context(path.open("r+b")))
        outcome = night.try_once(night.row("a.fits")).outcome

    assert isinstance(outcome, Changed)
    assert outcome.reason == "a program has it open for writing"
    assert night.stored() == []


def test_a_file_that_is_gone_is_looked_for_twice(night: Night) -> None:
    path = night.write("a.fits")
    row = night.row("a.fits")
    path.unlink()
    night.around.on_wait = lambda: path.write_bytes(b"again")
    assert isinstance(night.try_once(row).outcome, Changed)  # it is there again, as another version


def test_a_file_that_is_gone_and_was_never_sent_is_gone_without_a_question(night: Night) -> None:
    path = night.write("a.fits")
    row = night.row("a.fits")
    path.unlink()
    assert isinstance(night.try_once(row).outcome, Gone)
    assert night.sandbox.requests() == []


def test_a_file_that_is_gone_here_and_stored_there_is_found(night: Night) -> None:
    night.bring("a.fits")
    row = night.row("a.fits", may_be_stored=True, dataset_uuid=night.dataset)
    (night.watch.path / "a.fits").unlink()
    outcome = night.try_once(row).outcome
    assert isinstance(outcome, FoundSame), outcome
    assert outcome.ours
    assert outcome.unproven  # nobody can hash the local file any more
    assert outcome.sha256 == night.stored()[0]["sha256"]


def test_a_file_that_is_gone_and_may_be_stored_is_asked_for(night: Night) -> None:
    night.bring("other.fits")
    path = night.write("a.fits")
    row = night.row("a.fits", may_be_stored=True, dataset_uuid=night.dataset)
    path.unlink()
    outcome = night.try_once(row).outcome
    assert isinstance(outcome, Gone)
    assert "the server has not got it" in outcome.reason


def test_a_missing_folder_says_nothing_of_the_file(night: Night) -> None:
    night.write("a.fits")
    row = night.row("a.fits")
    night.watch.path.rename(night.watch.path.with_name("unmounted"))
    assert isinstance(night.try_once(row).outcome, RootMissing)


def test_an_emptied_mount_point_says_nothing_of_the_file(night: Night) -> None:
    night.write("a.fits")
    row = night.row("a.fits")
    (night.watch.path / "a.fits").unlink()
    night.around.trouble = "it is empty and not the folder that it was"
    assert isinstance(night.try_once(row).outcome, RootMissing)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_unreadable(night: Night) -> None:
    path = night.write("a.fits")
    row = night.row("a.fits")
    path.chmod(0)
    outcome = night.try_once(row).outcome
    assert isinstance(outcome, Unreadable)
    assert "Permission denied" in outcome.reason


@pytest.mark.parametrize(
    ("trouble", "ended"), [(None, Unreadable), ("it is not mounted", RootMissing)]
)
def test_an_error_of_the_disk_amid_an_attempt_is_the_folders_where_that_is_in_trouble(
    night: Night, trouble: str | None, ended: type
) -> None:
    def reserved(_dataset: str, _sha256: Callable[[], Sha256]) -> NameReserved:
        raise OSError(errno.EHOSTDOWN, "Host is down")

    night.around.reserved = reserved
    night.around.trouble = trouble
    carried = night.bring("a.fits", ask_first=True)
    assert isinstance(carried.outcome, ended), carried.outcome
    assert carried.doubt.ask_first


# -- the name in the dataset ---------------------------------------------------------------------


def test_a_reserved_name_is_told_before_a_byte_is_sent(night: Night) -> None:
    def reserved(dataset: str, sha256: Callable[[], Sha256]) -> NameReserved:
        assert dataset == night.dataset
        verdict = state.ALREADY_SYNCED if sha256() == expected else state.NAME_CONFLICT
        return NameReserved("/data/L/a.fits", verdict, sha256=sha256())

    expected = hashlib.sha256(b"same").hexdigest()
    night.around.reserved = reserved
    outcome = night.bring("a.fits", b"same").outcome
    assert isinstance(outcome, NameReserved)
    assert outcome.is_same
    assert night.sandbox.uploads() == []


# -- stopping ------------------------------------------------------------------------------------


def test_nothing_begins_when_it_is_time_to_stop(night: Night) -> None:
    night.around.stop.set()
    assert isinstance(night.bring("a.fits").outcome, Interrupted)
    assert night.sandbox.requests() == []


def test_a_cut_upload_is_reset_and_leaves_a_doubt(night: Night) -> None:
    night.sandbox.rule(path="/datafiles/", read_bytes_per_s=10_000)
    remote = Remote(API, connect_timeout_s=5, read_timeout_s=20)
    watcher = threading.Thread(
        target=lambda: (
            wait_until(lambda: night.around.progressed[-1:] > [100_000]),
            remote.cancel(),
        )
    )
    watcher.start()
    night.write("a.fits", bytes(LARGE))
    carried = night.try_once(night.row("a.fits"), remote)
    watcher.join()
    remote.close()
    assert isinstance(carried.outcome, Interrupted), carried.outcome
    assert carried.outcome.bytes_sent > 100_000
    assert carried.doubt.may_be_stored
    assert not carried.doubt.body_complete
    night.sandbox.clear()


def test_a_cut_while_the_answer_is_awaited_leaves_a_complete_body_in_doubt(night: Night) -> None:
    night.sandbox.rule(method="POST", path="/datafiles/", delay_s=30)
    remote = Remote(API, connect_timeout_s=5, read_timeout_s=60)
    watcher = threading.Thread(
        target=lambda: (
            wait_until(lambda: [u for u in night.sandbox.uploads() if u["body_complete"]]),
            remote.cancel(),
        )
    )
    watcher.start()
    night.write("a.fits")
    carried = night.try_once(night.row("a.fits"), remote)
    watcher.join()
    remote.close()
    assert isinstance(carried.outcome, Interrupted), carried.outcome
    assert carried.doubt.must_be_asked_again


def test_a_cut_attempt_does_not_cut_the_next_one(night: Night) -> None:
    remote = Remote(API, connect_timeout_s=5, read_timeout_s=20)
    remote.cancel()
    night.write("a.fits")
    assert isinstance(night.try_once(night.row("a.fits"), remote).outcome, Stored)
    remote.close()


def test_a_paused_bandwidth_can_be_cut(night: Night) -> None:
    night.around.throttle.set_rate(0)
    remote = Remote(API, connect_timeout_s=5, read_timeout_s=20)
    watcher = threading.Thread(
        target=lambda: (
            wait_until(lambda: "uploading..." in night.around.states),
            remote.cancel(),
        )
    )
    watcher.start()
    night.write("a.fits")
    carried = night.try_once(night.row("a.fits"), remote)
    watcher.join()
    remote.close()
    assert isinstance(carried.outcome, Interrupted)
    assert not carried.doubt.may_be_stored  # not a byte went out
