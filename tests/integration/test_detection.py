"""All watches together, on a real queue: who waits for whom, and whose a file is."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING

import pytest

from oort.clock import SystemClock
from oort.daemon.detection import Detection
from oort.detect.mounts import ask_disk
from oort.locations import Locations
from oort.policy import state
from oort.policy.outcome import Changed
from oort.policy.version import FileVersion, RelPath
from oort.settings import Settings
from oort.values import Watch
from tests.support import mounted
from tests.support.fakes import FakeClock
from tests.support.rows import all_rows, claim, end, settle
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from oort.policy.state import State
    from oort.queue.opening import OpenQueue


@pytest.fixture
def dome(tmp_path: Path) -> Path:
    folder = tmp_path / "dome"
    (folder / "m31/deep").mkdir(parents=True)
    return folder


def detection_of(
    opened: OpenQueue, folder: Path, clock: SystemClock | FakeClock | None = None
) -> Detection:
    return Detection(
        opened.queue,
        clock or SystemClock(),
        Locations(folder / "config", folder / "state"),
        on_news=lambda: None,
        settings=Settings(),
        database_file=None,
    )


@pytest.fixture
def detection(tmp_path: Path, opened: OpenQueue) -> Iterator[Detection]:
    made = detection_of(opened, tmp_path)
    yield made
    made.begin_stop()
    made.stop()


def nested(dome: Path, *, new_only: bool = False) -> Settings:
    return Settings(
        watches=(
            Watch("dome", dome, polling=True),
            Watch("m31", dome / "m31", polling=True, new_only=new_only),
            Watch("deep", dome / "m31/deep", polling=True, enabled=False),
        )
    )


def states(opened: OpenQueue) -> dict[str, State]:
    return {row["path_text"]: row.state for row in all_rows(opened)}


def test_settings_are_taken_while_the_queue_cannot_be_written(
    detection: Detection, opened: OpenQueue, dome: Path
) -> None:
    began, goes_on = threading.Event(), threading.Event()

    def hang(_: Connection) -> None:
        began.set()
        goes_on.wait(60)

    hanging = threading.Thread(target=opened.queue.change, args=(hang,))
    hanging.start()
    assert began.wait(60)
    applying = threading.Thread(target=detection.apply, args=(nested(dome),))
    applying.start()
    applying.join(30)
    looking = threading.Thread(target=detection.look_again, args=("dome", b"a.fits"))
    looking.start()
    looking.join(30)

    try:
        assert not applying.is_alive()
        assert not looking.is_alive()
        assert detection.is_alive
    finally:
        goes_on.set()
        hanging.join()


def test_a_file_belongs_to_the_innermost_watch(detection: Detection, dome: Path) -> None:
    detection.apply(nested(dome))

    assert detection.owner_of("dome", b"a.fits") is None
    assert detection.owner_of("dome", b"m31/a.fits") == "m31"
    assert detection.owner_of("dome", b"m31/deep/a.fits") == "deep"
    assert detection.owner_of("m31", b"deep/a.fits") == "deep"
    assert detection.owner_of("m31", b"a.fits") is None
    assert detection.owner_of("gone", b"a.fits") is None


def test_a_watch_that_is_held_takes_nothing_over(
    detection: Detection, opened: OpenQueue, dome: Path
) -> None:
    detection.apply(nested(dome, new_only=True))
    assert detection.told("m31")["state"] == "held"
    assert detection.owner_of("dome", b"m31/a.fits") is None

    opened.queue.memory.baseline("m31", bytes(dome / "m31"), [])
    detection.apply(nested(dome, new_only=True))
    assert detection.told("m31")["state"] != "held"
    assert detection.owner_of("dome", b"m31/a.fits") == "m31"


def test_what_a_worker_gives_up_is_seen_by_the_watch_inside_at_once(
    detection: Detection, opened: OpenQueue, dome: Path
) -> None:
    """It passed the file over while the outer watch had it in hand."""
    file = dome / "m31/a.fits"
    file.write_bytes(b"not empty")
    seen = FileVersion.of(RelPath(b"m31/a.fits"), file.stat())
    settle(opened, seen, root=bytes(dome))
    (upload,) = claim(opened)
    settings = dataclasses.replace(nested(dome), poll_s=3600.0)
    detection.apply(settings)
    wait_until(lambda: detection.told("m31")["last_scan_at"] is not None, timeout_s=60)
    wait_until(lambda: detection.told("dome")["last_scan_at"] is not None, timeout_s=60)
    assert opened.queue.known("m31", [RelPath(b"a.fits")]) == {}

    end(opened, upload, Changed('it belongs to the watch "m31" now'))
    detection.look_again("dome", b"m31/a.fits")

    wanted = {"m31/a.fits": state.IGNORED, "a.fits": state.PENDING}
    wait_until(lambda: states(opened) == wanted, timeout_s=60, what=lambda: str(states(opened)))


def test_a_watch_that_comes_elsewhere_has_nothing_scanned_again(
    detection: Detection, opened: OpenQueue, dome: Path
) -> None:
    alone = Settings(watches=(Watch("dome", dome, polling=True),), poll_s=3600.0)
    detection.apply(alone)
    wait_until(lambda: detection.told("dome")["last_scan_at"] is not None, timeout_s=60)
    scanned_at = detection.told("dome")["last_scan_at"]
    elsewhere = Watch("elsewhere", dome.parent / "elsewhere", polling=True)
    detection.apply(dataclasses.replace(alone, watches=(*alone.watches, elsewhere)))
    (dome / "a.fits").write_bytes(b"not empty")
    detection.look_again("dome", b"a.fits")
    wait_until(lambda: states(opened) == {"a.fits": state.PENDING}, timeout_s=60)

    assert detection.told("dome")["last_scan_at"] == scanned_at


@pytest.mark.parametrize("is_same", [True, False], ids=["the same folder", "another folder"])
def test_a_restart_does_not_forget_when_a_folder_was_last_read_in_full(
    opened: OpenQueue, tmp_path: Path, *, is_same: bool
) -> None:
    """The folder is away, so that no scan tells anything new."""
    away, before = tmp_path / "away", "2026-11-22T21:30:00.000Z"
    memory = opened.queue.memory
    memory.note("watches", {"dome": {"whole_scan_at": before}}).result()
    memory.remember("dome", bytes(away if is_same else tmp_path), scanned=True)
    detection = detection_of(opened, tmp_path)

    detection.apply(Settings(watches=(Watch("dome", away),)))

    told = detection.told("dome")
    detection.begin_stop()
    assert detection.stop()
    assert told["whole_scan_at"] == (before if is_same else None)
    assert told["last_scan_at"] is None


@pytest.mark.linux
def test_a_share_that_does_not_answer_lies_where_it_lay(
    detection: Detection, opened: OpenQueue, tmp_path: Path
) -> None:
    server, linked = tmp_path / "server", tmp_path / "linked"
    (server / "m31").mkdir(parents=True)
    with mounted.share(server, tmp_path / "share") as share:
        linked.symlink_to(share.place)
        settings = Settings(
            watches=(
                Watch("dome", linked, polling=True),
                Watch("m31", share.place / "m31", polling=True),
            )
        )
        detection.apply(settings)
        assert detection.owner_of("dome", b"m31/a.fits") == "m31"
        share.stall()
        wait_until(lambda: ask_disk(share.place.stat) is None, timeout_s=60)
        try:
            detection.apply(settings)
            assert detection.owner_of("dome", b"m31/a.fits") == "m31"
            anew = detection_of(opened, tmp_path)
            anew.apply(settings)
            assert anew.owner_of("dome", b"m31/a.fits") == "m31"
            anew.begin_stop()
        finally:
            share.go_on()
        assert anew.stop()


def test_a_process_that_was_stopped_calls_no_disk_silent(
    opened: OpenQueue, tmp_path: Path, dome: Path
) -> None:
    clock = FakeClock()
    detection = detection_of(opened, tmp_path, clock)
    detection.apply(Settings(watches=(Watch("dome", dome, polling=True),)))
    try:
        wait_until(lambda: detection.told("dome")["state"] == "polling", timeout_s=60)
        detection.listen()
        clock.advance(60)  # the intake rests, and could not note anything since
        detection.listen()
        assert detection.silent == frozenset()
        assert detection.told("dome")["state"] == "polling"
    finally:
        detection.begin_stop()
        assert detection.stop()
