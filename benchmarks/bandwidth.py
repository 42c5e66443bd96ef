"""`bwlimit`: is the rate kept, and how soon is another one taken?"""

from __future__ import annotations

import time
from typing import Final

from benchmarks import corpus
from benchmarks.home import QUICK_SETTLE, Home
from benchmarks.link import Link
from benchmarks.options import Options, alone, places
from benchmarks.results import Goal, Result, Table
from benchmarks.sink import Sink

MIB: Final = 1024 * 1024
WINDOW_S: Final = 10.0
STEP_S: Final = 0.25


def measure(options: Options) -> Result:
    """Look at the bytes of ten seconds at 1 MiB/s, change to 2 MiB/s, and look again."""
    window_s = 2.0 if options.quick else WINDOW_S
    with places() as (data, homes), Sink(data / "sink") as sink:
        files = corpus.fill(data / "files", files=3000, size=20 * corpus.BLOCK)
        with Link(sink.port) as link, Home(homes, options.build) as home:
            home.log_in(link.url)
            home.set({**QUICK_SETTLE, "bwlimit": "1M"})
            home.watch(files.folder)
            home.start()
            while not link.moved or link.moved[-1][1] < 2 * MIB:
                time.sleep(0.1)
            began_at = time.time()
            time.sleep(window_s)
            before = link.rate(began_at, began_at + window_s) / MIB
            home.set({"bwlimit": "2M"})
            changed_at = time.time()
            time.sleep(4.0)
            taken_s = taken_after(link, changed_at)
            began_at = time.time()
            time.sleep(window_s)
            after = link.rate(began_at, began_at + window_s) / (2 * MIB)
    off = max(abs(before - 1), abs(after - 1))
    goals = [
        Goal(f"bwlimit: off the rate over {window_s:.0f} s", 100 * off, 5.0, unit="%"),
        Goal("the same: a change is taken within", taken_s, 2.0, unit="s"),
    ]
    row = [f"{before:.3f}", f"{after:.3f}", f"{taken_s:.2f}"]
    return Result(
        title="The bandwidth limit",
        about="Files of 58 kB, `bwlimit` 1M, and 2M by `oort config set` while they are sent.",
        goals=goals,
        tables=[Table(["MiB/s of 1", "of 2, as a share", "s to the new rate"], [row])],
        notes=["All bytes on the wire are counted, the heads of the requests included."],
    )


def taken_after(link: Link, changed_at: float) -> float:
    """Return the seconds until the rate was nearer to the new one, as it then stayed."""
    steps = [step * STEP_S for step in range(16)]
    slow = [at for at in steps if link.rate(changed_at + at, changed_at + at + STEP_S) < 1.5 * MIB]
    return max(slow, default=-STEP_S) + STEP_S


if __name__ == "__main__":
    alone(measure, __doc__)
