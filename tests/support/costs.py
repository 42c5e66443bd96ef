"""What a daemon does for its files, counted: statements and commits of its queue.

costs = Costs(tmp_path, home)
home.start()
home.stop()
assert costs.counted().statements < 100

What counts is a `sitecustomize` of the daemon's Python: it listens to SQLAlchemy's own events, and
writes the sums when the process ends. What a statement is given many rows for counts once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home

_SITE: Final = """
import atexit, collections, json, os, threading

from sqlalchemy import Engine, event

counted = collections.Counter()
lock = threading.Lock()

def count(what):
    with lock:
        counted[what] += 1

@event.listens_for(Engine, "before_cursor_execute")
def executed(connection, cursor, statement, parameters, context, many):
    count("begins" if statement.startswith("BEGIN") else "statements")

@event.listens_for(Engine, "commit")
def committed(connection):
    count("commits")

def tell():
    with open(os.environ["TEST_COSTS_TOLD"], "w") as file:
        json.dump(counted, file)

atexit.register(tell)
"""


@dataclass(frozen=True, slots=True)
class Counted:
    """What one process did."""

    statements: int
    commits: int


class Costs:
    """Made before the daemon is started, asked when it has ended."""

    def __init__(self, folder: Path, home: Home) -> None:
        self._told = folder / "costs.json"
        site = folder / "counting"
        site.mkdir()
        (site / "sitecustomize.py").write_text(_SITE)
        home.environment |= {"PYTHONPATH": str(site), "TEST_COSTS_TOLD": str(self._told)}

    def counted(self) -> Counted:
        """Return the sums of the daemon that ended last."""
        told = json.loads(self._told.read_text())
        return Counted(told["statements"], told["commits"])
