"""`arcsecond upload`: check, show what will be done, ask, do it, and say what became of each file."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from arcsecond.cli.options import api_option, asked, portal_option, verbose_option
from arcsecond.errors import ArcsecondError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcsecond.upload.report import Report
    from arcsecond.upload.throttle import Throttle

MOST_WORKERS = 64


@click.command()
@click.argument(
    "folder", type=click.Path(exists=True, file_okay=False, readable=False, path_type=Path)
)
@click.option(
    "-d",
    "--dataset",
    metavar="DATASET",
    help="A UUID, which must exist, or a name, which is found or created. [asked for if left out]",
)
@click.option(
    "-t",
    "--telescope",
    metavar="TELESCOPE",
    help="Attach the dataset to this telescope: its UUID or alias.",
)
@portal_option
@click.option("--raw/--no-raw", default=True, show_default=True, help="Whether it is raw data.")
@click.option("--tags", metavar="A,B", help="Tag each file with these words.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before uploading.")
@click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    default=4,
    show_default=True,
    help="Send so many files at a time.",
)
@click.option(
    "--bwlimit",
    metavar="RATE",
    help="Send no more than so many bytes a second, as in 512k, 2M or 1.5M.",
)
@api_option
@verbose_option
def upload(
    *,
    folder: Path,
    dataset: str | None,
    telescope: str | None,
    raw: bool,
    tags: str | None,
    yes: bool,
    workers: int,
    bwlimit: str | None,
) -> None:
    """Upload the files of FOLDER and of its subfolders to a dataset.

    Hidden and empty files, and links that lead outside, are left out. Run it again to send what is
    missing: what the dataset has already is compared, and not sent a second time.
    """
    throttle = _throttle(bwlimit)
    dataset = dataset or _ask_for_dataset(folder)

    from arcsecond.cli import upload_view as view
    from arcsecond.upload.context import UploadContext
    from arcsecond.upload.walker import FolderUpload

    context = UploadContext(
        asked().config(),
        dataset_uuid_or_name=dataset,
        telescope_uuid=telescope,
        org_subdomain=asked().portal,
        is_raw=raw,
        tags=tags,
        trace=asked().trace(),
    )
    context.validate()
    with view.busy("Comparing the folder with the dataset"):
        job = FolderUpload.prepare(context, folder, workers=workers, throttle=throttle)
    view.show_summary(context, job.plan, throttle)
    if job.plan.files and not yes:
        click.confirm("Upload?", abort=True, err=True)
    if job.plan.files or job.plan.unreadable:
        with _stopped_by_sigterm(), view.progress_of(job) as watcher:
            job.run(watcher)
        view.show_report(job)
    _end(job.report)


def _throttle(bwlimit: str | None) -> Throttle | None:
    if bwlimit is None:
        return None
    from arcsecond.upload.throttle import Throttle, parse_rate

    try:
        rate = parse_rate(bwlimit)
    except InputError as error:
        raise click.BadParameter(error.message, param_hint="--bwlimit") from None
    return None if rate is None else Throttle(rate)


def _ask_for_dataset(folder: Path) -> str:
    if not sys.stdin.isatty():
        raise click.UsageError("Missing option '-d' / '--dataset': which dataset?")
    answer: str = click.prompt("Dataset", default=folder.resolve().name, err=True)
    return answer


@contextlib.contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM stop as Ctrl-C does: what is in hand is cut, so that nothing half is stored."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(report: Report) -> None:
    """Raise ArcsecondError unless every file is safe."""
    missing = report.not_tried + len(report.failures)
    if not missing:
        return
    again = "Run the same command again: only what is missing will be sent."
    words = f"{missing} of {report.files} files did not arrive"
    if report.was_stopped:
        raise ArcsecondError(f"stopped: {words}", hint=again)
    if report.gave_up is not None:
        raise ArcsecondError(f"{words}: {report.gave_up}", hint=report.gave_up.hint or again)
    hints = {failure.error.hint for failure in report.failures if failure.error.hint}
    raise ArcsecondError(words, hint=hints.pop() if len(hints) == 1 else again)
