"""The night's processes live in their own home and end with it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from oort.demo.processes import Processes, environment
from oort.errors import OortError
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path)
    yield processes
    processes.close()


def test_nothing_that_leads_to_the_users_own_home_is_inherited(tmp_path: Path) -> None:
    inherited = {
        "PATH": "/bin",
        "OORT_HOME": "/home/ada/oort",
        "OORT_DATABASE_URL": "postgresql://db/queue",
        "ARCSECOND_API": "cloud",
        "NOTIFY_SOCKET": "/run/notify",
    }

    found = environment(tmp_path, inherited)

    assert found["PATH"] == "/bin"
    assert found["OORT_HOME"] == str(tmp_path / "oort")
    assert found["ARCSECOND_CONFIG_DIR"] == str(tmp_path / "arcsecond")
    assert not {"OORT_DATABASE_URL", "ARCSECOND_API", "NOTIFY_SOCKET"} & set(found)


def test_a_command_that_succeeds_returns_what_it_printed(processes: Processes) -> None:
    assert processes.run("json.tool", answer="[1]").split() == ["[", "1", "]"]


def test_a_command_that_fails_is_told_in_its_own_words(processes: Processes) -> None:
    with pytest.raises(OortError, match=r"`json.tool` ended with exit 1: Expecting"):
        processes.run("json.tool", answer="{")


def test_closing_ends_what_still_runs(processes: Processes, tmp_path: Path) -> None:
    output = tmp_path / "server.log"
    process = processes.start("http.server", "--bind", "127.0.0.1", "0", output=output)
    wait_until(lambda: b"Serving" in output.read_bytes())

    processes.close()

    assert process.returncode == -signal.SIGTERM
