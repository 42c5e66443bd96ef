"""The daemon and the other tools, each with the same folder, in turn; and the table that comes of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks import folder_run
from benchmarks.results import Table
from benchmarks.rounds import Rounds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.corpus import Corpus
    from benchmarks.options import Options
    from benchmarks.peers import Peer
    from benchmarks.sink import Sink


def in_turn(
    files: Corpus,
    sink: Sink,
    homes: Path,
    options: Options,
    rivals: Sequence[Peer],
    *,
    rounds: int,
) -> Rounds:
    """Run the daemon (all builds of it) and those of the rivals that are installed."""
    contenders = {
        name: partial(folder_run.by_daemon, files, sink, homes / "home", build)
        for name, build in options.builds().items()
    }
    for peer in rivals:
        if peer.missing is None:
            contenders[peer.name] = partial(
                folder_run.by_peer, files, sink, homes / "peer", peer=peer
            )
    return Rounds().take(contenders, options.turns(rounds))


def table(files: Corpus, rounds: Rounds, base: str) -> Table:
    """Return what each contender reached; `base` is the one that speeds are compared with."""
    header = [
        *("", "wall s, median (least-most)", "files/s", "MB/s", f"speed against {base}"),
        *("CPU ms/file", "most memory MiB", "requests per 1,000 files"),
        "connections per 1,000 files",
    ]
    rows = []
    for name in rounds.readings:
        wall_s, count = rounds.median(name, "wall_s"), files.files
        rows.append(
            [
                name,
                rounds.spread(name, "wall_s"),
                f"{count / wall_s:.0f}",
                f"{files.bytes / wall_s / 1e6:.0f}",
                f"{rounds.ratio(base, name, 'wall_s'):.2f}" if base in rounds.readings else "",
                f"{1000 * rounds.median(name, 'cpu_s') / count:.2f}",
                f"{rounds.median(name, 'rss_mib'):.0f}",
                f"{1000 * rounds.median(name, 'requests') / count:.0f}",
                f"{1000 * rounds.median(name, 'connections') / count:.1f}",
            ]
        )
    return Table(header, rows)


def left_out(rivals: Sequence[Peer]) -> list[str]:
    """Return a note for each rival that is not installed."""
    return [f"Not measured: {peer.name}: {peer.missing}." for peer in rivals if peer.missing]
