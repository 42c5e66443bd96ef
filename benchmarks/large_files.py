"""A camera's images, 32 MiB each: megabytes a second."""

from __future__ import annotations

from benchmarks import contenders, corpus, peers
from benchmarks.options import Options, alone, places
from benchmarks.results import Goal, Result
from benchmarks.sink import Sink

FILES = 60


def measure(options: Options) -> Result:
    """Run the daemon, curl, bare requests and rclone in turn."""
    curl, plain = peers.curl(4), peers.requests_threads(4)
    rivals = [curl, plain, peers.rclone(4)]
    with places() as (data, homes), Sink(data / "sink") as sink:
        count = 4 if options.quick else FILES
        files = corpus.fill(data / "files", files=count, size=corpus.LARGE, per_folder=20)
        rounds = contenders.in_turn(files, sink, homes, options, rivals, rounds=5)
    goals = []
    if curl.missing is None:
        goals.append(
            Goal(
                f"{count} FITS of 32 MiB: speed against {curl.name}",
                rounds.ratio(curl.name, "oort", "wall_s"),
                must=1.0,
                aim=1.2,
                more_is_better=True,
            )
        )
    base = plain.name if curl.missing else curl.name
    return Result(
        title="Images of 32 MiB",
        about=f"{count} files of {files.size:,} bytes, a server that answers at once.",
        goals=goals,
        tables=[contenders.table(files, rounds, base)],
        notes=contenders.left_out(rivals),
    )


if __name__ == "__main__":
    alone(measure, __doc__)
