"""What a process needs of the machine while it runs: memory, open files, threads, processor time."""

from __future__ import annotations

import os
import statistics
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_KIB: Final = 1024


@dataclass(frozen=True, slots=True)
class Vitals:
    """One look at a process (proc_pid_status(5), proc_pid_stat(5))."""

    at_s: float
    """Of the monotonic clock."""
    rss_bytes: int
    files: int
    """Open descriptors."""
    threads: int
    cpu_s: float
    """Processor time since its start, user and system."""


def look_at(pid: int) -> Vitals:
    """Look at a process. Raises OSError where it is gone."""
    process = Path("/proc") / str(pid)
    words = dict(
        line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line
    )
    # The name, in brackets, may hold blanks; utime and stime are the 14th and 15th field.
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return Vitals(
        at_s=time.monotonic(),
        rss_bytes=int(words["VmRSS"].split()[0]) * _KIB,
        files=len(list((process / "fd").iterdir())),
        threads=int(words["Threads"]),
        cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
    )


class Monitor:
    """Looks at a process every few seconds for the time of a `with` block."""

    def __init__(self, pid: int, *, every_s: float) -> None:
        self.looks: list[Vitals] = []
        self._pid = pid
        self._every_s = every_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor")

    def __enter__(self) -> Monitor:
        self._thread.start()
        return self

    def __exit__(self, *trouble: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._every_s):
            self.looks.append(look_at(self._pid))

    def median(self, part: slice, what: Callable[[Vitals], float]) -> float:
        """Return the median of a figure over a part of the looks, in order of time."""
        return statistics.median(map(what, self.looks[part]))
