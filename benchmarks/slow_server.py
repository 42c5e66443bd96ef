"""A server that takes 50 ms for each answer: does the number of workers find its place in time?"""

from __future__ import annotations

from benchmarks import contenders, corpus, peers
from benchmarks.options import Options, alone, places
from benchmarks.results import Goal, Result
from benchmarks.sink import Sink

FILES = 1000
DELAY_S = 0.05


def measure(options: Options) -> Result:
    """Run the daemon with its usual settings, curl and bare requests in turn."""
    curl, plain = peers.curl(16), peers.requests_threads(16)
    rivals = [curl, plain]
    with places() as (data, homes), Sink(data / "sink", delay_s=DELAY_S) as sink:
        count = 50 if options.quick else FILES
        files = corpus.fill(data / "files", files=count, size=corpus.SMALL)
        rounds = contenders.in_turn(files, sink, homes, options, rivals, rounds=5)
    goals = []
    if curl.missing is None:
        goals.append(
            Goal(
                f"{count:,} small files, answers after 50 ms: speed against {curl.name}",
                rounds.ratio(curl.name, "oort", "wall_s"),
                must=1.0,
                aim=2.0,
                more_is_better=True,
            )
        )
    base = plain.name if curl.missing else curl.name
    return Result(
        title="A server that answers after 50 ms",
        about=f'{count:,} files of {files.size:,} bytes; the daemon has `workers = "auto"`.',
        goals=goals,
        tables=[contenders.table(files, rounds, base)],
        notes=contenders.left_out(rivals),
    )


if __name__ == "__main__":
    alone(measure, __doc__)
