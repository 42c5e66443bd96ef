"""100,000 files: memory while they are sent; then, all known, the next start and a scan."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks import corpus, vitals
from benchmarks.home import QUICK_SETTLE, Home
from benchmarks.options import Options, alone, places
from benchmarks.results import Goal, Result, Table
from benchmarks.sink import Sink

if TYPE_CHECKING:
    from pathlib import Path

FILES = 100_000
RESCAN_S = 10
SCANS = 3
_A_FILE_S = 0.02
"""So long may a file take when all are sent, before the run is given up."""


def measure(options: Options) -> Result:
    """Send all; start anew with a file that is new; then look at what scans cost."""
    count = 500 if options.quick else FILES
    with places() as (data, homes), Sink(data / "sink") as sink, Home(homes, options.build) as home:
        files = corpus.fill(data / "files", files=count, size=corpus.BLOCK, per_folder=200)
        home.log_in(sink.url)
        home.set(QUICK_SETTLE)
        home.watch(files.folder)
        mark = sink.mark()
        pid = home.start()
        with vitals.PeakMemory(pid) as sending:
            sink.wait_for(count, mark, timeout_s=30 + _A_FILE_S * count)
        home.wait_for_ok(count)
        home.stop()
        starts = [start_with_news(home, sink, files.folder, turn) for turn in range(3)]
        scan_cpu_s = scan_cost(home, scans=1 if options.quick else SCANS)
    start_s = sorted(starts)[1]
    goals = [
        Goal(f"memory while {count:,} files are sent", sending.mib, 120, unit="MiB", digits=0),
        Goal(
            f"start with {count:,} known files until a new one is on its way",
            start_s,
            3.0,
            1.5,
            "s",
        ),
        Goal(f"scan of {count:,} known files: processor", scan_cpu_s, 1.0, 0.4, "s"),
    ]
    row = [f"{start_s:.2f} ({min(starts):.2f}-{max(starts):.2f})", f"{scan_cpu_s:.2f}"]
    return Result(
        title="Many known files",
        about=f"{count:,} files in folders of 200, on a tmpfs; three starts, {SCANS} scans.",
        goals=goals,
        tables=[
            Table(["start to first byte of a new file s", "CPU s of a scan"], [row]),
        ],
    )


def start_with_news(home: Home, sink: Sink, folder: Path, turn: int) -> float:
    """Start with one file that is new; return the seconds to its first byte, and stop."""
    file = folder / f"new_{turn}.fits"
    file.write_bytes(corpus.frame(1_000_000 + turn, corpus.SMALL))
    time.sleep(1.0)  # so that it was there for long: what is timed is the start
    mark = sink.mark()
    began_at = time.time()
    home.start()
    [request] = sink.wait_for(1, mark, timeout_s=120)
    home.stop()
    return request.began_at - began_at


def scan_cost(home: Home, *, scans: int) -> float:
    """Return the processor time of a scan in which nothing is new, beyond that of doing nothing."""
    home.set({"rescan_s": str(RESCAN_S)})
    pid = home.start()
    home.wait_until_watching()
    seen, used = last_scan(home), []
    for _ in range(scans + 1):
        before = vitals.cpu_s(pid)
        while (last := last_scan(home)) == seen:
            time.sleep(0.25)
        time.sleep(1.0)
        seen = last
        used.append(vitals.cpu_s(pid) - before)
    home.stop()
    return sum(used[1:]) / scans  # the first may hold the rest of the start


def last_scan(home: Home) -> str:
    """Return when the only watch was scanned last."""
    return str(home.status()["watches"][0]["last_scan_at"])


if __name__ == "__main__":
    alone(measure, __doc__)
