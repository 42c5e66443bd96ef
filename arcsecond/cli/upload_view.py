"""What `arcsecond upload` says: the summary before the question, and what became of each file."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from arcsecond.cli import output
from arcsecond.cli.output import volume
from arcsecond.cli.quantities import duration, files
from arcsecond.multipart import printable_name
from arcsecond.status import Status, Substatus
from arcsecond.upload.local import SUBSTATUSES, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from arcsecond.upload.context import UploadContext
    from arcsecond.upload.plan import Plan
    from arcsecond.upload.report import Failure, Report
    from arcsecond.upload.result import Result
    from arcsecond.upload.throttle import Throttle
    from arcsecond.upload.walker import FolderUpload

MOST_EXAMPLES = 3
MANY_LINES = 20
"""Of more than that, the sums are said as well, behind the last line."""
MOST_REASONS = 5

_LEFT_OUT_WORDS = {
    Reason.HIDDEN: "hidden",
    Reason.EMPTY: "empty",
    Reason.OUTSIDE: "leading outside the folder",
    Reason.SPECIAL: "no regular files",
    Reason.OWN: "the client's own configuration",
}


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


def show_nothing(plan: Plan) -> None:
    """Say why the end comes so soon."""
    kinds = "files" if not plan.left_out else "files but those that are left out"
    output.say(f"Nothing to upload: the folder has no {kinds}.")


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
    for path, words in report.notes[:MANY_LINES]:
        output.say(output.printable(f"{path}: {words}"))
    if len(report.notes) > MANY_LINES:
        output.say(f"… and {len(report.notes) - MANY_LINES} more of that kind (-v names each)")
    _show_last_sent(report)
    _show_failures(report.failures)


def show_result(path: str, result: Result) -> None:
    """Print what became of one file, as it happens."""
    words = f"{path}: {result.status} {result.substatus}"
    detail = str(result.error or result.note)
    output.note(output.printable(f"{words}: {detail}" if detail else words))


def _show_last_sent(report: Report) -> None:
    """Print what arrived before it was stopped; the newest, where it is much."""
    if not report.was_stopped or not report.sent:
        return
    before = report.sent - len(report.last_sent)
    output.say("Sent before it was stopped" + (f", the last of {report.sent}:" if before else ":"))
    for path in report.last_sent:
        output.say(output.printable(f"  {path}"))


def _show_failures(failures: Sequence[Failure]) -> None:
    """Print each failure with its reason; of many, also how many have which, where the eye ends."""
    if failures:
        output.say("Failed:")
    for failure in sorted(failures, key=lambda failure: failure.path):
        output.say(output.printable(f"  {failure.path}: {_reason(failure)}"))
    if len(failures) <= MANY_LINES:
        return
    reasons = Counter(
        str(failure.error) if failure.substatus is Substatus.ERROR else failure.substatus.value
        for failure in failures  # a conflict's own words name a file, and each is another one
    )
    output.say(f"{files(len(failures))} failed:")
    for reason, count in reasons.most_common(MOST_REASONS):
        output.say(output.printable(f"  {files(count)}: {reason}"))
    rest = len(failures) - sum(count for _, count in reasons.most_common(MOST_REASONS))
    if rest:
        output.say(f"  {files(rest)}: other reasons")


def _reason(failure: Failure) -> str:
    kind = f"{failure.substatus}: " if failure.substatus is not Substatus.ERROR else ""
    return f"{kind}{failure.error}"


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
