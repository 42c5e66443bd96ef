"""On what was measured: the machine, the day, and what ran there."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

from benchmarks import peers, sink


def described() -> str:
    """Return one line about the machine, what else it has to do, and the versions."""
    tools = peers.versions() | {"nginx": "not installed" if sink.missing() else sink.version()}
    versions = ", ".join(f"{name} {number}" for name, number in tools.items())
    return (
        f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, commit {_commit()},"
        f" {os.cpu_count()} cores ({_processor()}) with a load of {os.getloadavg()[0]:.1f} before,"
        f" {platform.system()} {platform.release()},"
        f" Python {platform.python_version()}, arcsecond {version('arcsecond')}, {versions}"
    )


def _commit() -> str:
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
