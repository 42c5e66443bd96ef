"""What `arcsecond upload` shows: the summary before the question, the bar, the counts at the end."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from arcsecond.cli import output
from arcsecond.cli.options import asked
from arcsecond.cli.output import volume
from arcsecond.multipart import printable_name
from arcsecond.status import Status, Substatus
from arcsecond.upload.local import SUBSTATUSES, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from arcsecond.upload.context import UploadContext
    from arcsecond.upload.plan import Plan
    from arcsecond.upload.report import Progress
    from arcsecond.upload.throttle import Throttle
    from arcsecond.upload.walker import FolderUpload

QUIET_LINE_S = 30.0
"""How often a line tells of the progress where no bar can."""

PACE_OVER_S = 15.0
"""The rate shown is that of the last so many seconds."""

MANY = 20
"""Of so many files within these seconds, the number tells of the time left better than the bytes."""

MOST_EXAMPLES = 3

_LEFT_OUT_WORDS = {
    Reason.HIDDEN: "hidden",
    Reason.EMPTY: "empty",
    Reason.OUTSIDE: "leading outside the folder",
    Reason.SPECIAL: "no regular files",
    Reason.OWN: "the client's own configuration",
}


def duration(seconds: float) -> str:
    """Return a time span as people read it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def files(count: int) -> str:
    """Return `1 file`, `2 files`."""
    return f"{count} file{'' if count == 1 else 's'}"


def show_summary(context: UploadContext, plan: Plan, throttle: Throttle | None) -> None:
    """Print what will be done, and what will not."""
    config = context.config
    lines = {
        "Account": config.username,
        "Server": f"{config.api_server} ({config.api_name})",
        "Portal": f"{context.portal_name} ({context.portal})" if context.portal else "none",
        "Dataset": _dataset(context),
        "Telescope": _telescope(context),
        "Folder": printable_name(str(plan.root.absolute())),
        "Files": f"{files(plan.files)}, {volume(plan.volume)}",
        "To send": f"{files(plan.to_send)}, {volume(plan.volume_to_send)}",
        "Already there": "; ".join(_there(plan)),
        "Will fail": "; ".join(_will_fail(plan)),
        "Same names": _doubled(plan),
        "Left out": _left_out(plan),
        "Data": ("raw" if context.is_raw else "not raw")
        + (f", tagged {', '.join(context.tags)}" if context.tags else ""),
        "Bandwidth": _bandwidth(plan, throttle),
    }
    output.record({name: text for name, text in lines.items() if text})


def show_report(job: FolderUpload) -> None:
    """Print how many files had which outcome, and what failed with the reason."""
    report = job.report
    counts = Counter(report.counts)
    for reason, count in job.plan.left_out.items():
        counts[Status.SKIPPED, SUBSTATUSES[reason]] += count
    if report.not_tried:
        counts[Status.NEW, Substatus.PENDING] = report.not_tried
    order = [*Status]
    rows = sorted(counts.items(), key=lambda row: (order.index(row[0][0]), row[0][1]))
    output.say()
    output.table(
        [(status.value, substatus.value, count) for (status, substatus), count in rows],
        ("status", "reason", "files"),
    )
    output.say()
    if report.sent:
        rate = report.sent_volume / max(job.took_s, 0.001)
        output.say(
            f"Sent {files(report.sent)}, {volume(report.sent_volume)}"
            f" in {duration(job.took_s)} ({volume(rate)}/s)."
        )
    if report.unproven:
        output.say(
            f"{files(report.unproven)} count as there by name and size alone:"
            " the server has no SHA-256 to compare."
        )
    for path, words in report.notes:
        output.say(output.printable(f"{path}: {words}"))
    if report.failures:
        output.say("Failed:")
    for failure in sorted(report.failures, key=lambda failure: failure.path):
        kind = f"{failure.substatus}: " if failure.substatus is not Substatus.ERROR else ""
        output.say(output.printable(f"  {failure.path}: {kind}{failure.error}"))


@contextlib.contextmanager
def busy(words: str) -> Iterator[None]:
    """Show on a terminal that something is being done."""
    if not _is_live():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(words):
        yield


@contextlib.contextmanager
def progress_of(job: FolderUpload) -> Iterator[Callable[[Progress], None]]:
    """Give what shows the progress: a bar on a terminal, else a line now and then."""
    if not _is_live():
        yield _quiet(job.plan)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns: list[Any] = [
        BarColumn(),
        TextColumn("{task.fields[words]}", markup=False),
    ]
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=job.plan.volume, words="")
        pace = Pace(job.plan)

        def show(progress: Progress) -> None:
            words = pace.words(progress, time.monotonic())
            bar.update(task, completed=progress.volume, words=words)

        yield show


class Pace:
    """How fast it goes, over the last few seconds, and how long it will take."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._seen: deque[tuple[float, Progress]] = deque()

    def words(self, progress: Progress, at_s: float) -> str:
        """Note how far it is; return that in words, with rate and time left once there is a rate."""
        self._seen.append((at_s, progress))
        while at_s - self._seen[0][0] > PACE_OVER_S:
            self._seen.popleft()
        plan = self._plan
        text = (
            f"{progress.files} of {files(plan.files)}, "
            f"{volume(progress.volume)} of {volume(plan.volume)}"
        )
        since_s, before = self._seen[0]
        took_s = at_s - since_s
        moved = progress.bytes_moved - before.bytes_moved
        if not took_s or not moved:
            return text
        left = min(max(plan.volume - progress.volume, 0), plan.volume_to_send)
        left_s = left / moved * took_s
        sent = progress.sent - before.sent
        if sent >= MANY:
            left_s = max(left_s, max(plan.to_send - progress.sent, 0) / sent * took_s)
        return f"{text}, {volume(moved / took_s)}/s, {duration(left_s)} left"


def _quiet(plan: Plan) -> Callable[[Progress], None]:
    pace = Pace(plan)
    said_at = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal said_at
        now = time.monotonic()
        words = pace.words(progress, now)
        if now - said_at >= QUIET_LINE_S:
            said_at = now
            output.note(words)

    return show


def _is_live() -> bool:
    return sys.stderr.isatty() and not asked().verbose


def _dataset(context: UploadContext) -> str:
    dataset = context.dataset
    if dataset.uuid is None:
        return f"{dataset.name} (new: created when the first file goes out)"
    count = "" if dataset.files_count is None else f", {files(dataset.files_count)}"
    return f"{dataset.name} (existing{count}, {dataset.uuid})"


def _telescope(context: UploadContext) -> str:
    telescope, dataset = context.telescope, context.dataset
    if telescope is None:
        return f"{dataset.telescope} (the dataset's)" if dataset.telescope else "none"
    attached = "the dataset's" if dataset.telescope else "will be attached to the dataset"
    return f"{telescope.name} ({telescope.uuid}, {attached})"


def _there(plan: Plan) -> Iterator[str]:
    if not plan.sees_dataset:
        yield "not known: this key may not read the dataset's listing"
    if plan.there:
        yield f"{files(plan.there)}, {volume(plan.there_volume)}, by name (compared, not sent again)"
    if plan.renamed:
        pairs = [
            f"{printable_name(path)} as {there.name}"
            for path, there in list(plan.renamed.items())[:MOST_EXAMPLES]
        ]
        more = ", …" if len(plan.renamed) > len(pairs) else ""
        yield (
            f"{files(len(plan.renamed))}, {volume(plan.renamed_volume)}, under another name that"
            f" the server gave, found by SHA-256: {', '.join(pairs)}{more}"
        )


def _will_fail(plan: Plan) -> Iterator[str]:
    if plan.differing:
        yield f"{files(plan.differing)} whose name another one of another size has in the dataset"
    if plan.unreadable:
        yield f"{len(plan.unreadable)} that cannot be read"


def _doubled(plan: Plan) -> str:
    if not plan.doubled:
        return ""
    return f"{files(plan.doubled)} not sent, because one before has the same name"


def _left_out(plan: Plan) -> str:
    return ", ".join(
        f"{plan.left_out[reason]} {words}"
        for reason, words in _LEFT_OUT_WORDS.items()
        if plan.left_out[reason]
    )


def _bandwidth(plan: Plan, throttle: Throttle | None) -> str:
    if throttle is None:
        return ""
    estimate = duration(plan.volume_to_send / throttle.bytes_per_s)
    return f"at most {volume(throttle.bytes_per_s)}/s: about {estimate}"
