"""From close() of a new file to its first byte at the server, when the daemon has nothing else to do."""

from __future__ import annotations

import random
import statistics
import time

from benchmarks import corpus
from benchmarks.home import Home
from benchmarks.options import Options, alone, places
from benchmarks.results import Goal, Result, Table
from benchmarks.sink import Sink

FILES = 60
KNOWN = 500


def measure(options: Options) -> Result:
    """Write one file after the other into a watched folder, at odd moments."""
    count = 5 if options.quick else FILES
    rng = random.Random(1)
    with places() as (data, homes), Sink(data / "sink") as sink, Home(homes, options.build) as home:
        known = corpus.fill(data / "files", files=20 if options.quick else KNOWN, size=corpus.SMALL)
        home.log_in(sink.url)
        home.watch(known.folder)
        mark = sink.mark()
        home.start()
        sink.wait_for(known.files, mark, timeout_s=60)
        home.wait_for_ok(known.files)
        time.sleep(2.0)
        waits = []
        for number in range(count):
            mark = sink.mark()
            file = known.folder / "set-00000" / f"new_{number:05}.fits"
            file.write_bytes(corpus.frame(1_000_000 + number, corpus.SMALL))
            closed_at = time.time()
            [request] = sink.wait_for(1, mark, timeout_s=30)
            waits.append(request.began_at - closed_at)
            time.sleep(rng.uniform(0.1, 0.7))
    median, p95 = statistics.median(waits), statistics.quantiles(waits, n=20)[-1]
    goals = [
        Goal("close() of a small file to its first byte: median", median, 0.4, 0.25, "s"),
        Goal("the same: 95 % within", p95, 0.6, unit="s"),
    ]
    row = [f"{value:.3f}" for value in (min(waits), median, p95, max(waits))]
    return Result(
        title="How soon a new file is on its way",
        about=f"{count} files of 20 kB, one at a time, into a watch of {known.files} files.",
        goals=goals,
        tables=[Table(["least s", "median", "95 %", "most"], [row])],
    )


if __name__ == "__main__":
    alone(measure, __doc__)
