"""What the rehearsal shows: a live picture on a terminal, plain lines on a pipe.

The only module of the demo that prints. Any thread may call `say` and `show`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from oort.demo.proof import Finding
from oort.demo.snapshot import Snapshot

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

    from rich.console import RenderableType

    from oort.clock import Clock
    from oort.demo.proof import Line, Proof
    from oort.demo.snapshot import InHand

_PIPE_WIDTH: Final = 110
_HASH_SHOWN: Final = 12
_BAR_WIDTH: Final = 24
_COLOURS: Final = {"camera": "cyan", "daemon": "green", "link": "yellow", "server": "magenta"}


@dataclass(slots=True)
class Picture:
    """What the live display is painted from; replaced whole or in single fields, never torn."""

    camera: str = "not out yet"
    server: str = "not started yet"
    snapshot: Snapshot = field(default_factory=Snapshot)


class Display:
    """A context manager around the night; outside of it, nothing is live."""

    def __init__(self, clock: Clock, *, file: TextIO | None = None) -> None:
        file = file or sys.stdout
        is_live = file.isatty()
        self._console = Console(
            file=file,
            force_terminal=is_live,
            width=None if is_live else _PIPE_WIDTH,
            highlight=False,
            soft_wrap=False,
        )
        self._clock = clock
        self._began = clock.monotonic()
        self.picture = Picture()
        self._live: Live | None = None
        if is_live and not self._console.is_dumb_terminal:
            self._live = Live(
                console=self._console,
                get_renderable=self._paint,
                refresh_per_second=8,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()

    def say(self, who: str, words: str) -> None:
        """Add a line that stays: who did what, with the seconds since the beginning."""
        elapsed = self._clock.monotonic() - self._began
        line = Text(f"{elapsed:6.1f} s  ")
        line.append(f"{who:<8}", style=_COLOURS.get(who, "bold"))
        line.append(words)
        self._console.print(line, soft_wrap=True)

    def show(self, snapshot: Snapshot) -> None:
        """Take what the daemon tells; on a pipe, a line where the link's state has changed."""
        before, self.picture.snapshot = self.picture.snapshot, snapshot
        if before.link != snapshot.link and snapshot.running:
            because = f": {snapshot.reason}" if snapshot.reason else ""
            self.say("daemon", f"sees the link {snapshot.link}{because}")

    def print(self, *paragraphs: str) -> None:
        """Print words as they are."""
        for words in paragraphs:
            self._console.print(Text(words), soft_wrap=True)

    def conclude(self, proof: Proof) -> None:
        """Print the table and the verdict."""
        self._console.print()
        self._console.print(_table(proof))
        if proof.times:
            self._console.print(Text(f"{proof.total_bytes:,} bytes; {proof.times}"))
        self._console.print(
            Text(proof.verdict, style="bold green" if proof.is_complete else "bold red"),
            soft_wrap=True,
        )

    def _paint(self) -> RenderableType:
        picture = self.picture
        snapshot = picture.snapshot
        rows = Table.grid(padding=(0, 2))
        rows.add_column(style="dim")
        rows.add_column()
        rows.add_row("camera", picture.camera)
        rows.add_row("server", picture.server)
        rows.add_row("daemon", f"running, pid {snapshot.pid}" if snapshot.running else "not there")
        rows.add_row("link", _link(snapshot))
        rows.add_row("queue", snapshot.queue)
        return Group(Text(""), rows, *(_upload(item) for item in snapshot.in_hand))


def _upload(item: InHand) -> RenderableType:
    row = Table.grid(padding=(0, 2))
    row.add_row(
        Text("sending", style="dim"),
        ProgressBar(total=max(item.size, 1), completed=item.bytes_sent, width=_BAR_WIDTH),
        Text(item.name),
    )
    return row


def _link(snapshot: Snapshot) -> Text:
    if snapshot.link == "online":
        return Text("online", style="green")
    because = f": {snapshot.reason}" if snapshot.reason else ""
    return Text(f"{snapshot.link}{because}", style="yellow")


def _table(proof: Proof) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("file", overflow="fold", vertical="bottom")
    table.add_column("bytes", justify="right", no_wrap=True)
    table.add_column("SHA-256\non disk", no_wrap=True)
    table.add_column("SHA-256\nat the server", no_wrap=True)
    table.add_column("time to\ncloud", justify="right", no_wrap=True)
    table.add_column("")
    for line in proof.lines:
        table.add_row(*_cells(line))
    return table


def _cells(line: Line) -> tuple[Text, ...]:
    colour = "green" if line.finding is Finding.SAFE else "bold red"
    return (
        Text(line.path),
        Text("" if line.size is None else f"{line.size:,}"),
        Text(_short(line.disk_sha256)),
        Text(_short(line.server_sha256)),
        Text("" if line.to_cloud_s is None else f"{line.to_cloud_s:.1f} s"),
        Text(line.finding, style=colour),
    )


def _short(sha256: str | None) -> str:
    return f"{sha256[:_HASH_SHOWN]}…" if sha256 else "-"
