"""A server far away that refuses one file in a hundred: `auto` against a fixed number."""

from __future__ import annotations

from functools import partial

from benchmarks import contenders, corpus, folder_run
from benchmarks.options import Options, alone, places
from benchmarks.results import Goal, Result
from benchmarks.rounds import Rounds
from benchmarks.sink import Sink

FILES = 2000
DELAY_S = 0.1
REFUSED = 0.01
FIXED = "workers = 4"
AUTO = 'workers = "auto"'


def measure(options: Options) -> Result:
    """Run the daemon with both settings in turn."""
    with places() as (data, homes), Sink(data / "sink", delay_s=DELAY_S, refused=REFUSED) as sink:
        count = 100 if options.quick else FILES
        files = corpus.fill(data / "files", files=count, size=corpus.SMALL)
        run = partial(folder_run.by_daemon, files, sink, homes / "home", options.build)
        settings = {AUTO: {}, FIXED: {"workers": "4"}}
        turns = {name: partial(run, one) for name, one in settings.items()}
        rounds = Rounds().take(turns, options.turns(1))
    goal = Goal(
        f"{count:,} small files, 100 ms, 1 % refused: speed against {FIXED}",
        rounds.ratio(FIXED, AUTO, "wall_s"),
        must=3.0,
        more_is_better=True,
    )
    return Result(
        title="A server that answers after 100 ms and refuses 1 %",
        about=f"{count:,} files of {files.size:,} bytes; 503 by chance, tried again after some seconds.",
        goals=[goal],
        tables=[contenders.table(files, rounds, FIXED)],
    )


if __name__ == "__main__":
    alone(measure, __doc__)
