"""What one file of many costs, in counts: requests, connections, statements, commits, syncs.

A daemon that takes twice the time for a file is noticed by nobody's test; one that asks the server
or its queue once more for each file is noticed here. How many files share a commit depends on the
machine: the slower the server, the fewer. What each commit brings along does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.costs import Costs
from tests.support.daemon import QUICK, Home
from tests.support.files import make_fits
from tests.support.syscalls import count_of_syncs, needs_strace, under_strace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox

FILES = 400
"""Enough that the start, which costs the same for one file, does not count."""
WORKERS = 4
AROUND = 100
"""Statements and commits of a start, an end and the seconds between them."""


@pytest.fixture
def home(sandbox: Sandbox, tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.know(sandbox)
    home.configure(QUICK | {"workers": str(WORKERS), "rescan_s": "3600"})
    for number in range(FILES):
        make_fits(tmp_path / "dome" / f"{number:03}.fits", 2880, salt=number)
    home.watch(tmp_path / "dome")
    sandbox.forget_requests()
    return home


def send_all(home: Home) -> None:
    """Run a daemon from its start until every file is OK."""
    with home:
        home.wait_for(OK=FILES)
        assert home.stop() == 0


def test_a_file_costs_one_request_and_no_connection_of_its_own(
    home: Home, sandbox: Sandbox
) -> None:
    home.start()
    send_all(home)

    asked = sandbox.requests()
    assert len(sandbox.uploads()) == FILES
    assert len(asked) - FILES <= AROUND / 2
    assert len({one["connection"] for one in asked}) <= 4 * WORKERS


def test_a_file_costs_no_statement_of_its_own_and_its_commit_is_shared(
    home: Home, tmp_path: Path
) -> None:
    costs = Costs(tmp_path, home)

    home.start()
    send_all(home)

    counted = costs.counted()
    assert 0 < counted.commits < AROUND + FILES, counted
    # Three a file where the machine is slow and each commit has few of them; one a file alone more
    # is one too many.
    assert 0 < counted.statements < AROUND + 4 * FILES, counted


@pytest.mark.linux
def test_a_file_costs_less_than_a_sync(home: Home, tmp_path: Path) -> None:
    needs_strace()
    log = tmp_path / "syncs"

    home.start(under=under_strace(log, "-e", "trace=fdatasync,fsync"))
    send_all(home)

    assert 0 < count_of_syncs(log) < AROUND + FILES
