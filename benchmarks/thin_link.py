"""A link of 1 MB/s full of large files: is it used, and how long does a new small file wait?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from benchmarks import corpus
from benchmarks.home import Home
from benchmarks.link import Link
from benchmarks.options import Options, alone, places
from benchmarks.results import Goal, Result, Table
from benchmarks.sink import FLUSH_S, Sink

if TYPE_CHECKING:
    from pathlib import Path

BYTES_PER_S: Final = 1_000_000
WARM_UP_S: Final = 10.0
SECONDS: Final = 70.0
SMALL_EVERY_S: Final = 8.0


def measure(options: Options) -> Result:
    """Fill the link with images, and write a small file now and then."""
    seconds = 12.0 if options.quick else SECONDS
    with places() as (data, homes), Sink(data / "sink") as sink:
        files = corpus.fill(data / "files", files=4, size=corpus.LARGE)
        with Link(sink.port, bytes_per_s=BYTES_PER_S) as link, Home(homes, options.build) as home:
            home.log_in(link.url)
            home.watch(files.folder)
            mark = sink.mark()
            home.start()
            wait_for_bytes(link)
            began = time.time() + (1.0 if options.quick else WARM_UP_S)
            wrote = write_now_and_then(files.folder, began, began + seconds)
            time.sleep(max(0.0, began + seconds - time.time()))
            share = link.rate(began, began + seconds) / BYTES_PER_S
            time.sleep(2 * FLUSH_S)
            came = {
                request.bytes: request
                for request in sink.uploads(mark)
                if request.bytes < corpus.LARGE
            }
    small = sorted(came.values(), key=lambda request: request.began_at)
    began_s = [request.began_at - at for at, request in zip(wrote, small, strict=False)]
    ended_s = [request.ended_at - at for at, request in zip(wrote, small, strict=False)]
    lost = [seconds] * (len(wrote) - len(small))  # one that did not come has waited to the end
    began_s, ended_s = began_s + lost, ended_s + lost
    goals = [
        Goal("link of 1 MB/s full of images: share of it used", share, 0.95, more_is_better=True),
        Goal("the same: longest wait of a new small file", max(began_s), 2.0, unit="s"),
    ]
    rows = [[f"{a:.2f}", f"{b:.2f}"] for a, b in zip(began_s, ended_s, strict=True)]
    return Result(
        title="A link of 1 MB/s, full",
        about=(
            f"Images of 32 MiB, {seconds:.0f} s, all connections together 1,000,000 bytes a second;"
            f" a new file of 20 kB every {SMALL_EVERY_S:.0f} s."
        ),
        goals=goals,
        tables=[Table(["small file: s from close() to its first byte", "to its answer"], rows)],
        notes=[f"Of {len(wrote)} small files {len(small)} came within the time."],
    )


def wait_for_bytes(link: Link) -> None:
    """Wait until images are on the way."""
    while not link.moved or link.moved[-1][1] < 100_000:
        time.sleep(0.1)


def write_now_and_then(folder: Path, since: float, until: float) -> list[float]:
    """Write a small file every few seconds; return when each was closed."""
    wrote: list[float] = []
    while (at := since + len(wrote) * SMALL_EVERY_S) < until - SMALL_EVERY_S / 2:
        time.sleep(max(0.0, at - time.time()))
        number = 1_000_000 + len(wrote)
        size = corpus.SMALL + corpus.BLOCK * len(wrote)  # by which it is known at the server
        (folder / f"small_{number}.fits").write_bytes(corpus.frame(number, size))
        wrote.append(time.time())
    return wrote


if __name__ == "__main__":
    alone(measure, __doc__)
