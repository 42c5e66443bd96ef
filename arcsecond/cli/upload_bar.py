"""How far `arcsecond upload` is: what was seen of the folder, then a bar with files, bytes, rate and ETA.

Only on a terminal, and not beside the lines of `-v`; elsewhere a line now and then.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from arcsecond.cli import output
from arcsecond.cli.options import asked
from arcsecond.cli.output import volume
from arcsecond.cli.quantities import duration, files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

    from arcsecond.upload.plan import Plan
    from arcsecond.upload.report import Progress
    from arcsecond.upload.walker import FolderUpload

QUIET_LINE_S = 30.0
"""How often a line tells of the progress where no bar can."""

PACE_OVER_S = 15.0
"""The rate shown is that of the last so many seconds."""

MANY = 20
"""Of so many files within these seconds, the number tells of the time left better than the bytes."""


@contextlib.contextmanager
def comparing() -> Iterator[Callable[[Plan], None]]:
    """Show on a terminal that the folder is looked at; give what is to be shown the plan."""
    if not _is_live():
        yield lambda _: None
        return
    from rich.console import Console

    words = "Comparing the folder with the dataset"
    with Console(stderr=True).status(words) as status:
        shown_at = 0.0

        def show(plan: Plan) -> None:
            nonlocal shown_at
            now = time.monotonic()
            if now - shown_at > 0.1:  # noqa: PLR2004  # often enough for the eye
                shown_at = now
                status.update(f"{words}: {files(plan.files)}, {volume(plan.volume)}")

        yield show


@contextlib.contextmanager
def progress_of(job: FolderUpload) -> Iterator[Callable[[Progress], None]]:
    """Give what shows the progress: a bar on a terminal, else a line now and then."""
    if not _is_live():
        yield _quiet(job.plan)
        return
    from rich.console import Console
    from rich.live import Live

    bar = _Bar(job.plan)
    with Live(bar, console=Console(stderr=True), refresh_per_second=5, transient=True):
        yield bar.show


class Pace:
    """How fast it goes, over the last few seconds, and how long it will take."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._seen: deque[tuple[float, Progress]] = deque()

    def words(self, progress: Progress, at_s: float) -> list[str]:
        """Note how far it is; return that in words, with rate and time left once there is a rate."""
        self._seen.append((at_s, progress))
        while at_s - self._seen[0][0] > PACE_OVER_S:
            self._seen.popleft()
        plan = self._plan
        words = [
            f"{progress.files} of {files(plan.files)}",
            f"{volume(progress.volume)} of {volume(plan.volume)}",
        ]
        since_s, before = self._seen[0]
        took_s = at_s - since_s
        moved = progress.bytes_moved - before.bytes_moved
        if not took_s or not moved:
            return words
        left = min(max(plan.volume - progress.volume, 0), plan.volume_to_send)
        left_s = left / moved * took_s
        sent = progress.sent - before.sent
        if sent >= MANY:
            left_s = max(left_s, max(plan.to_send - progress.sent, 0) / sent * took_s)
        return [*words, f"{volume(moved / took_s)}/s", f"{duration(left_s)} left"]


class _Bar:
    """The bar over the whole width, and below it the words, in as many lines as they need."""

    def __init__(self, plan: Plan) -> None:
        self._total = max(plan.volume, 1)
        self._done = 0
        self._pace = Pace(plan)
        self._words: list[str] = []
        self._trouble = ""

    def show(self, progress: Progress) -> None:
        self._trouble = trying_again(progress)
        self._done = min(progress.volume, self._total)
        self._words = self._pace.words(progress, time.monotonic())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        line = Table.grid(padding=(0, 1, 0, 0))
        width = max(options.max_width - len("100 % "), 4)
        share = f"{100 * self._done // self._total:3} %"
        line.add_row(ProgressBar(self._total, self._done, width=width), share)
        yield line
        for text in lines(self._words, options.max_width):
            yield Text(text, no_wrap=True, overflow="ellipsis")
        if self._trouble:
            yield Text(self._trouble, no_wrap=True, overflow="ellipsis", style="yellow")


def trying_again(progress: Progress) -> str:
    """Say why nothing seems to happen: a server that is away looks like a program that hangs."""
    return output.shown(f"Trying again: {progress.trouble}") if progress.trouble else ""


def lines(words: Sequence[str], width: int) -> list[str]:
    """Put words one after the other, as many in a line as have room; none is cut in two."""
    found: list[str] = []
    for word in words:
        if found and len(found[-1]) + len(", ") + len(word) < width:
            found[-1] += f", {word}"
        else:
            found.append(word)
    return found


def _quiet(plan: Plan) -> Callable[[Progress], None]:
    pace = Pace(plan)
    said_at = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal said_at
        now = time.monotonic()
        words = pace.words(progress, now)
        if now - said_at >= QUIET_LINE_S:
            said_at = now
            output.note(". ".join(filter(None, (", ".join(words), trying_again(progress)))))

    return show


def _is_live() -> bool:
    return sys.stderr.isatty() and not asked().verbose
