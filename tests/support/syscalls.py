"""A process whose system calls are seen, delayed or refused from outside (strace).

home.start(under=under_strace(log, "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO"))

strace runs beside the process, not above it: signals and exit codes are the process's own.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.daemon import Home

SYNCS: Final = "fdatasync,fsync,rename,renameat,renameat2"
"""What makes a change last: the log's and the files' syncs, and a finished file's new name."""

_PAUSE_MS: Final = 60
_CALL: Final = re.compile(rb"^\d+ +(?:fdatasync|fsync|rename\w*)\(", re.MULTILINE)


def needs_strace() -> None:
    """Skip the test where no process can be traced."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    tried = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "true"], capture_output=True, check=False
    )
    if tried.returncode:
        pytest.skip("needs the right to trace a process (ptrace)")


def under_strace(log: Path, *options: str) -> list[str]:
    """Return the words that run a command under strace, which writes to `log`."""
    return ["strace", "-D", "-I2", "-f", "-qq", "-o", str(log), *options]


@contextmanager
def refused_calls(pid: int, calls: str, error: str, log: Path) -> Iterator[None]:
    """Refuse a running process these system calls for the time of the block; `log` has each of them."""
    inject = f"inject={calls}:error={error}"
    options = ["-f", "-qq", "-o", str(log), "-e", f"trace={calls}", "-e", inject]
    with subprocess.Popen(["strace", *options, "-p", str(pid)]) as strace:
        try:
            wait_until(lambda: tracer_of(pid) == strace.pid, what=f"strace: {strace.poll()}")
            yield
        finally:
            strace.terminate()


def delayed_syncs(log: Path, *, before: bool) -> list[str]:
    """Return the words that make each sync last long enough to be killed in: before or after it."""
    delay = "delay_enter" if before else "delay_exit"
    inject = f"inject={SYNCS}:{delay}={_PAUSE_MS}ms"
    return under_strace(log, "-e", f"trace={SYNCS}", "-e", inject)


def count_of_syncs(log: Path) -> int:
    """Return how many syncs began so far, of all threads together."""
    return len(_CALL.findall(log.read_bytes())) if log.exists() else 0


def killed_at_sync(home: Home, log: Path, number: int, *, within_s: float = 60.0) -> bool:
    """Kill the daemon, started with `delayed_syncs`, in its sync of that number.

    False where it ended by itself, with exit 0, before there were so many.
    """
    assert home.daemon is not None
    deadline = time.monotonic() + within_s
    while count_of_syncs(log) < number:
        if home.daemon.poll() is not None:
            return False
        assert time.monotonic() < deadline, home.told()
        time.sleep(0.002)
    home.kill()
    return True


def tracer_of(pid: int) -> int:
    """Return the process that traces another one; ending it lets that one go on untouched."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("TracerPid:"):
            return int(line.split()[1])
    raise AssertionError(f"nobody traces {pid}")
