"""What the daemon tells a service manager, over a real socket; when the watchdog is left without a beat."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from oort.daemon.notify import STANDSTILL_S, Pulse, ServiceManager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PID = 4242


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.setblocking(False)
        yield sock


def heard(sock: socket.socket) -> list[str]:
    said = []
    while True:
        try:
            said.append(sock.recv(4096).decode())
        except BlockingIOError:
            return said


def manager_at(sock: socket.socket, **more: str) -> ServiceManager:
    return ServiceManager({"NOTIFY_SOCKET": sock.getsockname(), **more}, PID)


def test_it_says_ready_stopping_and_each_status_once(listening: socket.socket) -> None:
    manager = manager_at(listening)
    manager.ready()
    manager.status("3 uploads in hand")
    manager.status("3 uploads in hand")
    manager.status("nothing in hand")
    manager.stopping(15.0)
    assert heard(listening) == [
        "READY=1",
        "STATUS=3 uploads in hand",
        "STATUS=nothing in hand",
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000",
    ]


def test_an_abstract_socket_is_reached() -> None:
    name = f"oort-test-{id(object())}"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
        sock.bind(f"\0{name}")
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}, PID).ready()
        assert sock.recv(100) == b"READY=1"


def test_nobody_to_tell_and_nobody_there_are_no_trouble(tmp_path: Path) -> None:
    ServiceManager({}, PID).ready()
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}, PID).ready()


@pytest.mark.parametrize(
    ("environment", "every_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(PID)}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdogs_interval_is_halved(
    environment: dict[str, str], every_s: float | None
) -> None:
    assert ServiceManager(environment, PID).beat_every_s == every_s


class Threads:
    """Two threads as the pulse sees them, at a moment that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.rounds = {"writer": 1000.0, "dispatcher": 1000.0}
        self.full = False
        self.stood: list[str] = []

    def pulse(self, manager: ServiceManager) -> Pulse:
        return Pulse(
            manager,
            monotonic=lambda: self.now,
            rounds={
                "writer": lambda: self.rounds["writer"],
                "dispatcher": lambda: self.rounds["dispatcher"],
            },
            waits_for_space=lambda: self.full,
            on_standstill=self.stood.append,
        )


def test_it_beats_at_half_the_interval_while_all_come_round(listening: socket.socket) -> None:
    threads = Threads()
    pulse = threads.pulse(manager_at(listening, WATCHDOG_USEC="60000000"))
    for _ in range(61):
        pulse.look()
        threads.now += 1.0
        threads.rounds = dict.fromkeys(threads.rounds, threads.now)
    assert heard(listening) == ["WATCHDOG=1"] * 3


def test_it_holds_back_while_one_stands_and_says_which_once(listening: socket.socket) -> None:
    threads = Threads()
    pulse = threads.pulse(manager_at(listening, WATCHDOG_USEC="2000000"))
    threads.now += STANDSTILL_S + 1.0
    threads.rounds["writer"] = threads.now
    for _ in range(5):
        pulse.look()
        threads.now += 1.0
    assert heard(listening) == []
    assert threads.stood == ["dispatcher"]
    threads.rounds["dispatcher"] = threads.now
    pulse.look()
    assert heard(listening) == ["WATCHDOG=1"]


def test_a_full_disk_is_waited_for(listening: socket.socket) -> None:
    threads = Threads()
    threads.full = True
    pulse = threads.pulse(manager_at(listening, WATCHDOG_USEC="2000000"))
    threads.now += STANDSTILL_S + 1.0
    pulse.look()
    assert heard(listening) == ["WATCHDOG=1"]
    assert threads.stood == []
