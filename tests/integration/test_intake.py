"""Detection of one watch: a real folder and a real queue, the clock moved by hand."""

from __future__ import annotations

import dataclasses
import gzip
import os
import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from oort.clock import SystemClock
from oort.daemon.intake import Intake
from oort.daemon.intake_values import Callbacks, IntakeOptions, Neighbours
from oort.detect import ground as ground_module
from oort.detect.familiar import BELIEVED_S
from oort.detect.mounts import look_at_root
from oort.detect.silence import SILENT_S
from oort.errors import QueueError
from oort.policy import state
from oort.policy.outcome import Changed, Gone
from oort.policy.state import State, Status, Substatus
from oort.policy.version import RelPath
from oort.queue import orders
from oort.queue.models import TRANSITIONS, UPLOADS
from oort.queue.orders import Which
from oort.values import FileVersion, Watch
from tests.support.fakes import FakeClock
from tests.support.formats import fits_bytes
from tests.support.rows import claim, end
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from oort.daemon.intake_values import DetectionQueue
    from oort.detect.mounts import RootIdentity, RootLook
    from oort.policy.nesting import Kin
    from oort.policy.sighting import KnownRow, Sighting
    from oort.queue.opening import OpenQueue
    from oort.queue.store import Queue

CALM = IntakeOptions()
"""The defaults."""


class Breaking:
    """The real queue, with a switch that takes it away."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.away = False
        self.noted = 0
        self.asked: list[bytes] = []

    def _check(self) -> None:
        if self.away:
            raise QueueError("the disk is full")

    def known(
        self, watch: str, rel_paths: Sequence[RelPath], kin: Sequence[Kin] = ()
    ) -> Mapping[RelPath, KnownRow]:
        self._check()
        self.asked += rel_paths
        return self._queue.known(watch, rel_paths, kin)

    def note(self, watch: str, root: bytes, sightings: Sequence[Sighting]) -> None:
        self._check()
        self._queue.note(watch, root, sightings)
        self.noted += len(sightings)

    def hand_over(self, watch: str, way: bytes, to: str) -> int:
        self._check()
        return self._queue.hand_over(watch, way, to)

    def settling(self, watch: str) -> Sequence[FileVersion]:
        self._check()
        return self._queue.settling(watch)


class Rig:
    """One intake, stepped by hand; it polls unless a test wants real events."""

    def __init__(self, root: Path, opened: OpenQueue) -> None:
        self.root = root
        self.opened = opened
        self.queue = Breaking(opened.queue)
        self.clock = FakeClock()
        self.scanned: list[bool] = []
        self.roots: list[RootIdentity] = []
        self.settled = 0
        self.watch = Watch("w", root, polling=True)
        self.intake = self.new()

    def new(self, *, first_scan: bool = False, **changes: Any) -> Intake:
        """Replace the intake, as a restart of the daemon does."""
        if hasattr(self, "intake"):
            self.intake.close()
        options = changes.pop("options", CALM)
        identity = changes.pop("root_identity", None)
        self.watch = dataclasses.replace(self.watch, **changes)
        self.intake = Intake(
            self.watch,
            self.queue,
            self.clock,
            options=options,
            neighbours=Neighbours(),
            callbacks=Callbacks(
                on_scanned=self.scanned.append,
                on_root=self.roots.append,
                on_settled=self.count,
                describe=lambda _version, header: ("2026-11-23", header.get("OBJECT")),
            ),
            first_scan=first_scan,
            root_identity=identity,
        )
        return self.intake

    def count(self) -> None:
        self.settled += 1

    def step(self) -> None:
        """Work until there is nothing to do at this moment."""
        for _ in range(1000):
            if self.intake.step() > 0:
                return
        raise AssertionError("the intake never rests")

    def pass_(self, seconds: float) -> None:
        """Let time pass, working whenever there is something to do."""
        until = self.clock.monotonic() + seconds
        for _ in range(100_000):
            wait_s = self.intake.step()
            left = until - self.clock.monotonic()
            if wait_s > left:
                break
            self.clock.advance(wait_s)
        self.clock.advance(max(0.0, until - self.clock.monotonic()))
        self.step()

    def rows(self) -> dict[str, State]:
        with self.opened.readers.connect() as connection:
            rows = connection.execute(select(UPLOADS).order_by(UPLOADS.c.id)).mappings()
            return {
                row["path_text"]: State(Status(row["status"]), Substatus(row["substatus"]))
                for row in rows
            }

    def row(self, path: str) -> Any:
        with self.opened.readers.connect() as connection:
            query = select(UPLOADS).where(UPLOADS.c.path_text == path).order_by(UPLOADS.c.id.desc())
            return connection.execute(query).mappings().first()

    def causes(self, path: str) -> list[str]:
        with self.opened.readers.connect() as connection:
            query = select(TRANSITIONS.c.cause).where(
                TRANSITIONS.c.upload_id == self.row(path)["id"]
            )
            return list(connection.execute(query.order_by(TRANSITIONS.c.id)).scalars())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    root.mkdir()
    return root


@pytest.fixture
def rig(root: Path, opened: OpenQueue) -> Iterator[Rig]:
    rig = Rig(root, opened)
    yield rig
    rig.intake.close()


def test_a_quiet_file_is_seen_at_once_and_complete_after_its_quiet_time(
    rig: Rig, root: Path
) -> None:
    (root / "a.fits").write_bytes(fits_bytes(header={"OBJECT": "M31"}))

    rig.pass_(0)
    assert rig.rows() == {"a.fits": state.SETTLING}
    rig.pass_(1.9)
    assert rig.rows() == {"a.fits": state.SETTLING}
    rig.pass_(0.2)

    assert rig.rows() == {"a.fits": state.PENDING}
    row = rig.row("a.fits")
    assert (row["header"], row["night"], row["dataset_name"]) == (
        {"OBJECT": "M31"},
        "2026-11-23",
        "M31",
    )
    assert rig.causes("a.fits") == [
        "a scan found it",
        "complete: not changed for 2.0 s, whole FITS",
    ]
    assert rig.settled == 1


def test_a_settle_time_of_the_watch_itself_wins(rig: Rig, root: Path) -> None:
    rig.new(settle_s=7.0)
    (root / "a.txt").write_bytes(b"x")

    rig.pass_(6.9)
    assert rig.rows() == {"a.txt": state.SETTLING}
    rig.pass_(0.2)
    assert rig.rows() == {"a.txt": state.PENDING}


def test_a_file_that_grows_goes_on_settling(rig: Rig, root: Path) -> None:
    path = root / "a.txt"
    path.write_bytes(b"x")
    rig.pass_(1.5)
    path.write_bytes(b"xy")
    rig.pass_(1.5)
    path.write_bytes(b"xyz")
    rig.pass_(1.5)

    assert rig.rows() == {"a.txt": state.SETTLING}
    rig.pass_(2.1)
    assert rig.rows() == {"a.txt": state.PENDING}
    assert rig.row("a.txt")["size"] == 3


@pytest.mark.linux
def test_a_file_that_somebody_writes_waits_however_quiet_it_is(rig: Rig, root: Path) -> None:
    with (root / "a.fits").open("wb") as file:
        file.write(fits_bytes())
        file.flush()
        rig.pass_(4000)
        assert rig.rows() == {"a.fits": state.SETTLING}
    rig.pass_(31)

    assert rig.rows() == {"a.fits": state.PENDING}


def test_a_short_file_waits_then_a_person_is_told_and_any_change_makes_it_settle_again(
    rig: Rig, root: Path
) -> None:
    path = root / "a.fits"
    path.write_bytes(fits_bytes(5000)[:4000])
    rig.pass_(3500)
    assert rig.rows() == {"a.fits": state.SETTLING}
    rig.pass_(200)

    assert rig.rows() == {"a.fits": state.TRUNCATED}
    assert rig.row("a.fits")["error"] == (
        "HDU 0 announces 5000 bytes of data; 3880 bytes are missing"
    )
    path.write_bytes(fits_bytes(5000))
    rig.pass_(20)
    assert rig.rows() == {"a.fits": state.PENDING}


def test_a_watch_without_structure_check_sends_a_short_file_with_its_header(
    rig: Rig, root: Path
) -> None:
    rig.new(check_structure=False)
    (root / "a.fits").write_bytes(fits_bytes(5000, header={"OBJECT": "M31"})[:4000])
    rig.pass_(3)

    assert rig.rows() == {"a.fits": state.PENDING}
    assert rig.row("a.fits")["header"] == {"OBJECT": "M31"}


def test_a_compressed_file_is_read_aside_while_others_go_on(rig: Rig, root: Path) -> None:
    (root / "a.fits.gz").write_bytes(gzip.compress(fits_bytes(header={"OBJECT": "M31"})))
    (root / "cut.gz").write_bytes(gzip.compress(b"x" * 1000)[:-5])
    (root / "b.txt").write_bytes(b"x")
    rig.pass_(2.1)
    assert rig.rows()["b.txt"] == state.PENDING

    def done() -> bool:
        rig.pass_(1)
        return rig.rows()["a.fits.gz"] == state.PENDING

    wait_until(done)
    assert rig.row("a.fits.gz")["header"] == {"OBJECT": "M31"}
    wait_until(lambda: rig.pass_(100) or rig.rows()["cut.gz"] == state.TRUNCATED)
    assert rig.row("cut.gz")["error"] == "the gzip data end before their end mark"


def test_a_file_that_vanishes_while_it_settles_is_looked_for_twice(rig: Rig, root: Path) -> None:
    (root / "a.txt").write_bytes(b"x")
    rig.pass_(1)
    (root / "a.txt").unlink()
    rig.pass_(1.5)
    assert rig.rows() == {"a.txt": state.SETTLING}
    rig.pass_(2.5)

    assert rig.rows() == {"a.txt": state.FILE_GONE}
    assert rig.row("a.txt")["error"] == "the file is gone: it was looked for twice"
    (root / "a.txt").write_bytes(b"x")
    rig.pass_(20)
    assert rig.rows() == {"a.txt": state.PENDING}


def test_nothing_is_gone_while_the_watched_folder_is_missing(rig: Rig, root: Path) -> None:
    (root / "a.txt").write_bytes(b"x")
    rig.pass_(1)
    root.rename(root.parent / "away")
    rig.pass_(600)

    assert rig.rows() == {"a.txt": state.SETTLING}
    assert (rig.intake.news.state, rig.intake.news.reason) == ("missing", f"{root} is not there")

    (root.parent / "away").rename(root)
    rig.pass_(10)
    assert rig.rows() == {"a.txt": state.PENDING}
    assert rig.intake.news.state == "polling"


def test_an_empty_folder_at_its_place_is_a_disk_that_is_not_mounted(rig: Rig, root: Path) -> None:
    (root / "a.txt").write_bytes(b"x")
    rig.pass_(1)
    root.rename(root.parent / "away")
    root.mkdir()
    rig.pass_(600)

    assert rig.rows() == {"a.txt": state.SETTLING}
    assert rig.intake.news.state == "missing"
    root.rmdir()
    (root.parent / "away").rename(root)
    rig.pass_(10)
    assert rig.rows() == {"a.txt": state.PENDING}
    assert len(rig.roots) == 1


def test_an_unmounted_disk_is_missed_after_a_restart_too(rig: Rig, root: Path) -> None:
    (root / "a.txt").write_bytes(b"x")
    rig.pass_(1)
    shutil.rmtree(root)
    (root.parent / "filler").mkdir()  # so that the inode is not used again at once
    root.mkdir()
    rig.new(root_identity=rig.roots[-1]._replace(ino=1))
    rig.pass_(600)

    assert rig.intake.news.state == "missing"
    assert rig.rows() == {"a.txt": state.SETTLING}


def test_another_folder_with_files_is_taken_over(rig: Rig, root: Path) -> None:
    (root / "a.txt").write_bytes(b"x")
    rig.pass_(10)
    other = root.parent / "other"
    other.mkdir()
    (other / "b.txt").write_bytes(b"x")
    root.rename(root.parent / "away")
    other.rename(root)
    rig.pass_(10)

    assert rig.rows() == {"a.txt": state.PENDING, "b.txt": state.PENDING}
    assert len(rig.roots) == 2
    assert rig.roots[-1].ino == root.stat().st_ino


def test_what_the_first_scan_finds_is_asked_for_first(rig: Rig, root: Path) -> None:
    rig.new(first_scan=True)
    (root / "old.txt").write_bytes(b"x")
    rig.pass_(3)
    (root / "new.txt").write_bytes(b"x")
    rig.pass_(20)

    assert rig.rows() == {"old.txt": state.PENDING, "new.txt": state.PENDING}
    assert [bool(rig.row(name)["ask_first"]) for name in ("old.txt", "new.txt")] == [True, False]
    assert rig.scanned[:2] == [True, False]


def test_what_was_settling_is_taken_up_after_a_restart(rig: Rig, root: Path) -> None:
    for name in ("stays.txt", "goes.txt"):
        (root / name).write_bytes(b"x")
    rig.pass_(1)
    rig.intake.close()
    (root / "goes.txt").unlink()
    rig.new()
    rig.pass_(10)

    assert rig.rows() == {"stays.txt": state.PENDING, "goes.txt": state.FILE_GONE}
    assert rig.causes("stays.txt") == ["a scan found it", "complete: not changed for 2.0 s"]


def test_what_the_queue_knows_is_not_told_again(rig: Rig, root: Path) -> None:
    for n in range(30):
        (root / f"{n}.txt").write_bytes(b"x")
    rig.pass_(10)
    noted = rig.queue.noted
    assert noted == 60
    scans = len(rig.scanned)
    rig.pass_(100)

    assert len(rig.scanned) > scans + 5
    assert rig.queue.noted == noted
    (root / "3.txt").write_bytes(b"xy")
    rig.pass_(15)
    assert rig.queue.noted == noted + 2


def test_while_the_queue_is_away_nothing_is_lost(rig: Rig, root: Path) -> None:
    (root / "early.txt").write_bytes(b"x")
    rig.pass_(1)
    rig.queue.away = True
    for n in range(50):
        (root / f"{n}.txt").write_bytes(b"x")
    rig.pass_(300)
    assert rig.rows() == {"early.txt": state.SETTLING}
    rig.queue.away = False
    rig.pass_(60)

    assert set(rig.rows().values()) == {state.PENDING}
    assert len(rig.rows()) == 51


def test_a_queue_that_is_away_from_the_start_is_waited_for(rig: Rig, root: Path) -> None:
    rig.queue.away = True
    (root / "a.txt").write_bytes(b"x")
    rig.pass_(100)
    rig.queue.away = False
    rig.pass_(60)

    assert rig.rows() == {"a.txt": state.PENDING}


def test_empty_files_get_no_row_until_there_is_something_in_them(rig: Rig, root: Path) -> None:
    (root / "a.txt").write_bytes(b"")
    rig.pass_(20)
    assert rig.rows() == {}
    assert rig.intake.news.left_out["empty"] == 1
    (root / "a.txt").write_bytes(b"x")
    rig.pass_(20)

    assert rig.rows() == {"a.txt": state.PENDING}


def test_a_file_that_was_emptied_waits_for_its_content(rig: Rig, root: Path) -> None:
    (root / "a.txt").write_bytes(b"x")
    rig.pass_(1)
    (root / "a.txt").write_bytes(b"")
    rig.pass_(1000)
    assert rig.rows() == {"a.txt": state.SETTLING}
    rig.pass_(3000)
    assert rig.rows() == {"a.txt": state.TRUNCATED}
    assert rig.row("a.txt")["error"] == "the file is empty"
    (root / "a.txt").write_bytes(b"xyz")
    rig.pass_(20)

    assert rig.rows() == {"a.txt": state.PENDING}


def test_other_rules_hold_at_once(rig: Rig, root: Path) -> None:
    (root / "a.log").write_bytes(b"x")
    (root / "b.txt").write_bytes(b"x")
    rig.pass_(1)
    changed = dataclasses.replace(rig.watch, exclude=("*.log",))
    rig.intake.reconfigure(changed, CALM, Neighbours())
    rig.pass_(5)

    assert rig.rows() == {"a.log": state.FILE_GONE, "b.txt": state.PENDING}
    assert rig.row("a.log")["error"] == "excluded by `*.log`"
    assert rig.intake.news.left_out["excluded"] == 1
    rig.intake.reconfigure(rig.watch, CALM, Neighbours())
    rig.pass_(5)
    assert rig.rows() == {"a.log": state.PENDING, "b.txt": state.PENDING}


def test_an_edit_that_does_not_concern_its_files_holds_up_none_of_them(
    rig: Rig, root: Path
) -> None:
    (root / "a.txt").write_bytes(b"x")
    for n in range(6):
        rig.pass_(0.5)
        tagged = dataclasses.replace(rig.watch, tags=(f"night {n}",), dataset=f"set {n}")
        rig.intake.reconfigure(tagged, CALM, Neighbours())
    rig.pass_(0)

    assert rig.rows() == {"a.txt": state.PENDING}
    assert len(rig.scanned) == 1


def test_another_patience_counts_from_when_the_file_became_quiet(rig: Rig, root: Path) -> None:
    rig.new(settle_s=60.0)
    (root / "a.txt").write_bytes(b"x")
    (root / "b.fits").write_bytes(fits_bytes()[:2880])
    rig.pass_(30)
    rig.intake.reconfigure(dataclasses.replace(rig.watch, settle_s=40.0), CALM, Neighbours())
    rig.pass_(9)
    assert rig.rows()["a.txt"] == state.SETTLING
    rig.pass_(2)
    assert rig.rows()["a.txt"] == state.PENDING
    rig.intake.reconfigure(
        dataclasses.replace(rig.watch, check_structure=False), CALM, Neighbours()
    )
    rig.pass_(20)

    assert rig.rows()["b.fits"] == state.PENDING


def test_another_interval_holds_at_once(rig: Rig, root: Path) -> None:
    rig.new(options=IntakeOptions(poll_s=3600))
    rig.pass_(1)
    (root / "a.txt").write_bytes(b"x")
    rig.intake.reconfigure(rig.watch, IntakeOptions(poll_s=5), Neighbours())
    rig.pass_(10)

    assert rig.rows() == {"a.txt": state.PENDING}


def given_away(root: Path) -> Neighbours:
    inner = frozenset({os.fsencode(root / "m31")})
    return Neighbours(inner=inner, given=((b"m31/", "m31"),))


def test_what_settles_is_handed_over_to_the_watch_that_has_it_now(rig: Rig, root: Path) -> None:
    (root / "m31").mkdir()
    (root / "m31/a.txt").write_bytes(b"x")
    (root / "b.txt").write_bytes(b"x")
    rig.pass_(1)
    rig.intake.reconfigure(rig.watch, CALM, given_away(root))
    rig.pass_(30)

    assert rig.rows() == {"m31/a.txt": state.IGNORED, "b.txt": state.PENDING}
    assert rig.causes("m31/a.txt")[-1] == 'it belongs to the watch "m31" now'


def test_what_comes_back_from_a_worker_is_handed_over_too(rig: Rig, root: Path) -> None:
    (root / "m31").mkdir()
    (root / "m31/a.txt").write_bytes(b"x")
    rig.pass_(10)
    (upload,) = claim(rig.opened, watches=("w",))
    rig.intake.reconfigure(rig.watch, CALM, given_away(root))
    rig.pass_(30)
    end(rig.opened, upload, Changed('it belongs to the watch "m31" now'))
    assert rig.rows() == {"m31/a.txt": state.SETTLING}
    rig.intake.look_again(b"m31/a.txt")
    rig.pass_(30)

    assert rig.rows() == {"m31/a.txt": state.IGNORED}


def test_what_another_watch_has_now_is_handed_over_after_all_that_was_seen_before(
    rig: Rig, root: Path
) -> None:
    (root / "m31").mkdir()
    (root / "m31/a.txt").write_bytes(b"x")
    (root / "b.txt").write_bytes(b"x")
    rig.pass_(1)
    rig.queue.away = True
    rig.pass_(60)  # both are quiet, which the queue cannot be told
    inner = frozenset({os.fsencode(root / "m31")})
    rig.intake.reconfigure(rig.watch, CALM, Neighbours(inner=inner, given=((b"m31/", "m31"),)))
    rig.pass_(100)
    rig.queue.away = False
    rig.pass_(60)

    assert rig.rows()["m31/a.txt"] == state.IGNORED
    assert rig.rows()["b.txt"] == state.PENDING


def test_a_handing_over_that_fails_is_tried_again(rig: Rig, root: Path) -> None:
    (root / "m31").mkdir()
    (root / "m31/a.txt").write_bytes(b"x")
    rig.pass_(10)
    assert rig.rows() == {"m31/a.txt": state.PENDING}
    rig.queue.away = True
    inner = frozenset({os.fsencode(root / "m31")})
    rig.intake.reconfigure(rig.watch, CALM, Neighbours(inner=inner, given=((b"m31/", "m31"),)))
    rig.pass_(100)
    rig.queue.away = False
    rig.pass_(60)

    assert rig.rows() == {"m31/a.txt": state.IGNORED}


@pytest.mark.linux
def test_names_of_any_bytes_come_through(rig: Rig, root: Path) -> None:
    names = [b"caf\xe9.fits", b"two\nlines", b"quote'\".fits", b"x" * 255]
    for name in names:
        with open(os.fsencode(root) + b"/" + name, "wb") as file:  # noqa: PTH123  # bytes
            file.write(b"data")
    os.mkfifo(root / "fifo")
    rig.pass_(3)

    assert set(rig.rows().values()) == {state.PENDING}
    assert sorted(rig.row("caf\\xe9.fits")["rel_path"]) == sorted(b"caf\xe9.fits")
    assert len(rig.rows()) == 4


def test_one_path_can_be_looked_at_again(rig: Rig, root: Path) -> None:
    rig.new(options=IntakeOptions(poll_s=3600))
    rig.pass_(1)
    (root / "deep").mkdir()
    (root / "deep" / "a.txt").write_bytes(b"x")
    (root / "b.txt").write_bytes(b"x")
    rig.intake.look_again(b"b.txt")
    rig.pass_(3)
    assert rig.rows() == {"b.txt": state.PENDING}
    rig.intake.look_again(b"deep")
    rig.pass_(3)

    assert rig.rows() == {"b.txt": state.PENDING, "deep/a.txt": state.PENDING}


@pytest.mark.parametrize("how", ["named", "found by the next scan"])
def test_a_row_that_came_back_to_settling_is_looked_after_when_its_file_is_gone(
    rig: Rig, root: Path, how: str
) -> None:
    """It was deleted while it was sent: no event and no scan names it any more."""
    rig.new(options=IntakeOptions(poll_s=3600 if how == "named" else 10))
    (root / "a.txt").write_bytes(b"x")
    rig.pass_(5)
    (upload,) = claim(rig.opened, watches=("w",))
    (root / "a.txt").unlink()
    rig.pass_(30)
    end(rig.opened, upload, Changed("the file changed while it was being sent"))
    assert rig.rows() == {"a.txt": state.SETTLING}
    if how == "named":
        rig.intake.look_again(b"a.txt")
    rig.pass_(30)

    assert rig.rows() == {"a.txt": state.FILE_GONE}


def test_a_scan_that_is_asked_for_comes_when_the_last_ones_cost_allows(
    rig: Rig, root: Path
) -> None:
    rig.new(options=IntakeOptions(poll_s=3600))
    rig.pass_(1)
    assert len(rig.scanned) == 1
    (root / "a.txt").write_bytes(b"x")
    rig.intake.request_scan()
    rig.pass_(0)

    assert len(rig.scanned) == 2
    assert rig.rows() == {"a.txt": state.SETTLING}


def test_it_rests_when_there_is_nothing_to_do(rig: Rig) -> None:
    rig.new(options=IntakeOptions(poll_s=3600))
    rig.pass_(1)

    assert rig.intake.step() > 3


def test_an_hour_of_steps_of_the_wall_clock_changes_nothing(rig: Rig, root: Path) -> None:

    (root / "a.txt").write_bytes(b"x")
    rig.pass_(1)
    rig.clock.step(-4000 * 86_400)
    rig.pass_(1.2)

    assert rig.rows() == {"a.txt": state.PENDING}


# -- with real events ------------------------------------------------------------------------------


@pytest.fixture
def eventful(rig: Rig) -> Rig:
    rig.new(polling=False, options=IntakeOptions(rescan_s=86_400))
    rig.pass_(1)
    assert rig.intake.news.state == "watching"
    return rig


def until(rig: Rig, rows: Mapping[str, State]) -> None:
    """Step, with a little of the hand-moved time each, until the queue holds these rows."""

    def there() -> bool:
        rig.pass_(0.05)
        return rig.rows() == rows

    wait_until(there, what=lambda: str(rig.rows()))


@pytest.mark.linux
def test_a_whole_file_that_was_closed_goes_after_a_fifth_of_a_second(
    eventful: Rig, root: Path
) -> None:
    (root / "a.fits").write_bytes(fits_bytes())
    until(eventful, {"a.fits": state.PENDING})

    causes = eventful.causes("a.fits")
    assert causes[0] == "an event named it"
    assert causes[1].endswith("closed by its writer, whole FITS")
    took = float(causes[1].split(" for ")[1].split(" s")[0])
    assert took < 1.0


@pytest.mark.linux
def test_a_row_follows_its_file_to_a_new_name(eventful: Rig, root: Path) -> None:
    with (root / "a.new").open("wb") as file:
        file.write(b"x")
        file.flush()
        until(eventful, {"a.new": state.SETTLING})
        row_id = eventful.row("a.new")["id"]
        (root / "a.new").rename(root / "a.txt")
        until(eventful, {"a.txt": state.SETTLING})
    until(eventful, {"a.txt": state.PENDING})

    assert eventful.row("a.txt")["id"] == row_id


@pytest.mark.linux
def test_a_waiting_row_follows_too_and_a_folder_takes_its_files_along(
    eventful: Rig, root: Path
) -> None:
    (root / "one").mkdir()
    for n in range(3):
        (root / "one" / f"{n}.txt").write_bytes(b"x")
    until(eventful, {f"one/{n}.txt": state.PENDING for n in range(3)})
    (root / "one").rename(root / "two")
    until(eventful, {f"two/{n}.txt": state.PENDING for n in range(3)})

    assert eventful.causes("two/0.txt").count("renamed from one/0.txt") == 1


@pytest.mark.linux
def test_a_folder_that_is_moved_in_is_scanned_at_once(eventful: Rig, root: Path) -> None:
    outside = root.parent / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "a.txt").write_bytes(b"x")
    outside.rename(root / "in")

    until(eventful, {"in/deep/a.txt": state.PENDING})


@pytest.mark.linux
def test_lost_events_are_made_up_for_by_a_scan(eventful: Rig, root: Path) -> None:
    scans = len(eventful.scanned)
    eventful.intake._hints.lose("a test")
    (root / "a.txt").write_bytes(b"x")
    eventful.pass_(10)  # a new observer is not started more often than that

    assert len(eventful.scanned) > scans
    until(eventful, {"a.txt": state.PENDING})
    assert eventful.intake.news.state == "watching"


@pytest.mark.linux
def test_an_observer_that_died_is_replaced(eventful: Rig, root: Path) -> None:
    watcher = eventful.intake._observing._watcher
    assert watcher is not None
    for emitter in list(watcher._observer.emitters):
        emitter.stop()
    wait_until(lambda: not watcher.is_alive())
    (root / "a.txt").write_bytes(b"x")
    eventful.pass_(10)
    (root / "b.txt").write_bytes(b"x")

    until(eventful, {"a.txt": state.PENDING, "b.txt": state.PENDING})
    assert eventful.intake._observing._watcher is not watcher


@pytest.mark.linux
def test_a_folder_that_is_not_watched_gets_a_new_observer(eventful: Rig, root: Path) -> None:
    """As where a disk was mounted below, or a folder could not be read when it was met."""
    (root / "deep").mkdir()
    before = eventful.intake._observing._watcher
    assert before is not None
    wait_until(lambda: before.watched_folders() == 2)
    reader = before._observer._inotify_fd
    (group,) = [emitter._inotify for emitter in before._observer.emitters]
    reader.remove_callbacks([(max(reader._watch_for_wd), group._id)])
    wait_until(lambda: before.watched_folders() == 1)
    eventful.intake.request_scan()
    eventful.pass_(10)

    now = eventful.intake._observing._watcher
    assert now is not None
    assert now is not before
    assert now.watched_folders() == 2
    assert (eventful.intake.news.state, eventful.intake.news.reason) == ("watching", None)
    (root / "deep" / "a.txt").write_bytes(b"x")
    until(eventful, {"deep/a.txt": state.PENDING})


@pytest.mark.linux
def test_a_missed_event_has_the_observer_replaced_once_a_minute(eventful: Rig) -> None:
    for n in range(3):
        eventful.intake._missed.suspect(RelPath(b"%d.txt" % n), eventful.clock.monotonic())
        before = eventful.intake._observing._watcher
        eventful.pass_(10)
        replaced = eventful.intake._observing._watcher is not before
        assert replaced == (n == 0)
    before = eventful.intake._observing._watcher
    eventful.pass_(60)

    assert eventful.intake._observing._watcher is not before
    assert eventful.intake.news.state == "watching"


@pytest.mark.linux
def test_files_of_a_folder_that_is_made_anew_are_found(eventful: Rig, root: Path) -> None:
    shutil.rmtree(root)
    eventful.pass_(1)
    root.mkdir()
    (root / "a.txt").write_bytes(b"x")
    eventful.pass_(10)
    (root / "b.txt").write_bytes(b"x")

    until(eventful, {"a.txt": state.PENDING, "b.txt": state.PENDING})


@pytest.mark.linux
def test_many_missed_events_turn_to_polling_and_an_hour_without_turns_back(
    rig: Rig, root: Path
) -> None:
    """Folders behind links are scanned here, and give no events."""
    outside = root.parent / "outside"
    outside.mkdir()
    (root / "link").symlink_to(outside)
    rig.new(polling=False, follow_symlinks=True, options=IntakeOptions(rescan_s=100, poll_s=10))
    rig.pass_(1)
    assert rig.intake.news.reason == "no events come from 1 folders behind links"
    for n in range(6):
        (outside / f"{n}.txt").write_bytes(b"x")
    rig.pass_(70)

    assert rig.intake.news.missed_events == 6
    assert rig.intake.news.state == "polling"
    assert rig.intake.news.reason == (
        "events are not reliable here: 6 were missed; no events come from 1 folders behind links"
    )
    (outside / "late.txt").write_bytes(b"x")
    rig.pass_(15)
    assert rig.rows()["link/late.txt"] == state.PENDING
    rig.pass_(3700)
    assert rig.intake.news.state == "watching"


@pytest.mark.parametrize("after_s", [53, 70], ids=["suspected", "missed"])
def test_a_watch_that_is_told_to_poll_rests_although_events_were_missed_before(
    rig: Rig, root: Path, after_s: float
) -> None:
    """Whoever reads that events are not reliable sets `polling`; missed events are over by that."""
    outside = root.parent / "outside"
    outside.mkdir()
    (root / "link").symlink_to(outside)
    options = IntakeOptions(rescan_s=50, poll_s=10)
    rig.new(polling=False, follow_symlinks=True, options=options)
    rig.pass_(1)
    for n in range(6):
        (outside / f"{n}.txt").write_bytes(b"x")
    rig.pass_(after_s - 1)
    assert len(rig.rows()) == 6
    assert rig.intake.news.missed_events == (6 if after_s == 70 else 0)
    rig.intake.reconfigure(dataclasses.replace(rig.watch, polling=True), options, Neighbours())
    rig.pass_(4000)

    assert rig.intake.news.reason == "polling is set"
    assert rig.intake.step() > 0


@pytest.mark.linux
def test_files_that_events_announced_are_never_counted_as_missed(eventful: Rig, root: Path) -> None:
    with (root / "slow.txt").open("wb") as slow:  # announced while it was empty
        eventful.pass_(1)
        wait_until(lambda: eventful.pass_(0.1) or eventful.intake._missed._empty)
        slow.write(b"x")
        slow.flush()
        eventful.intake.request_scan()
        for n in range(20):
            (root / f"{n}.txt").write_bytes(b"x")
        wait_until(lambda: eventful.pass_(0.1) or len(eventful.rows()) == 21)
        eventful.pass_(30)

    assert eventful.intake.news.missed_events == 0


# -- as a thread -----------------------------------------------------------------------------------


def start(root: Path, queue: DetectionQueue, **callbacks: Any) -> Intake:
    intake = Intake(
        Watch("w", root),
        queue,
        SystemClock(),
        options=IntakeOptions(settle_s=0.2, settle_is_set=True),
        neighbours=Neighbours(),
        callbacks=Callbacks(**callbacks),
        first_scan=False,
    )
    intake.start()
    return intake


def test_it_runs_as_a_thread_and_ends_with_all_that_it_owns(root: Path, opened: OpenQueue) -> None:
    intake = start(root, opened.queue)
    try:
        wait_until(lambda: intake.news.state == "watching")
        (root / "a.fits").write_bytes(fits_bytes())
        (root / "b.gz").write_bytes(gzip.compress(b"x"))
        known = wait_until(
            lambda: _all_pending(opened, [RelPath(b"a.fits"), RelPath(b"b.gz")]),
        )
        assert len(known) == 2
    finally:
        assert intake.stop(20)
    assert not intake.is_alive


def _all_pending(opened: OpenQueue, paths: list[RelPath]) -> Mapping[RelPath, KnownRow]:
    known = opened.queue.known("w", paths)
    done = len(known) == len(paths) and all(row.state == state.PENDING for row in known.values())
    return known if done else {}


def test_a_thread_that_hangs_in_its_disk_is_silent(
    root: Path, opened: OpenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answers = threading.Event(), threading.Event()

    def hang(look_at: Path, before: RootIdentity | None = None) -> RootLook:
        asked.set()
        answers.wait()
        return look_at_root(look_at, before)

    monkeypatch.setattr(ground_module, "look_at_root", hang)
    clock = FakeClock()
    hanging = Intake(
        Watch("w", root, polling=True),
        opened.queue,
        clock,
        options=CALM,
        neighbours=Neighbours(),
        callbacks=Callbacks(),
        first_scan=False,
    )
    hanging.start()
    try:
        assert asked.wait(20)
        assert not hanging.is_silent
        clock.advance(SILENT_S + 1)
        assert hanging.is_silent
        answers.set()
        wait_until(lambda: not hanging.is_silent)
    finally:
        answers.set()
        assert hanging.stop(20)


def test_a_scan_that_hung_puts_off_no_other(
    rig: Rig, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "sub").mkdir()
    (root / "sub" / "old.txt").write_bytes(b"x")
    rig.pass_(30)
    really = os.scandir

    def hang(path: bytes) -> Any:
        if path == os.fsencode(root / "sub"):
            monkeypatch.setattr(os, "scandir", really)
            rig.clock.advance(600)
        return really(path)

    monkeypatch.setattr(os, "scandir", hang)
    rig.pass_(660)
    (root / "a.txt").write_bytes(b"x")
    rig.pass_(30)

    assert rig.rows() == {"sub/old.txt": state.PENDING, "a.txt": state.PENDING}


def test_what_lies_where_nothing_could_be_seen_before_is_no_missed_event(
    eventful: Rig, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "closed").mkdir()
    really, closed = os.scandir, [os.fsencode(root / "closed")]

    def scandir(path: bytes) -> Any:
        if path in closed:
            raise PermissionError(13, "Permission denied")
        return really(path)

    monkeypatch.setattr(os, "scandir", scandir)
    eventful.intake.request_scan()
    eventful.pass_(700)
    assert eventful.intake.news.unreadable == ("closed: Permission denied",)

    (root / "closed" / "a.txt").write_bytes(b"x")
    wait_until(lambda: len(eventful.intake._hints))
    eventful.intake._hints.clear()
    closed.clear()
    eventful.intake.request_scan()
    eventful.pass_(700)
    assert eventful.intake.news.unreadable == ()
    assert eventful.intake.news.missed_events == 0
    assert eventful.rows() == {"closed/a.txt": state.PENDING}


def test_what_nobody_expected_costs_a_moment_and_not_the_thread(
    root: Path, opened: OpenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oort.daemon.intake._FAILURE_S", 0.05)

    class Odd(Breaking):
        failures = 3

        def known(
            self, watch: str, rel_paths: Sequence[RelPath], kin: Sequence[Kin] = ()
        ) -> Mapping[RelPath, KnownRow]:
            if self.failures > 0:
                self.failures -= 1
                raise ZeroDivisionError
            return super().known(watch, rel_paths, kin)

    queue = Odd(opened.queue)
    (root / "a.txt").write_bytes(b"x")
    intake = start(root, queue)
    try:
        wait_until(lambda: _all_pending(opened, [RelPath(b"a.txt")]))
        assert queue.failures == 0
    finally:
        assert intake.stop(20)


def test_a_header_that_cannot_be_described_does_not_hold_its_file_back(
    root: Path, opened: OpenQueue
) -> None:
    def describe(_version: FileVersion, _header: Mapping[str, str]) -> tuple[None, None]:
        raise ZeroDivisionError

    (root / "a.txt").write_bytes(b"x")
    intake = start(root, opened.queue, describe=describe)
    try:
        wait_until(lambda: _all_pending(opened, [RelPath(b"a.txt")]))
    finally:
        assert intake.stop(20)


# -- what need not be asked again ---------------------------------------------------------------------


def left_out_for_good(rig: Rig, *names: str) -> None:
    """Have files of a watch that begins with what is new only, and scans that have met them."""
    for name in names:
        (rig.root / name).write_bytes(b"old")
    seen = [FileVersion.of(RelPath(name.encode()), (rig.root / name).stat()) for name in names]
    rig.opened.queue.memory.baseline("w", os.fsencode(rig.root), seen)
    rig.pass_(CALM.poll_s + 1)
    rig.queue.asked.clear()


def test_a_scan_does_not_ask_again_of_what_has_ended(rig: Rig, root: Path) -> None:
    left_out_for_good(rig, "a.txt", "b.txt")
    scans = len(rig.scanned)
    (root / "new.txt").write_bytes(b"new")

    rig.pass_(CALM.poll_s + 1)

    assert len(rig.scanned) > scans
    assert set(rig.queue.asked) == {b"new.txt"}
    assert rig.rows()["new.txt"] == state.PENDING


def test_another_version_of_what_has_ended_is_seen(rig: Rig, root: Path) -> None:
    left_out_for_good(rig, "a.txt")
    (root / "a.txt").write_bytes(b"another")

    rig.pass_(CALM.poll_s + 10)

    assert rig.rows() == {"a.txt": state.PENDING}


def test_a_file_that_somebody_wants_after_all_is_seen_when_it_is_back(rig: Rig, root: Path) -> None:
    """Nothing of the file itself tells that its row has moved: the order does."""
    left_out_for_good(rig, "a.txt")
    row_id = rig.row("a.txt")["id"]
    rig.opened.queue.change(
        lambda c: orders.retry(c, "", Which(ids=(row_id,)), SystemClock().now())
    )
    rig.intake.distrust()
    (root / "a.txt").rename(root.parent / "a.txt")
    (upload,) = claim(rig.opened, watches=("w",))
    end(rig.opened, upload, Gone("it is not there"))
    assert rig.rows() == {"a.txt": state.FILE_GONE}
    (root.parent / "a.txt").rename(root / "a.txt")

    rig.pass_(CALM.poll_s + 10)

    assert rig.rows() == {"a.txt": state.PENDING}


def test_after_an_hour_everything_is_asked_once_more(rig: Rig) -> None:
    left_out_for_good(rig, "a.txt")

    rig.pass_(BELIEVED_S + 2 * CALM.poll_s)

    assert rig.queue.asked == [b"a.txt"]


def test_other_rules_have_everything_asked_once_more(rig: Rig) -> None:
    left_out_for_good(rig, "a.txt")

    rig.intake.reconfigure(dataclasses.replace(rig.watch, exclude=("*.jpg",)), CALM, Neighbours())
    rig.pass_(1)

    assert rig.queue.asked == [b"a.txt"]
