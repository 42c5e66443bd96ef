"""A queue that has grown for years: 1,000,000 finished rows, against 1,000.

The rows are those of files that were really sent, copied by SQL with their history, under other
names and nights: to send a million files would take half an hour.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import statistics
import time
from typing import TYPE_CHECKING, Final

from benchmarks import corpus
from benchmarks.home import QUICK_SETTLE, Home
from benchmarks.options import Options, alone, places
from benchmarks.results import Goal, Result, Table
from benchmarks.rounds import Rounds
from benchmarks.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.folder_run import Reading

SENT: Final = 1000
COPIES: Final = 999
NEW_FILES: Final = 1000
COMMANDS: Final = (
    ("oort status", ("status",), 0.5),
    ("oort uploads --limit 50", ("uploads", "--limit", "50"), 0.5),
    ("oort report", ("report",), 2.0),
)
_NIGHT_MS: Final = 24 * 3600 * 1000


def measure(options: Options) -> Result:
    """Fill two queues, send the same new files through both in turn, and time the commands."""
    sent, copies, new = (50, 3, 50) if options.quick else (SENT, COPIES, NEW_FILES)
    short, long = f"{sent:,} rows", f"{sent * (copies + 1):,} rows"
    with (
        places() as (data, homes),
        Sink(data / "sink") as sink,
        Home(homes / "short", options.build) as few,
        Home(homes / "long", options.build) as many,
    ):
        for home in (few, many):
            folder = data / home.folder.name
            corpus.fill(folder, files=sent, size=corpus.BLOCK)
            home.log_in(sink.url)
            home.set(QUICK_SETTLE)
            home.watch(folder)
            mark = sink.mark()
            home.start()
            sink.wait_for(sent, mark, timeout_s=120)
            home.wait_for_ok(sent)
            home.stop()
        multiply(many.folder / "oort" / "oort.db", copies)
        rounds = Rounds().take(
            {
                name: lambda home=home: moved_in(home, sink, data, new)  # type: ignore[misc]
                for name, home in ((short, few), (long, many))
            },
            options.turns(3),
        )
        runs = 1 if options.quick else 5
        told = many.run("oort", "-h")
        here = [command for command in COMMANDS if f" {command[1][0]} " in told]
        took = {name: timed(many, words, runs) for name, words, _ in here}
        few_took = {name: timed(few, words, runs) for name, words, _ in here}
    goals = [
        Goal(
            f"queue of {long}: time of a new file against {short}",
            rounds.ratio(long, short, "ms_a_file"),
            must=1.2,
        ),
        *(
            Goal(f"the same: `{name}`", statistics.median(took[name]), must, unit="s")
            for name, _, must in here
        ),
    ]
    sending = [[name, rounds.spread(name, "ms_a_file")] for name in (short, long)]
    commands = [
        [f"`{name}`", *(f"{statistics.median(one[name]):.2f}" for one in (few_took, took))]
        for name, _, _ in here
    ]
    missing = [name for name, _, _ in COMMANDS if name not in took]
    return Result(
        title="A long queue",
        about=f"{new:,} new files moved into the watch at once, from the first answer to the last.",
        goals=goals,
        tables=[
            Table(["finished rows", "ms a file, median (least-most)"], sending),
            Table(["", f"s with {short}", f"s with {long}"], commands),
        ],
        notes=[f"Not measured: there is no `{name}`." for name in missing],
    )


def multiply(database: Path, copies: int) -> None:
    """Copy the rows so many times, with their history, each time a night earlier."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        (step,) = connection.execute("SELECT max(id) FROM uploads").fetchone()
        for n in range(1, copies + 1):
            for table, key, changes in _COPIED:
                copy(connection, table, key, changes, {"n": n, "step": step})
        connection.commit()


_COPIED: Final = (
    (
        "uploads",
        "id",
        {
            "id": "id + :n * :step",
            "rel_path": "CAST('old-' || :n || '/' || rel_path AS BLOB)",
            "path_text": "'old-' || :n || '/' || path_text",
            "night": "date(night, '-' || :n || ' days')",
        },
    ),
    ("transitions", "upload_id", {"upload_id": "upload_id + :n * :step", "id": "NULL"}),
    ("attempts", "upload_id", {"upload_id": "upload_id + :n * :step", "id": "NULL"}),
)
"""The tables, by what their first rows are known, and what is other in a copy."""


def copy(
    connection: sqlite3.Connection,
    table: str,
    key: str,
    changes: Mapping[str, str],
    values: Mapping[str, int],
) -> None:
    """Copy the rows up to `:step` with these changes, all times `:n` nights earlier."""
    told = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    names = [name for (name,) in told]
    earlier = {name: f"{name} - :n * {_NIGHT_MS}" for name in names if name.split("_")[-1] == "at"}
    wanted = ", ".join((earlier | dict(changes)).get(name, name) for name in names)
    connection.execute(
        f"INSERT INTO {table} ({', '.join(names)})"  # noqa: S608  # names of our own schema
        f" SELECT {wanted} FROM {table} WHERE {key} <= :step",
        values,
    )


def moved_in(home: Home, sink: Sink, data: Path, count: int) -> Reading:
    """Have a folder of new files appear under a running daemon; return the time for each."""
    turn = len(list((data / home.folder.name).glob("new-*")))
    aside = data / "aside"
    corpus.fill(aside, files=count, size=corpus.BLOCK, first=(turn + 1) * 1_000_000)
    home.start()
    home.wait_until_watching()
    time.sleep(1.0)
    mark = sink.mark()
    aside.rename(data / home.folder.name / f"new-{turn}")
    uploads = sink.wait_for(count, mark, timeout_s=120)
    home.wait_for_ok(count)
    home.stop()
    shutil.rmtree(aside, ignore_errors=True)
    return {"ms_a_file": 1000 * (uploads[-1].ended_at - uploads[0].ended_at) / count}


def timed(home: Home, words: tuple[str, ...], runs: int) -> list[float]:
    """Return how long a command takes, in seconds."""
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        home.run("oort", *words)
        took.append(time.perf_counter() - began)
    return took


if __name__ == "__main__":
    alone(measure, __doc__)
