"""20,000 small files written into a running watch as fast as the disk takes them."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from benchmarks import corpus
from benchmarks.home import QUICK_SETTLE, Home
from benchmarks.options import Options, alone, places
from benchmarks.results import Goal, Result, Table
from benchmarks.sink import FLUSH_S, Sink

if TYPE_CHECKING:
    from benchmarks.sink import Request

FILES = 20_000


def measure(options: Options) -> Result:
    """Write them, and see second by second how many arrive."""
    count = 200 if options.quick else FILES
    with places() as (data, homes), Sink(data / "sink") as sink, Home(homes, options.build) as home:
        folder = data / "files"
        folder.mkdir()
        home.log_in(sink.url)
        home.set(QUICK_SETTLE)
        home.watch(folder)
        home.start()
        home.wait_until_watching()
        time.sleep(2.0)
        mark = sink.mark()
        began_at = time.time()
        corpus.fill(folder, files=count, size=corpus.BLOCK, per_folder=200)
        wrote_s = time.time() - began_at
        uploads = sink.wait_for(count, mark, timeout_s=30 + 0.02 * count)
        time.sleep(2 * FLUSH_S)
        home.wait_for_ok(count)
        came = len(sink.uploads(mark))
    seconds = by_second(uploads)
    steady = count / (uploads[-1].ended_at - uploads[0].ended_at)
    first = seconds[0] / steady
    goals = [
        Goal(f"burst of {count:,} files: missed or sent twice", abs(count - came), 0, digits=0),
        Goal("the same: rate of the first second against all", first, 0.8, more_is_better=True),
        Goal(
            "the same: first file answered after",
            uploads[0].ended_at - began_at,
            1.5,
            unit="s",
        ),
    ]
    row = [f"{wrote_s:.1f}", f"{uploads[-1].ended_at - began_at:.1f}", f"{steady:.0f}"]
    return Result(
        title="A burst",
        about=f"{count:,} files of {2 * corpus.BLOCK:,} bytes in new folders of 200.",
        goals=goals,
        tables=[
            Table(["written within s", "answered within s", "files/s"], [row]),
            Table(
                [f"second {number + 1}" for number in range(min(10, len(seconds)))],
                [[str(number) for number in seconds[:10]]],
            ),
        ],
    )


def by_second(uploads: list[Request]) -> list[int]:
    """Return how many came in each second, from the first on."""
    began_at = uploads[0].ended_at
    counted = Counter(int(upload.ended_at - began_at) for upload in uploads)
    return [counted[second] for second in range(max(counted) + 1)]


if __name__ == "__main__":
    alone(measure, __doc__)
