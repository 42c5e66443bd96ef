"""A process that holds something until it is killed or its stdin ends: a queue, a lock.

with holding("queue", file, "500") as process: ...

Run as a script it takes hold, says `ready`, and waits.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]


@contextmanager
def holding(what: str, *arguments: str | os.PathLike[str]) -> Iterator[subprocess.Popen[str]]:
    """Start such a process; give it when it holds what it is to hold; end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.holding", what, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert process.stdout is not None
    try:
        word = process.stdout.readline()
        assert word == "ready\n", f"the helper said {word!r}"
        yield process
    finally:
        process.kill()
        process.communicate()


def _hold_queue(file: str, rows: str, name: str = "") -> None:
    from oort.clock import SystemClock
    from oort.queue.opening import OpenQueue
    from tests.support.rows import settle, sqlite_at, version

    opened = OpenQueue(sqlite_at(Path(file)), host="", clock=SystemClock())
    settle(opened, *(version(f"{name}{number}.fits") for number in range(int(rows))))


def _hold_lock(file: str, role: str) -> None:
    from oort.lock import Holder, QueueLock

    QueueLock(Path(file), Holder(os.getpid(), role)).acquire()


if __name__ == "__main__":
    {"queue": _hold_queue, "lock": _hold_lock}[sys.argv[1]](*sys.argv[2:])
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)
