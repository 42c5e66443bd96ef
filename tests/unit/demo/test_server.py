"""The night's server is the real sandbox: what it stored is read from its own storage."""

from __future__ import annotations

import http.client
import threading
from typing import TYPE_CHECKING

import pytest

from oort.demo import server
from oort.demo.processes import Processes
from oort.errors import OortError
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from oort.demo.server import Server


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path)
    yield processes
    processes.close()


@pytest.fixture
def sandbox(processes: Processes, tmp_path: Path) -> Server:
    return server.start(processes, tmp_path, threading.Event())


def test_a_fresh_server_listens_and_has_nothing(sandbox: Server) -> None:
    assert sandbox.listens()
    assert sandbox.stored() == 0
    assert sandbox.copies() == []
    assert sandbox.in_hand() == []


def test_a_rule_tells_whether_it_was_applied(sandbox: Server) -> None:
    rule = sandbox.rule(path="/nowhere/", status=503)

    assert not sandbox.applied(rule)

    connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=10)
    connection.request("GET", "/nowhere/")

    assert connection.getresponse().status == 503
    assert sandbox.applied(rule)
    connection.close()


def test_an_outage_ends_by_itself(sandbox: Server) -> None:
    sandbox.cut_link(0.5)

    wait_until(lambda: not sandbox.listens(), every_s=0.01)
    wait_until(sandbox.listens)


def test_a_rule_that_the_sandbox_does_not_know_is_told(sandbox: Server) -> None:
    with pytest.raises(OortError, match=r"refuses POST /_faults/: 400 .*unknown: explode"):
        sandbox.rule(explode=True)


def test_a_sandbox_that_does_not_start_is_told_in_its_own_words(
    processes: Processes, tmp_path: Path
) -> None:
    (tmp_path / "server").write_text("a file where the storage should be")

    with pytest.raises(OortError, match=r"(?s)the sandbox did not start: .* is a file"):
        server.start(processes, tmp_path, threading.Event())
