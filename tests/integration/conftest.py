"""What the integration tests share: a real queue in a folder of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oort.clock import SystemClock
from oort.queue.database import Database, sqlite_url
from oort.queue.opening import OpenQueue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[OpenQueue]:
    database = Database.at(sqlite_url(tmp_path / "state" / "oort.db"))
    queue = OpenQueue(database, host="", clock=SystemClock())
    yield queue
    queue.close()
