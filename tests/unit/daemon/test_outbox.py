"""Sightings on their way into a queue that is not always there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oort.daemon.outbox import BATCH, RETRY_MOST_S, Outbox
from oort.errors import QueueError
from oort.policy.sighting import Phase, Sighting
from oort.policy.version import FileVersion, RelPath

if TYPE_CHECKING:
    from collections.abc import Sequence


def sighting(n: int, phase: Phase = Phase.SEEN) -> Sighting:
    return Sighting(FileVersion(RelPath(b"%d" % n), 1, 1, 1), phase, "test")


class Target:
    """Takes batches; refuses all of them, or those that hold a certain path."""

    def __init__(self) -> None:
        self.taken: list[list[bytes]] = []
        self.away = False
        self.refused: bytes | None = None

    def note(self, sightings: Sequence[Sighting]) -> None:
        names = [bytes(one.version.rel_path) for one in sightings]
        if self.away or self.refused in names:
            raise QueueError("no")
        self.taken.append(names)


@pytest.fixture
def target() -> Target:
    return Target()


@pytest.fixture
def outbox(target: Target) -> Outbox:
    return Outbox(target.note, watch="w")


def test_it_hands_over_in_batches_and_in_order(outbox: Outbox, target: Target) -> None:
    for n in range(BATCH + 1):
        outbox.add(sighting(n))

    assert outbox.flush(0.0) is False
    assert [len(batch) for batch in target.taken] == [BATCH, 1]
    assert target.taken[0][:2] == [b"0", b"1"]
    assert outbox.next_at() is None


def test_it_tells_when_a_file_became_complete(outbox: Outbox) -> None:
    outbox.add(sighting(1))
    outbox.add(sighting(2, Phase.SETTLED))

    assert outbox.flush(0.0) is True
    assert outbox.flush(0.0) is False


def test_what_follows_a_rename_comes_after_it(outbox: Outbox, target: Target) -> None:
    outbox.add(sighting(1, Phase.RENAMED))
    outbox.add(sighting(2))
    outbox.flush(0.0)

    assert target.taken == [[b"1"], [b"2"]]


def test_a_queue_that_is_away_is_tried_ever_more_rarely(outbox: Outbox, target: Target) -> None:
    target.away = True
    for n in range(10):
        outbox.add(sighting(n))
    now = 0.0
    waits = []
    for _ in range(8):
        outbox.flush(now)
        again = outbox.next_at()
        assert again is not None
        waits.append(again - now)
        now = again

    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, RETRY_MOST_S, RETRY_MOST_S, RETRY_MOST_S]
    target.away = False
    outbox.flush(now - 0.1)
    assert target.taken == []
    outbox.flush(now)
    assert target.taken == [[b"%d" % n for n in range(10)]]


def test_one_that_is_refused_does_not_hold_up_the_others(outbox: Outbox, target: Target) -> None:
    target.refused = b"0"
    for n in range(4):
        outbox.add(sighting(n))
    outbox.flush(0.0)

    assert sorted(name for batch in target.taken for name in batch) == [b"1", b"2", b"3"]
    assert len(outbox) == 1
    for n in range(10, 20):  # it is tried with others a few times more, then left to the scans
        outbox.add(sighting(n))
        outbox.flush(n * 100.0)
    assert len(outbox) == 0
    assert sorted(name for batch in target.taken for name in batch)[-1] == b"3"


def test_an_error_that_nobody_expected_loses_nothing() -> None:
    class Odd:
        def note(self, _sightings: Sequence[Sighting]) -> None:
            raise ZeroDivisionError

    outbox = Outbox(Odd().note, watch="w")
    for n in range(3):
        outbox.add(sighting(n))
    with pytest.raises(ZeroDivisionError):
        outbox.flush(0.0)

    assert len(outbox) == 3
