"""The dispatcher on a real queue: what it claims, and when; hands stand in for the workers."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from oort.clock import SystemClock
from oort.daemon.dispatcher import Dispatcher
from oort.daemon.gate import Gate
from oort.errors import OortError
from oort.policy import state
from oort.policy.night import night_of
from oort.policy.outcome import RootMissing, ServerBusy, Stored, WatchRefused
from oort.policy.retry import Decision
from oort.queue.ends import Ended
from oort.values import Watch
from tests.support.fakes import Shortest
from tests.support.rows import all_rows, newest, settle, version
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oort.daemon.control import Request
    from oort.daemon.workers import Workers
    from oort.policy.outcome import Outcome
    from oort.queue.opening import OpenQueue
    from oort.values import Upload

DOME = Watch("dome", Path("/data/dome"))
OTHER = Watch("other", Path("/data/other"))
STORED = Stored("1", "a.fits", "0" * 64, 1, 201)


class Hands:
    """What the dispatcher knows of the workers: how much they can take, and that they take it."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.bytes_ahead = 0
        self.room_aside = 2
        self.taken: list[Upload] = []
        self.aside: list[Upload] = []

    def hand_out(self, uploads: list[Upload]) -> None:
        self.room -= len(uploads)
        self.taken += uploads

    def set_aside(self, most_bytes: int) -> None:
        """Nothing lies ready."""

    def hand_out_aside(self, uploads: list[Upload]) -> None:
        self.room_aside -= len(uploads)
        self.aside += uploads

    @property
    def free(self) -> int:
        return self.room

    @property
    def names(self) -> list[str]:
        return [upload.rel_path.decode() for upload in self.taken]


class World:
    """A dispatcher between a real queue, a real gate, a control folder and some hands."""

    def __init__(self, opened: OpenQueue, folder: Path, room: int) -> None:
        self.opened = opened
        self.folder = folder
        self.hands = Hands(room)
        self.watches = [DOME, OTHER]
        self.may_claim = True
        self.longitudes: dict[str, float] = {}
        self.may_pass: int | None = None
        self.clock = SystemClock()
        self.gate = Gate(self.clock, Shortest(), on_change=self.wake)
        self.requests: list[Request] = []
        self.dispatcher = Dispatcher(
            opened.queue,
            cast("Workers", self.hands),
            self.gate,
            self.clock,
            control_folder=folder,
            watches=lambda: self.watches,
            carry_out=self.carry_out,
            may_claim=lambda: self.may_claim,
            longitude_of=lambda watch: self.longitudes.get(watch),  # noqa: PLW0108  # replaced by a test
            may_pass=lambda: self.may_pass,
        )

    def wake(self) -> None:
        self.dispatcher.wake()

    def carry_out(self, request: Request) -> dict[str, Any]:
        self.requests.append(request)
        if request.command == "refuse":
            raise OortError("no")
        return {"did": request.command}

    def has(self, *names: str) -> None:
        """Wait until exactly these were handed out."""
        wait_until(
            lambda: sorted(self.hands.names) == sorted(names),
            what=lambda: f"handed out: {self.hands.names}",
        )

    def looks_again(self) -> None:
        """Wait until the dispatcher has looked at everything once more."""
        looked = threading.Event()
        before = self.watches

        class Looked(list[Watch]):
            def __iter__(self) -> Iterator[Watch]:
                looked.set()
                return super().__iter__()

        self.watches = Looked(before)
        self.wake()
        assert looked.wait(20)
        self.watches = before

    def end(self, upload: Upload, outcome: Outcome, decision: Decision) -> None:
        """Have an attempt end as a worker does."""
        watch = next(one for one in (DOME, OTHER) if one.name == upload.watch)
        self.gate.after_attempt(watch.name, watch.api, upload.id, outcome)
        ended = Ended(type(outcome).__name__, self.clock.now(), sha256="0" * 64)
        self.opened.queue.finish(upload, upload.state, decision, ended).result()
        self.hands.room += 1
        self.wake()


@contextmanager
def dispatching(opened: OpenQueue, folder: Path, *, room: int = 100) -> Iterator[World]:
    folder.mkdir()
    world = World(opened, folder, room)
    world.dispatcher.start()
    try:
        yield world
    finally:
        world.dispatcher.stop()
        assert not world.dispatcher.is_alive


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "control"


def waiting(opened: OpenQueue, *names: str, watch: str = "dome") -> None:
    settle(opened, *(version(name) for name in names), watch=watch, root=b"/data/" + watch.encode())


# -- claims -----------------------------------------------------------------------------------------


def test_what_waits_is_handed_out(opened: OpenQueue, folder: Path) -> None:
    waiting(opened, "a.fits")
    with dispatching(opened, folder) as world:
        world.has("a.fits")

        waiting(opened, "b.fits")
        waiting(opened, "c.fits", watch="other")
        world.wake()

        world.has("a.fits", "b.fits", "c.fits")


class WokenLate(threading.Event):
    """Somebody wakes in the very moment in which the time is over."""

    def __init__(self) -> None:
        super().__init__()
        self.is_late = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        woken = super().wait(timeout)
        if not woken and not self.is_late.is_set():
            self.is_late.set()
            self.set()
        return woken


def test_a_wake_that_comes_when_the_time_is_over_is_heard(opened: OpenQueue, folder: Path) -> None:
    folder.mkdir()
    world = World(opened, folder, room=100)
    world.dispatcher._wake = wake = WokenLate()
    world.dispatcher._due_mono = None  # nothing else has it look
    waiting(opened, "a.fits")

    world.dispatcher.start()

    assert wake.is_late.wait(20)
    world.has("a.fits")
    world.dispatcher.stop()


def test_no_more_is_claimed_than_there_are_hands(opened: OpenQueue, folder: Path) -> None:
    waiting(opened, *(f"{number}.fits" for number in range(5)))
    with dispatching(opened, folder, room=2) as world:
        world.has("0.fits", "1.fits")
        world.looks_again()
        assert len(world.hands.taken) == 2

        world.end(world.hands.taken[0], STORED, Decision(state.DONE, "stored", counted=True))

        world.has("0.fits", "1.fits", "2.fits")


@pytest.mark.parametrize("room", [1, 2, 3, 5])
def test_tonight_is_tonight_where_the_telescope_of_a_watch_stands(
    opened: OpenQueue, folder: Path, room: int
) -> None:
    """A night has just begun at one place, and the one before just not ended at the other."""
    now = SystemClock().now()
    hour = now.hour + now.minute / 60
    longitudes = {"dome": (13 - hour) * 15, "other": (11 - hour) * 15}
    for age in ("old", "new"):
        for watch, longitude in longitudes.items():
            night = night_of(now, longitude) - timedelta(days=age == "old")
            settle(
                opened,
                *(version(f"{watch} {age} {n}.fits") for n in range(2)),
                watch=watch,
                root=b"/data/" + watch.encode(),
                night=night.isoformat(),
            )
    with dispatching(opened, folder, room=0) as world:
        world.longitudes = longitudes
        world.hands.room = room
        world.wake()
        wait_until(lambda: world.hands.room == 0)

    counts = Counter(name.rsplit(" ", 1)[0] for name in world.hands.names)
    assert min(room, 4) == counts["dome new"] + counts["other new"]
    assert room == counts.total()


def test_a_row_that_waits_its_time_is_handed_out_when_it_has(
    opened: OpenQueue, folder: Path
) -> None:
    waiting(opened, "a.fits")
    with dispatching(opened, folder) as world:
        world.has("a.fits")
        decision = Decision(state.WAITING, "503", counted=True, delay_s=0.6, error="503")
        world.end(world.hands.taken[0], ServerBusy("503", 503), decision)

        world.has("a.fits", "a.fits")

    due = next(row for row in all_rows(opened))
    assert due["started_at"] - due["created_at"] >= timedelta(seconds=0.6)


def test_nothing_is_claimed_while_it_may_not(opened: OpenQueue, folder: Path) -> None:
    waiting(opened, "a.fits")
    with dispatching(opened, folder, room=0) as world:
        world.may_claim = False
        world.hands.room = 10
        world.wake()
        ask(folder, "1", "pause")
        answer(folder, "1")
        assert world.hands.taken == []

        world.may_claim = True
        world.wake()

        world.has("a.fits")


def test_that_nothing_hinders_any_more_is_noticed_without_a_word(
    opened: OpenQueue, folder: Path
) -> None:
    waiting(opened, "a.fits")
    with dispatching(opened, folder, room=0) as world:
        world.may_claim = False
        world.hands.room = 10
        world.wake()
        ask(folder, "1", "pause")
        answer(folder, "1")

        world.may_claim = True

        world.has("a.fits")


def test_files_of_a_watch_that_is_not_there_any_more_stay(opened: OpenQueue, folder: Path) -> None:
    waiting(opened, "a.fits")
    waiting(opened, "b.fits", watch="other")
    with dispatching(opened, folder, room=0) as world:
        world.watches = [OTHER]
        world.hands.room = 10
        world.wake()

        world.has("b.fits")
    assert newest(opened, "a.fits").state == state.PENDING


# -- trials -----------------------------------------------------------------------------------------


def test_a_held_watch_is_tried_with_one_row_while_the_others_flow(
    opened: OpenQueue, folder: Path
) -> None:
    with dispatching(opened, folder) as world:
        world.gate.after_attempt("dome", "cloud", 1, RootMissing("/data/dome is not there"))
        waiting(opened, "a.fits", "b.fits", "c.fits")
        waiting(opened, "x.fits", "y.fits", watch="other")
        world.wake()

        world.has("a.fits", "x.fits", "y.fits")
        world.looks_again()
        assert len(world.hands.taken) == 3

        tried = next(upload for upload in world.hands.taken if upload.watch == "dome")
        world.end(tried, STORED, Decision(state.DONE, "stored", counted=True))
        world.has("a.fits", "b.fits", "c.fits", "x.fits", "y.fits")


def test_a_server_in_trouble_is_tried_with_one_row_of_all_watches(
    opened: OpenQueue, folder: Path
) -> None:
    with dispatching(opened, folder) as world:
        for upload_id in (1, 2, 3):
            world.gate.after_attempt("dome", "cloud", upload_id, ServerBusy("503", 503))
        waiting(opened, "a.fits", "b.fits")
        waiting(opened, "x.fits", watch="other")
        world.wake()

        world.has("a.fits")
        world.looks_again()
        assert len(world.hands.taken) == 1

        world.end(world.hands.taken[0], STORED, Decision(state.DONE, "stored", counted=True))
        world.has("a.fits", "b.fits", "x.fits")


def test_a_watch_that_nothing_waits_for_is_not_tried(opened: OpenQueue, folder: Path) -> None:
    with dispatching(opened, folder) as world:
        world.gate.after_attempt("dome", "cloud", 1, WatchRefused("no dataset"))
        world.looks_again()
        before = opened.writer.commits
        world.looks_again()
        world.looks_again()

        assert opened.writer.commits == before


def test_a_held_watch_is_tried_when_its_first_row_has_waited_its_time(
    opened: OpenQueue, folder: Path
) -> None:
    waiting(opened, "a.fits")
    with dispatching(opened, folder) as world:
        world.has("a.fits")
        decision = Decision(state.WAITING, "503", counted=True, delay_s=0.6, error="503")
        world.end(world.hands.taken[0], RootMissing("/data/dome is not there"), decision)
        world.looks_again()

        world.has("a.fits", "a.fits")


# -- requests ---------------------------------------------------------------------------------------


def ask(folder: Path, name: str, command: str) -> None:
    aside = folder / f".{name}.part"
    aside.write_text(json.dumps({"command": command, "arguments": {}}))
    aside.rename(folder / f"{name}.request.json")


def answer(folder: Path, name: str) -> Any:
    file = folder / f"{name}.answer.json"
    wait_until(file.exists, what=f"{name} was not answered")
    return json.loads(file.read_bytes())


def test_requests_are_taken_without_a_wake(opened: OpenQueue, folder: Path) -> None:
    with dispatching(opened, folder) as world:
        ask(folder, "1", "pause")

        assert answer(folder, "1") == {"did": "pause"}
        assert [request.command for request in world.requests] == ["pause"]


def test_a_refused_request_is_answered_and_the_next_is_taken(
    opened: OpenQueue, folder: Path
) -> None:
    with dispatching(opened, folder):
        ask(folder, "1", "refuse")
        assert answer(folder, "1") == {"error": "no", "hint": None}

        ask(folder, "2", "resume")
        assert answer(folder, "2") == {"did": "resume"}


def test_a_request_wakes_whoever_it_concerns(opened: OpenQueue, folder: Path) -> None:
    """A retry makes rows pending; nobody else says so."""
    with dispatching(opened, folder) as world:
        world.looks_again()
        waiting(opened, "a.fits")

        ask(folder, "1", "retry")

        world.has("a.fits")


# -- trouble ----------------------------------------------------------------------------------------


def test_one_bad_moment_does_not_end_it(opened: OpenQueue, folder: Path) -> None:
    class Bad(list[Watch]):
        def __iter__(self) -> Iterator[Watch]:
            raise RuntimeError("a bad moment")

    waiting(opened, "a.fits")
    with dispatching(opened, folder, room=0) as world:
        world.watches = Bad()
        world.wake()
        ask(folder, "1", "pause")
        answer(folder, "1")
        assert world.dispatcher.is_alive

        world.watches, world.hands.room = [DOME], 10
        world.has("a.fits")


def test_it_ends_although_the_writer_waits_for_a_full_disk(opened: OpenQueue, folder: Path) -> None:
    entered, free = threading.Event(), threading.Event()

    def wait_for_space(_: object) -> None:
        entered.set()
        assert free.wait(30)

    folder.mkdir()
    world = World(opened, folder, room=10)
    waiting(opened, "a.fits")
    opened.writer.submit(wait_for_space)
    assert entered.wait(10)
    world.dispatcher.start()
    wait_until(opened.writer._changes.qsize, what="nothing was claimed")

    world.dispatcher.stop()

    free.set()
    wait_until(lambda: not world.dispatcher.is_alive)


# -- small files that pass large ones ----------------------------------------------------------------


def large_and_small(opened: OpenQueue) -> None:
    sizes = {"a.fits": 50_000_000, "b.fits": 50_000_000, "c.fits": 20_000, "d.fits": 30_000}
    settle(opened, *(version(name, size) for name, size in sizes.items()), root=b"/data/dome")


def test_while_all_hands_are_busy_for_long_small_files_are_handed_out_beside(
    opened: OpenQueue, folder: Path
) -> None:
    large_and_small(opened)
    with dispatching(opened, folder, room=1) as world:
        world.has("a.fits")
        world.may_pass = 25_000
        world.looks_again()

        wait_until(lambda: [one.rel_path for one in world.hands.aside] == [b"c.fits"])
        world.looks_again()
        assert [one.rel_path for one in world.hands.aside] == [b"c.fits"]
        world.has("a.fits")


def test_what_comes_later_is_handed_out_without_a_word(opened: OpenQueue, folder: Path) -> None:
    with dispatching(opened, folder, room=0) as world:
        world.may_pass = 25_000
        world.looks_again()
        large_and_small(opened)

        wait_until(lambda: [one.rel_path for one in world.hands.aside] == [b"c.fits"])


def test_a_held_watch_has_no_file_that_passes(opened: OpenQueue, folder: Path) -> None:
    large_and_small(opened)
    with dispatching(opened, folder, room=0) as world:
        world.gate.after_attempt("dome", DOME.api, 101, WatchRefused("it takes no more"))
        world.may_pass = 25_000
        world.looks_again()
        assert world.hands.aside == []
