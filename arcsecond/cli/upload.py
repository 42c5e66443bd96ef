"""`arcsecond upload`: check, show what will be done, ask, do it, and say what became of each file."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arcsecond.cli.options import api_option, asked, not_empty, portal_option, verbose_option
from arcsecond.errors import ArcsecondError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcsecond.upload.report import Report
    from arcsecond.upload.throttle import Throttle
    from arcsecond.upload.walker import FolderUpload

MOST_WORKERS = 64


class _Workers(click.ParamType[int | None]):
    """`auto`, which becomes None, or a number."""

    name = "auto|N"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        if value == "auto":
            return None
        if not str(value).isdecimal() or not 1 <= int(value) <= MOST_WORKERS:
            self.fail(
                f"{value!r} is neither auto nor a number from 1 to {MOST_WORKERS}", param, ctx
            )
        return int(value)


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
    callback=not_empty,
    help="Attach the dataset to this telescope: its UUID or alias.",
)
@portal_option
@click.option("--raw/--no-raw", default=True, show_default=True, help="Whether it is raw data.")
@click.option("--tags", metavar="A,B", help="Tag each file with these words.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before uploading.")
@click.option(
    "--workers",
    type=_Workers(),
    default="auto",
    show_default=True,
    help="Send so many files at a time, 1 to 64; auto finds how many are worth it, up to 32.",
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
    workers: int | None,
    bwlimit: str | None,
) -> None:
    """Upload the files of FOLDER and of its subfolders to a dataset.

    Hidden and empty files, and links that lead outside, are left out. Run it again to send what is
    missing: what the dataset has already is compared, and not sent a second time.
    """
    throttle = _throttle(bwlimit)
    with _Interruptions() as interruptions:
        dataset = dataset or _ask_for_dataset(folder)

        from arcsecond.cli import upload_bar as bar
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
        with bar.comparing() as on_found:
            job = FolderUpload.prepare(
                context, folder, workers=workers, throttle=throttle, on_found=on_found
            )
        view.show_summary(context, job.plan, throttle)
        if not job.plan.files and not job.plan.unreadable:
            view.show_nothing(job.plan)
        if job.plan.files and not yes:
            click.confirm("Upload?", abort=True, err=True)
        if job.plan.files or job.plan.unreadable:
            with interruptions.stop(job), bar.progress_of(job) as watcher:
                job.run(watcher, view.show_result if asked().verbose else None)
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


class _Interruptions:
    """Ctrl-C and SIGTERM: the first one stops in order, so that nothing half is stored; a second one ends.

    While files go out the first one lets what is in hand be cut; before and after it is a
    KeyboardInterrupt, as ever.
    """

    def __init__(self) -> None:
        self._job: FolderUpload | None = None
        self._were_any = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Interruptions:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup wants it
                    self._before[number] = signal.signal(number, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    @contextlib.contextmanager
    def stop(self, job: FolderUpload) -> Iterator[None]:
        """Have them stop this upload."""
        self._job = job
        try:
            yield
        finally:
            self._job = None

    def _interrupt(self, *_: object) -> None:
        if self._were_any:
            if sys.stderr.isatty():
                os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # the bar had hidden the cursor
            os._exit(1)  # no thread, no file and no server is waited for
        self._were_any = True
        if self._job is None:
            raise KeyboardInterrupt
        self._job.stop_soon()


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
