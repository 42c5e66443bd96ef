"""Many small files on a server that answers at once: files a second, and what a file costs."""

from __future__ import annotations

from benchmarks import contenders, corpus, peers
from benchmarks.options import Options, alone, places
from benchmarks.results import Goal, Result
from benchmarks.sink import Sink

FILES = 5000


def measure(options: Options) -> Result:
    """Run the daemon, bare requests, rclone and curl in turn."""
    plain, rclone = peers.requests_threads(4), peers.rclone(4)
    rivals = [plain, rclone, peers.curl(4)]
    with places() as (data, homes), Sink(data / "sink") as sink:
        count = 50 if options.quick else FILES
        files = corpus.fill(data / "files", files=count, size=corpus.SMALL)
        rounds = contenders.in_turn(files, sink, homes, options, rivals, rounds=5)
    goals = [
        Goal(
            f"{count:,} files of 20 kB: speed against {plain.name}",
            rounds.ratio(plain.name, "oort", "wall_s"),
            must=1.0,
            more_is_better=True,
        ),
        Goal(
            "the same: processor time a file",
            1000 * rounds.median("oort", "cpu_s") / count,
            must=1.2,
            aim=0.6,
            unit="ms",
        ),
    ]
    if rclone.missing is None:
        reached = rounds.ratio(rclone.name, "oort", "wall_s")
        what = f"the same: speed against {rclone.name}"
        goals.append(Goal(what, reached, must=None, aim=1.0, more_is_better=True))
    return Result(
        title="Small files",
        about=f"{count:,} files of {files.size:,} bytes, a server that answers at once.",
        goals=goals,
        tables=[contenders.table(files, rounds, plain.name)],
        notes=contenders.left_out(rivals),
    )


if __name__ == "__main__":
    alone(measure, __doc__)
