"""How long the commands take to start, against a bare Python in the same run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.home import Home
from benchmarks.options import Options, alone
from benchmarks.results import Goal, Result, Table
from benchmarks.rounds import Rounds

if TYPE_CHECKING:
    from benchmarks.folder_run import Reading

BARE = "python -c pass"


def measure(options: Options) -> Result:
    """Run each in turn; `oort status` in a home with an empty queue and without a daemon."""
    python = options.build / Path(sys.executable).name
    commands: dict[str, list[str | Path]] = {
        BARE: [python, "-c", "pass"],
        "oort -h": [options.build / "oort", "-h"],
        "oort --version": [options.build / "oort", "--version"],
        "oort status": [options.build / "oort", "status"],
        "arcsecond -h": [options.build / "arcsecond", "-h"],
        "import arcsecond": [python, "-c", "import arcsecond"],
    }
    with tempfile.TemporaryDirectory() as place, Home(Path(place), options.build) as home:
        turns = {name: partial(timed, argv, home.environment) for name, argv in commands.items()}
        for warm in turns.values():
            warm()
        rounds = Rounds().take(turns, options.turns(15))
    goals = [
        Goal(f"`{name}`", rounds.median(name, "wall_s"), must, unit="s", digits=3)
        for name, must in (("oort -h", 0.12), ("oort status", 0.35))
    ]
    rows = [
        [
            f"`{name}`",
            rounds.spread(name, "wall_s", digits=3),
            f"{rounds.ratio(name, BARE, 'wall_s'):.2f}",
        ]
        for name in commands
    ]
    header = ["command", "wall s, median (least-most)", f"against `{BARE}`"]
    return Result(
        title="Start-up of the commands",
        about="Each in a process of its own, bytecode in place.",
        goals=goals,
        tables=[Table(header, rows)],
    )


def timed(argv: list[str | Path], environment: dict[str, str]) -> Reading:
    """Return the wall seconds of one run."""
    began = time.perf_counter()
    subprocess.run(argv, env=environment, check=True, capture_output=True)
    return {"wall_s": time.perf_counter() - began}


if __name__ == "__main__":
    alone(measure, __doc__)
