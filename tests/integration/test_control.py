"""How a command reaches the queue: through the daemon that runs, or under its lock."""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from oort.clock import SystemClock
from oort.daemon import control
from oort.daemon.control import Request, answer, ask, requests_in, respond, tidy
from oort.errors import LockedError, OortError
from oort.locations import Locations
from oort.lock import Holder, QueueLock, holder_of
from oort.policy import state
from oort.queue.opening import OpenQueue
from tests.support.holding import holding
from tests.support.rows import all_rows, newest, row_in, sqlite_at
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def locations(tmp_path: Path) -> Locations:
    return Locations(tmp_path / "oort", tmp_path / "oort")


@pytest.fixture
def folder(locations: Locations) -> Path:
    made = locations.control_folder
    made.mkdir(parents=True)
    return made


class Serving:
    """A thread that serves requests as the dispatcher does, under the daemon's lock."""

    def __init__(
        self, locations: Locations, carry_out: Callable[[Request], dict[str, Any]]
    ) -> None:
        self.locations = locations
        self.carry_out = carry_out
        self.taken: list[Request] = []
        self.ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        folder = self.locations.control_folder
        while not self.ending.wait(0.01):
            for request in requests_in(folder):
                self.taken.append(request)
                answer(folder, request, respond(self.carry_out, request))

    def __enter__(self) -> Serving:
        self._lock = QueueLock(self.locations.lock_file, Holder(os.getpid(), "daemon"))
        self._lock.acquire()
        self._thread.start()
        return self

    def __exit__(self, *trouble: object) -> None:
        self.ending.set()
        self._thread.join()
        self._lock.release()


def echo(request: Request) -> dict[str, Any]:
    return {"did": request.command, **request.arguments}


def refuse(_: Request) -> dict[str, Any]:
    raise OortError("there is no such thing", hint="look elsewhere")


# -- with a daemon ----------------------------------------------------------------------------------


def test_a_request_is_carried_out_and_answered(locations: Locations) -> None:
    with Serving(locations, echo) as serving:
        assert ask(locations, "retry", {"ids": [1, 2]}) == {"did": "retry", "ids": [1, 2]}

    assert [(one.command, one.arguments) for one in serving.taken] == [("retry", {"ids": [1, 2]})]
    assert list(locations.control_folder.iterdir()) == []


def test_a_refusal_comes_back_with_its_remedy(locations: Locations) -> None:
    with Serving(locations, refuse), pytest.raises(OortError) as refused:
        ask(locations, "retry", {})

    assert refused.value.message == "there is no such thing"
    assert refused.value.hint == "look elsewhere"


def test_many_commands_at_once_get_each_its_own_answer(locations: Locations) -> None:
    answers: dict[int, dict[str, Any]] = {}

    def command(number: int) -> None:
        answers[number] = ask(locations, "retry", {"number": number})

    with Serving(locations, echo) as serving:
        threads = [threading.Thread(target=command, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert {number: one["number"] for number, one in answers.items()} == {n: n for n in range(20)}
    assert len(serving.taken) == 20


def test_a_request_that_nobody_can_carry_out_is_answered_once(locations: Locations) -> None:
    def stumble(_: Request) -> dict[str, Any]:
        raise KeyError("watch")

    with Serving(locations, stumble) as serving:
        with pytest.raises(OortError, match="unwatch failed: KeyError"):
            ask(locations, "unwatch", {})
        assert len(serving.taken) == 1


def test_a_name_that_is_no_utf8_comes_through(locations: Locations) -> None:
    odd = os.fsdecode(b"/data/bad\xff\n'.fits")

    with Serving(locations, echo):
        assert ask(locations, "retry", {"paths": [odd]})["paths"] == [odd]


def test_a_daemon_that_does_not_answer_is_not_waited_for_for_ever(locations: Locations) -> None:
    with QueueLock(locations.lock_file, Holder(os.getpid(), "daemon")):
        with pytest.raises(OortError, match="did not answer within 0 s"):
            ask(locations, "pause", {}, timeout_s=0.1)

        assert list(locations.control_folder.iterdir()) == []


def test_a_daemon_that_dies_is_not_waited_for(locations: Locations) -> None:
    def killed_by(process: Any) -> None:
        wait_until(lambda: list(locations.control_folder.glob("*.request.json")))
        process.kill()
        process.wait()

    with holding("lock", locations.lock_file, "daemon") as process:
        killer = threading.Thread(target=killed_by, args=(process,))
        locations.control_folder.mkdir()
        killer.start()

        with pytest.raises(OortError, match="ended before it answered"):
            ask(locations, "pause", {}, timeout_s=60)

        killer.join()
    assert list(locations.control_folder.iterdir()) == []


def test_a_daemon_that_has_only_just_started_is_asked_anew(locations: Locations) -> None:
    """It tidies the folder before it serves, and does not know that somebody waits already."""
    with QueueLock(locations.lock_file, Holder(os.getpid(), "daemon")):
        answers: list[dict[str, Any]] = []
        asking = threading.Thread(
            target=lambda: answers.append(ask(locations, "retry", {}, timeout_s=60))
        )
        asking.start()
        folder = locations.control_folder
        wait_until(lambda: folder.is_dir() and list(requests_in(folder)))

        tidy(folder)
        (request,) = wait_until(lambda: list(requests_in(folder)))
        answer(folder, request, {"moved": 1})
        asking.join()

    assert answers == [{"moved": 1}]


# -- the folder -------------------------------------------------------------------------------------


def test_a_request_that_is_still_being_written_is_not_seen(folder: Path) -> None:
    (folder / ".1.request.json.77.abcd").write_text('{"command": "re')

    assert list(requests_in(folder)) == []


def test_requests_are_taken_in_the_order_in_which_they_came(folder: Path) -> None:
    for number, name in enumerate(["z", "a", "m"]):
        file = folder / f"{name}.request.json"
        file.write_text('{"command": "retry", "arguments": {}}')
        os.utime(file, ns=(number * 10**9, number * 10**9))

    assert [request.id for request in requests_in(folder)] == ["z", "a", "m"]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '"words"', '{"command": "retry"}', '{"command": 1, "arguments": 2}'],
)
def test_what_is_no_request_is_put_out_of_the_way(folder: Path, content: str) -> None:
    (folder / "1.request.json").write_text(content)
    (folder / "2.request.json").write_text('{"command": "pause", "arguments": {}}')

    assert [request.command for request in requests_in(folder)] == ["pause"]
    assert not (folder / "1.request.json").exists()


def test_what_cannot_be_taken_away_does_not_stand_in_the_way(folder: Path) -> None:
    (folder / "1.request.json").mkdir()
    (folder / "2.request.json").write_text('{"command": "pause", "arguments": {}}')

    assert [request.command for request in requests_in(folder)] == ["pause"]
    tidy(folder)
    assert [path.name for path in folder.iterdir()] == ["1.request.json"]


def test_nobody_is_answered_who_has_given_up(folder: Path) -> None:
    answer(folder, Request("7", "retry", {}), {"moved": 1})

    assert list(folder.iterdir()) == []


def test_a_request_whose_answer_cannot_be_written_is_not_done_twice(folder: Path) -> None:
    (folder / "7.request.json").write_text('{"command": "retry", "arguments": {}}')
    (folder / "7.answer.json").mkdir()  # nothing can be renamed onto it

    answer(folder, Request("7", "retry", {}), {"moved": 1})

    assert list(requests_in(folder)) == []


def test_tidying_takes_requests_and_answers_of_before_and_nothing_else(folder: Path) -> None:
    for name in ("1.request.json", "2.answer.json", "notes.txt"):
        (folder / name).touch()

    tidy(folder)

    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_folder_that_nobody_made_holds_no_request(tmp_path: Path) -> None:
    assert list(requests_in(tmp_path / "nothing")) == []
    tidy(tmp_path / "nothing")


# -- without a daemon -------------------------------------------------------------------------------


@contextmanager
def queue_of(locations: Locations) -> Iterator[OpenQueue]:
    opened = OpenQueue(sqlite_at(locations.database), host="", clock=SystemClock())
    try:
        yield opened
    finally:
        opened.close()


def test_without_a_daemon_the_command_does_it_under_the_lock(locations: Locations) -> None:
    with queue_of(locations) as opened:
        row_in(opened, "a.fits", state.FAILED)

    told = ask(locations, "retry", {"paths": ["/data/dome/a.fits"], "force": False})

    assert told == {"moved": 1, "refused": [], "look_again": []}
    with queue_of(locations) as opened:
        assert newest(opened, "a.fits").state == state.PENDING
    assert holder_of(locations.lock_file) is None


def test_while_another_command_changes_the_queue_it_waits_and_then_says_so(
    locations: Locations,
) -> None:
    with queue_of(locations):
        pass
    with (
        holding("lock", locations.lock_file, "retry"),
        pytest.raises(LockedError, match="`oort retry`"),
    ):
        ask(locations, "skip", {"ids": [1]})


def test_where_there_is_no_daemon_there_is_nothing_to_stop(locations: Locations) -> None:
    assert ask(locations, "stop", {"timeout_s": 3}) == {"running": False}
    assert not locations.state_folder.exists()


@pytest.mark.parametrize("command", ["retry", "skip", "unwatch"])
def test_where_there_is_no_queue_there_is_nothing_to_change(
    locations: Locations, command: str
) -> None:
    told = ask(locations, command, {"watch": "dome", "ids": [1]})

    assert told["moved"] == 0
    assert not locations.database.exists()


def test_a_pause_is_kept_for_the_daemon_that_comes(locations: Locations) -> None:
    assert ask(locations, "pause", {}) == {"paused": True}
    with queue_of(locations) as opened:
        assert opened.queue.memory.noted("paused") is True

    assert ask(locations, "resume", {}) == {"paused": False}
    with queue_of(locations) as opened:
        assert opened.queue.memory.noted("paused") is None


def test_a_resume_where_nothing_is_makes_no_queue(locations: Locations) -> None:
    assert ask(locations, "resume", {}) == {"paused": False}
    assert not locations.database.exists()


def test_a_baseline_is_recorded_with_its_odd_names(locations: Locations) -> None:
    files = [[os.fsdecode(b"bad\xff.fits"), 2880, 1, 7], ["night/a.fits", 5760, 2, 8]]

    told = ask(locations, "baseline", {"watch": "dome", "root": "/data/dome", "files": files})

    assert told == {"recorded": 2}
    with queue_of(locations) as opened:
        found = [(row["rel_path"], row.state, row["acknowledged"]) for row in all_rows(opened)]
        assert opened.queue.memory.of("dome", b"/data/dome").baselined
    assert found == [
        (b"bad\xff.fits", state.IGNORED, True),
        (b"night/a.fits", state.IGNORED, True),
    ]


def test_an_older_queue_is_left_to_the_daemon(locations: Locations) -> None:
    with queue_of(locations) as opened:
        opened.queue.change(
            lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
        )

    with pytest.raises(OortError, match="has schema 0000") as refused:
        ask(locations, "retry", {"ids": [1]})

    assert "oort start" in str(refused.value.hint)


def test_an_order_that_is_none_is_refused(locations: Locations) -> None:
    with queue_of(locations):
        pass

    with pytest.raises(OortError, match="there is no command 'dance'"):
        ask(locations, "dance", {})


def test_files_to_look_at_come_back_as_their_bytes(locations: Locations) -> None:
    with queue_of(locations) as opened:
        row_in(opened, "a.fits", state.TRUNCATED)

    told = json.loads(json.dumps(ask(locations, "retry", {"all": True})))

    assert control.looks(told) == [("dome", b"a.fits")]
