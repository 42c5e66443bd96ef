"""How long the commands take to start, against a bare Python in the same run.

    python benchmarks/startup.py [--runs N]

Prints the median of the wall times and the ratio to `python -c pass`, pair by pair: machines drift,
ratios hold. `oort status` is asked in a home with an empty queue and without a daemon.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BIN = Path(sys.executable).parent

COMMANDS: dict[str, list[str]] = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "oort -h": [str(BIN / "oort"), "-h"],
    "oort --version": [str(BIN / "oort"), "--version"],
    "oort status": [str(BIN / "oort"), "status"],
    "arcsecond -h": [str(BIN / "arcsecond"), "-h"],
    "import arcsecond": [sys.executable, "-c", "import arcsecond"],
}


def timed(argv: list[str], environment: dict[str, str]) -> float:
    """Return the wall seconds of one run."""
    began = time.perf_counter()
    subprocess.run(argv, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    took: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"OORT_HOME": home, "ARCSECOND_CONFIG_DIR": home, "HOME": home}
        for turn in range(runs + 1):
            for name, argv in COMMANDS.items():
                seconds = timed(argv, environment)
                if turn:  # the first round warms the caches
                    took[name].append(seconds)
    bare = took["python -c pass"]
    print(f"{'command':<20}{'median s':>10}{'min s':>10}{'ratio to python':>18}")
    for name, seconds in took.items():
        ratio = statistics.median(mine / base for mine, base in zip(seconds, bare, strict=True))
        print(f"{name:<20}{statistics.median(seconds):>10.3f}{min(seconds):>10.3f}{ratio:>18.2f}")


if __name__ == "__main__":
    main()
