"""When is what scanned, and how much room does it leave for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oort.detect.bounds import Bounds
from oort.detect.scans import AGAIN_S, COST_FACTOR, Scans
from tests.support.fakes import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

INTERVAL_S = 300.0


class Rig:
    """Scans of a real folder by a hand-moved clock; every slice costs `cost_s`."""

    def __init__(self, root: Path) -> None:
        self.bounds = Bounds(root)
        self.clock = FakeClock()
        self.scans = Scans(self.clock, lambda: INTERVAL_S)
        self.cost_s = 0.0

    def run(self) -> int:
        """Take slices until none is due; return how many full scans came to an end."""
        ended = 0
        while True:
            began = self.clock.monotonic()
            piece = self.scans.take_slice(self.bounds, began)
            if piece is None:
                return ended
            self.clock.advance(self.cost_s)
            self.scans.worked(self.clock.monotonic() - began)
            ended += piece.ended is not None

    def next_in(self) -> float:
        at = self.scans.next_at()
        assert at is not None
        return at - self.clock.monotonic()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    root = tmp_path / "data"
    root.mkdir()
    (root / "a.txt").write_bytes(b"x")
    return Rig(root)


def test_the_first_scan_is_at_once_and_the_next_after_the_interval(rig: Rig) -> None:
    assert rig.run() == 1
    assert rig.scans.has_scanned
    assert rig.next_in() == INTERVAL_S
    assert rig.run() == 0
    rig.clock.advance(INTERVAL_S)
    assert rig.run() == 1


def test_a_dear_scan_puts_off_the_next_one(rig: Rig) -> None:
    rig.cost_s = 40.0
    rig.run()

    assert rig.next_in() == COST_FACTOR * 40.0 - 40.0  # the last step found the end
    rig.scans.want_full(rig.clock.monotonic())
    assert rig.next_in() > 700
    rig.scans.lost_events(rig.clock.monotonic())
    assert rig.next_in() <= 0


def test_a_scan_that_nobody_waits_for_rests(rig: Rig) -> None:
    rig.cost_s = 0.01
    rig.run()
    rig.clock.advance(INTERVAL_S)
    began = rig.clock.monotonic()
    rig.scans.take_slice(rig.bounds, began)
    rig.scans.worked(0.01)

    assert rig.next_in() == pytest.approx(0.02)
    assert rig.scans.take_slice(rig.bounds, began + 0.001) is None


def test_a_new_folder_comes_first_and_once(rig: Rig) -> None:
    now = rig.clock.monotonic()
    rig.run()
    (rig.bounds.root / "new" / "deep").mkdir(parents=True)
    (rig.bounds.root / "new" / "deep" / "b.txt").write_bytes(b"x")
    for folder in (b"new", b"new/deep", b"new"):
        rig.scans.want_folder(folder, now)

    piece = rig.scans.take_slice(rig.bounds, now)
    assert piece is not None
    assert [version.rel_path for version in piece.found] == [b"new/deep/b.txt"]
    assert rig.run() == 0
    assert rig.next_in() == INTERVAL_S


def test_too_many_new_folders_are_one_scan_of_everything(rig: Rig) -> None:
    rig.run()
    for n in range(1500):
        rig.scans.want_folder(b"%d" % n, rig.clock.monotonic())

    assert rig.run() == 1


def test_events_should_have_told_of_what_a_later_scan_finds_new(rig: Rig) -> None:
    def told(rig: Rig) -> bool:
        piece = rig.scans.take_slice(rig.bounds, rig.clock.monotonic())
        assert piece is not None
        rig.run()
        return piece.events_should_have_told

    assert not told(rig)
    rig.clock.advance(INTERVAL_S)
    assert told(rig)
    rig.scans.lost_events(rig.clock.monotonic())
    assert not told(rig)


def test_a_root_that_cannot_be_walked_is_tried_again_soon(rig: Rig) -> None:
    rig.bounds = Bounds(rig.bounds.root / "missing")

    assert rig.run() == 0
    assert not rig.scans.has_scanned
    assert rig.next_in() == AGAIN_S


def test_a_scan_asked_for_while_one_runs_comes_after_it(rig: Rig) -> None:
    rig.scans.take_slice(rig.bounds, rig.clock.monotonic())
    rig.scans.lost_events(rig.clock.monotonic())

    assert rig.run() == 2
