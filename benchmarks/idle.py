"""A daemon with nothing to do: what it takes of the processor, and the memory that it holds."""

from __future__ import annotations

import time

from benchmarks import corpus, vitals
from benchmarks.home import QUICK_SETTLE, Home
from benchmarks.options import Options, alone, places
from benchmarks.results import Goal, Result, Table
from benchmarks.sink import Sink

FILES = 10_000
FOLDERS = 500
SETTLED_S = 10.0
SECONDS = 60.0


def measure(options: Options) -> Result:
    """Have all files known, start the daemon anew, and look at it for a minute."""
    count, seconds = (200, 2.0) if options.quick else (FILES, SECONDS)
    with places() as (data, homes), Sink(data / "sink") as sink, Home(homes, options.build) as home:
        files = corpus.fill(
            data / "files", files=count, size=corpus.BLOCK, per_folder=count // FOLDERS or 1
        )
        home.log_in(sink.url)
        home.set(QUICK_SETTLE)
        home.watch(files.folder)
        mark = sink.mark()
        home.start()
        sink.wait_for(count, mark, timeout_s=120)
        home.wait_for_ok(count)
        home.stop()
        pid = home.start()
        home.wait_until_watching()
        time.sleep(1.0 if options.quick else SETTLED_S)
        began, cpu_s = time.monotonic(), vitals.cpu_s(pid)
        time.sleep(seconds)
        share = (vitals.cpu_s(pid) - cpu_s) / (time.monotonic() - began)
        memory = vitals.rss_mib(pid)
    what = f"idle with {count:,} known files in {FOLDERS} folders"
    goals = [
        Goal(f"{what}: processor", 100 * share, 0.2, 0.05, "% of a core", digits=3),
        Goal("the same: resident memory", memory, 80, 60, "MiB", digits=0),
    ]
    row = [f"{1000 * 60 * share:.0f}", f"{memory:.1f}"]
    return Result(
        title="Nothing to do",
        about=f"{seconds:.0f} s without a file, after a start with all of them known; no scan fell into it.",
        goals=goals,
        tables=[Table(["CPU ms a minute", "resident memory MiB"], [row])],
    )


if __name__ == "__main__":
    alone(measure, __doc__)
