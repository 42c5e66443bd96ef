"""The upload threads on a real queue: what they give back without asking the server."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from oort.clock import SystemClock
from oort.daemon.desk import Common, Desk
from oort.daemon.gate import Gate
from oort.daemon.workers import Traffic, Workers
from oort.policy import state
from oort.policy.outcome import NotReached, ServerBusy
from oort.policy.retry import Decision
from oort.queue.ends import Ended
from oort.settings import Settings
from oort.transfer.shared import Shared
from oort.transfer.throttle import TokenBucket
from oort.values import Watch
from tests.support.fakes import Shortest
from tests.support.rows import all_rows, claim, newest, settle, version
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oort.queue.opening import OpenQueue


class Office:
    """A desk and one worker; the folder `m31` of the watch `dome` is a watch of its own."""

    def __init__(self, opened: OpenQueue) -> None:
        clock, stopping = SystemClock(), threading.Event()
        self.looks: list[tuple[str, bytes]] = []
        self.disk_answers, self.free = threading.Event(), threading.Event()
        self.is_asked = threading.Event()
        common = Common(
            store=opened.queue,
            clock=clock,
            throttle=TokenBucket(None, monotonic=clock.monotonic),
            shared=Shared(monotonic=clock.monotonic),
            traffic=Traffic(clock),
            stopping=stopping,
            look_again=lambda watch, path: self.looks.append((watch, path)),
            warn=lambda _topic, _text: None,
            username_of=lambda _api: None,
            owner_of=self.owner,
        )
        settings = Settings(watches=(Watch("dome", Path("/data/dome")),))
        self.desk = Desk(settings, common)
        self.gate = Gate(clock, Shortest(), on_change=lambda: None)
        self.workers = Workers(
            self.desk, opened.queue, self.gate, clock, stopping, on_free=self.free.set
        )

    def owner(self, _watch: str, path: bytes) -> str | None:
        """Return whose a file is; one in the folder `dead` holds the worker up."""
        if path.startswith(b"dead/"):
            self.is_asked.set()
            self.disk_answers.wait(60)
        return "m31" if path.startswith((b"m31/", b"dead/")) else None


@pytest.fixture
def office(opened: OpenQueue) -> Iterator[Office]:
    made = Office(opened)
    made.workers.resize(1)
    yield made
    made.disk_answers.set()
    assert made.workers.stop(grace_s=0, patience_s=30)


def test_a_file_that_belongs_to_a_watch_inside_by_now_is_given_up(
    opened: OpenQueue, office: Office
) -> None:
    settle(opened, version("m31/a.fits"))
    office.workers.hand_out(claim(opened))
    wait_until(lambda: office.looks == [("dome", b"m31/a.fits")], timeout_s=60)

    row = newest(opened, "m31/a.fits")
    assert row.state == state.SETTLING
    assert row.steps[-1][1] == 'it belongs to the watch "m31" now'
    assert row["attempts"] == 0


def test_what_may_be_stored_is_settled_by_the_watch_that_sent_it(
    opened: OpenQueue, office: Office
) -> None:
    settle(opened, version("m31/a.fits"), version("b.fits"))
    inside, outside = claim(opened)
    assert office.desk.owner(inside) == "m31"
    assert office.desk.owner(outside) is None

    lost = Decision(state.PENDING, "the answer was lost", may_be_stored=True)
    ended = Ended("Unclear", SystemClock().now(), 2880)
    opened.queue.finish(inside, inside.state, lost, ended).result()
    (again,) = claim(opened)
    assert office.desk.owner(again) is None


def test_what_hangs_with_the_row_that_tries_a_link_lets_another_row_try_it(
    opened: OpenQueue, office: Office
) -> None:
    for upload_id in (101, 102, 103):
        office.gate.after_attempt("dome", "cloud", upload_id, ServerBusy("503", 503))
    settle(opened, version("dead/a.fits"))
    (upload,) = claim(opened)
    office.gate.begin_trial("dome", "cloud", upload.id)
    office.workers.hand_out([upload])
    wait_until(lambda: len(office.workers.in_hand()) == 1, timeout_s=60)
    wait_until(lambda: office.gate.link("cloud").probe_at_mono < SystemClock().monotonic())
    assert not office.gate.allowance("other", "cloud").trial

    office.workers.replace_stuck({"dome"})

    assert office.gate.allowance("other", "cloud").trial
    assert office.free.is_set()


def test_what_lies_ready_when_a_link_breaks_is_given_back_and_not_counted(
    opened: OpenQueue, office: Office
) -> None:
    settle(opened, *(version(f"{number}.fits") for number in range(8)))
    office.gate.after_attempt("dome", "cloud", 101, NotReached("no route to host"))
    office.workers.hand_out(claim(opened))

    wait_until(lambda: all(row.state == state.PENDING for row in all_rows(opened)), timeout_s=60)

    for row in all_rows(opened):
        assert row["attempts"] == 0
        assert not row["may_be_stored"]
        assert row.steps[-1][1] == "not begun: no route to host"


@pytest.mark.parametrize("by_command", [True, False])
def test_what_was_in_hand_when_its_watch_was_taken_away_waits_for_nobody(
    opened: OpenQueue, office: Office, by_command: bool
) -> None:
    settle(opened, version("dead/a.fits"))
    office.workers.hand_out(claim(opened))
    wait_until(lambda: len(office.workers.in_hand()) == 1, timeout_s=60)
    wait_until(office.is_asked.is_set, timeout_s=60)
    office.desk.settings = Settings()
    if by_command:
        office.desk.let_go.add("dome")
    office.disk_answers.set()
    wait_until(lambda: office.looks == [("dome", b"dead/a.fits")], timeout_s=60)

    wanted = state.IGNORED if by_command else state.SETTLING
    wait_until(lambda: newest(opened, "dead/a.fits").state == wanted, timeout_s=60)


def test_of_what_lies_ready_the_small_ones_pass_what_is_in_hand(
    opened: OpenQueue, office: Office
) -> None:
    """The one worker is held up; what is sent beside it, is not for long."""
    names = ("dead/a.fits", "m31/large.fits", "m31/small.fits", "m31/smaller.fits")
    sizes = (2880, 50_000_000, 20_000, 2880)
    settle(opened, *map(version, names, sizes))
    office.workers.hand_out(claim(opened, 4))
    assert office.is_asked.wait(20)

    office.workers.set_aside(64_000)

    for name in names[2:]:
        wait_until(lambda name=name: newest(opened, name).state == state.SETTLING)  # type: ignore[misc]
    assert newest(opened, "m31/large.fits").state != state.SETTLING
    assert office.workers.count == 1
    assert office.workers.busy == 2


def test_small_ones_that_pass_leave_the_others_their_room(
    opened: OpenQueue, office: Office
) -> None:
    settle(opened, *(version(f"dead/{number}.fits") for number in range(3)))
    room, first = office.workers.room, claim(opened, 2)

    office.workers.hand_out_aside(first)

    assert office.workers.room == room
    assert office.workers.room_aside == 0
    assert office.workers.busy == 2
