"""A wall clock of a process's own that steps while it runs, as GPS or NTP make it do.

    clock = WallClock(tmp_path)
    home.environment |= clock.environment
    home.start()
    clock.step(timedelta(days=10))

A few lines of C, compiled by the test and preloaded, add what a shared file says to every reading
of the wall clock. The monotonic clock, waits and sleeps are the kernel's. Files get the kernel's
times: who writes one for such a process sets its time with `clock.stamp`.
"""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_SOURCE: Final = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const long long *ahead_us;

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("WALL_CLOCK_AHEAD_US");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *page = mmap(NULL, sizeof *ahead_us, PROT_READ, MAP_SHARED, file, 0);
    if (page != MAP_FAILED)
        ahead_us = page;
    close(file);
}

static long long wall_us(void)
{
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000 + (ahead_us ? *ahead_us : 0);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
        return syscall(SYS_clock_gettime, clock, now);
    long long us = wall_us();
    now->tv_sec = us / 1000000;
    now->tv_nsec = us % 1000000 * 1000;
    return 0;
}

int gettimeofday(struct timeval *now, void *zone)
{
    long long us = wall_us();
    now->tv_sec = us / 1000000;
    now->tv_usec = us % 1000000;
    return 0;
}

time_t time(time_t *told)
{
    time_t now = wall_us() / 1000000;
    if (told)
        *told = now;
    return now;
}
"""


class WallClock:
    """The wall clock of all processes that are started with `environment`."""

    def __init__(self, folder: Path) -> None:
        self._library = folder / "wall_clock.so"
        file = folder / "wall_clock.ahead"
        file.write_bytes(struct.pack("q", 0))
        with file.open("r+b") as shared:
            self._ahead = mmap.mmap(shared.fileno(), 8)
        self.environment = {"LD_PRELOAD": str(self._library), "WALL_CLOCK_AHEAD_US": str(file)}
        _compile(self._library)

    @property
    def ahead(self) -> timedelta:
        """By how much it is ahead of the true time."""
        (us,) = struct.unpack("q", self._ahead[:8])
        return timedelta(microseconds=us)

    def step(self, by: timedelta) -> None:
        """Set it forward, or back."""
        self._ahead[:8] = struct.pack("q", (self.ahead + by) // timedelta(microseconds=1))

    def now(self) -> datetime:
        """Return what it shows."""
        return self.true_now() + self.ahead

    def true_now(self) -> datetime:
        """Return what the machine's own clock shows."""
        return datetime.now(UTC)  # a test's world has clocks of its own

    def stamp(self, path: Path) -> Path:
        """Give a file the time that it would have had with this clock; return its path."""
        moment_ns = time.time_ns() + self.ahead // timedelta(microseconds=1) * 1000
        os.utime(path, ns=(moment_ns, moment_ns))
        return path


def _compile(library: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not os.path.isdir("/proc"):  # noqa: PTH112  # Linux
        pytest.skip("needs a C compiler (gcc) on Linux")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", library, "-x", "c", "-"]
    subprocess.run(command, input=_SOURCE.encode(), check=True)
