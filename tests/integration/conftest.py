"""What the integration tests share: a real queue in a folder of its own, nights of attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oort.clock import SystemClock
from oort.queue.opening import OpenQueue
from tests.support.attempts import Night
from tests.support.rows import sqlite_at
from tests.support.sandbox import running_sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.sandbox import Sandbox


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[OpenQueue]:
    database = sqlite_at(tmp_path / "state" / "oort.db")
    queue = OpenQueue(database, host="", clock=SystemClock())
    yield queue
    queue.close()


@pytest.fixture(scope="session")
def lasting_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run one sandbox for all nights: its files stay, so each night has a dataset of its own."""
    with running_sandbox(tmp_path_factory.mktemp("lasting") / "sandbox") as running:
        yield running


@pytest.fixture
def night(lasting_sandbox: Sandbox, tmp_path: Path) -> Night:
    """Return a watched folder `dome` and a dataset name that no other test has; all rules are off."""
    return Night(lasting_sandbox, tmp_path / "dome")
