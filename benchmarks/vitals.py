"""What a process and those below it use: processor time and memory, from /proc (Linux)."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Final

_KIB: Final = 1024
_EVERY_S: Final = 0.1


def family(pid: int) -> list[int]:
    """Return the process and all below it that still are."""
    found, ask = [], [pid]
    while ask:
        one = ask.pop()
        found.append(one)
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{one}/task").iterdir():
                ask += map(int, (thread / "children").read_text().split())
    return found


def cpu_s(pid: int) -> float:
    """Return the seconds of processor time used so far, by the clock of the scheduler (1 ns)."""
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError):  # a thread that ends meanwhile takes its time along
            for thread in Path(f"/proc/{one}/task").iterdir():
                total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def ticks_s(pid: int) -> float:
    """Return the same with the time of threads that have ended, in steps of 10 ms."""
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    """Return the resident memory, in MiB."""
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError, StopIteration):
            status = Path(f"/proc/{one}/status").read_text().splitlines()
            total += int(next(line for line in status if line.startswith("VmRSS")).split()[1])
    return total / _KIB


class PeakMemory:
    """The most that a process and those below it held, for the time of a `with` block; in MiB."""

    def __init__(self, pid: int) -> None:
        self.mib = 0.0
        self._pid = pid
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory")

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(_EVERY_S):
            self.mib = max(self.mib, rss_mib(self._pid))
