"""`walk_folder_and_upload`: all files of a folder, in path order, by some workers."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from arcsecond.concurrency import MOST
from arcsecond.errors import AnswerError, ArcsecondError, InputError
from arcsecond.multipart import printable_name
from arcsecond.status import Status, Substatus
from arcsecond.upload.carrier import Carrier
from arcsecond.upload.crew import Crew
from arcsecond.upload.local import LeftOut, LocalFile, walk
from arcsecond.upload.plan import Plan, make_plan
from arcsecond.upload.report import Failure, Progress, Report
from arcsecond.upload.result import Result, Trouble, already_synced

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from arcsecond.concurrency import Tried
    from arcsecond.transport import Transport
    from arcsecond.upload.context import UploadContext
    from arcsecond.upload.crew import Item
    from arcsecond.upload.index import RemoteIndex
    from arcsecond.upload.throttle import Throttle

log = logging.getLogger(__name__)

_IN_A_ROW = {Trouble.ALL: 1, Trouble.SERVER: 3, Trouble.FILE: 10}
"""After how many failures with no success between them the rest is not tried any more: nobody
waits through five tries of each of a hundred thousand files for a server that is down."""


def walk_folder_and_upload(
    context: UploadContext, folder: str | os.PathLike[str], *, workers: int | None = None
) -> Report:
    """Bring every file below `folder` that is not hidden or empty to the context's dataset.

    So many `workers` at a time; None finds by itself how many are worth it, up to 32.
    Goes on after a failure: the report lists them, and each is logged. Raises ArcsecondError for
    what is wrong before the first file: the context, the folder, a server that does not answer.
    """
    if not context.is_validated:
        context.validate()
    upload = FolderUpload.prepare(context, Path(folder), workers=workers)
    report = upload.run()
    for failure in report.failures:
        log.warning("%s: %s: %s", failure.path, failure.substatus, failure.error)
    if report.gave_up is not None:
        log.warning("%d files were not tried: %s", report.not_tried, report.gave_up)
    return report


class FolderUpload:
    """One folder's way to its dataset: planned, then run once."""

    def __init__(
        self,
        context: UploadContext,
        plan: Plan,
        index: RemoteIndex,
        *,
        workers: int | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        if workers is not None and workers < 1:
            raise InputError("at least one worker is needed")
        self.plan = plan
        self.report = Report(files=plan.files + len(plan.unreadable))
        self.took_s = 0.0
        """How long the run took."""
        self._context = context
        self._index = index
        self._throttle = throttle
        self._stop = threading.Event()
        self._end_waits = threading.Event()
        self._transports: list[Transport] = []
        self._crew = Crew(
            self._hire,
            workers,
            most=min(workers or MOST, max(1, plan.files)),
            stop=self._stop,
            end_waits=self._end_waits,
        )
        self._on_result: Callable[[str, Result], None] | None = None
        self._lock = threading.Lock()  # guards everything below
        self._seconds: list[Item] = []
        self._in_a_row: Counter[tuple[Trouble, str]] = Counter()

    @classmethod
    def prepare(
        cls,
        context: UploadContext,
        root: Path,
        *,
        workers: int | None = None,
        throttle: Throttle | None = None,
        on_found: Callable[[Plan], None] | None = None,
    ) -> FolderUpload:
        """Read the dataset's listing, then look at the folder; raises ArcsecondError.

        `on_found` is shown the plan each time that a file was added to it.
        """
        with context.connect() as transport:
            carrier = Carrier(context, transport)
            index = context.index(carrier.remote, fresh=True)

            def hash_of(file: LocalFile) -> str | None:
                try:
                    return carrier.comparer.hash_of(file)
                except (OSError, ArcsecondError):
                    return None  # it will be said when its turn comes

            plan = make_plan(root, index, hash_of, on_found)
            for rel_path, there in plan.renamed.items():
                index.add(there, sent_as=printable_name(rel_path.rsplit(b"/", 1)[-1]))
        return cls(context, plan, index, workers=workers, throttle=throttle)

    def run(
        self,
        watcher: Callable[[Progress], None] | None = None,
        on_result: Callable[[str, Result], None] | None = None,
    ) -> Report:
        """Bring the files; Ctrl-C in the calling thread stops cleanly and is told in the report.

        `watcher` is told some times a second, in the calling thread, how far it is; `on_result` of
        each file what became of it, in the thread that brought it.
        """
        self._on_result = on_result
        started = time.monotonic()
        for left_out in self.plan.unreadable:
            error = ArcsecondError(f"cannot be read: {left_out.words}")
            self._note_failure(str(left_out), Result(Status.ERROR, Substatus.ERROR, error))

        def watch() -> None:
            if watcher is not None:
                watcher(self.progress())

        try:
            self._crew.run(self._firsts(), self._bring, watch)
            if self.report.gave_up is None:
                self._crew.run(iter(self._seconds), self._bring_second, watch)
        except KeyboardInterrupt:
            self.report.was_stopped = True
        finally:
            for transport in self._transports:
                transport.close()
            self.took_s = time.monotonic() - started
            self._context.forget_index()  # it lacks what was sent
        report = self.report
        report.was_stopped = report.was_stopped or self._crew.stop_soon
        report.not_tried = max(0, report.files - report.finished)
        return report

    def stop(self) -> None:
        """Cut what is in hand and begin nothing more; from any thread, returns at once."""
        self.report.was_stopped = True
        self._crew.stop()

    def stop_soon(self) -> None:
        """Have the thread in `run` stop, within a tenth of a second: for a signal's handler."""
        self._crew.stop_soon = True

    def progress(self) -> Progress:
        """Return how far it is; from any thread."""
        carriers = self._crew.carriers
        with self._lock:
            report = self.report
            files, sent, volume = report.finished, report.sent, report.finished_volume
        return Progress(
            files,
            sent,
            volume + sum(carrier.bytes_in_hand for carrier in carriers),
            sum(carrier.bytes_moved for carrier in carriers),
            next((trouble for carrier in carriers if (trouble := carrier.trouble)), ""),
        )

    def _hire(self, on_try: Callable[[int, float, Tried], None]) -> Carrier:
        transport = self._context.connect()
        self._transports.append(transport)
        return Carrier(
            self._context,
            transport,
            index=self._index,
            stop=self._stop,
            end_waits=self._end_waits,
            throttle=self._throttle,
            names=self.plan.names,
            remembered=self.plan.doubles,
            on_try=on_try,
        )

    def _firsts(self) -> Iterator[Item]:
        """Yield the files to bring; of those of one name the first, while the others wait."""
        first: dict[str, str] = {}
        for found in walk(self.plan.root):
            if isinstance(found, LeftOut):
                continue
            if found.name in self.plan.doubles:
                if found.name in first:
                    self._seconds.append((found, first[found.name]))
                    continue
                first[found.name] = str(found)
            yield found, ""

    def _bring(self, carrier: Carrier, item: Item) -> None:
        file, _ = item
        there = self.plan.renamed.get(file.rel_path)
        if there is not None:
            result = already_synced(f"there as {there.name!r}")
        else:
            result = carrier.bring(file)
        self._note(file, result)

    def _bring_second(self, carrier: Carrier, item: Item) -> None:
        self._note(item[0], carrier.bring_second(*item))

    def _note(self, file: LocalFile, result: Result) -> None:
        if result.trouble is Trouble.STOPPED:
            return
        if self._on_result is not None:
            self._on_result(str(file), result)
        with self._lock:
            report = self.report
            report.finished_volume += file.size
            report.unproven += result.unproven
            if result.status is Status.OK:
                report.sent += 1
                report.sent_volume += file.size
                report.last_sent.append(str(file))
                self._in_a_row.clear()
            if result.note:
                report.notes.append((str(file), result.note))
            if result.error is not None:
                self._note_failure(str(file), result)
            else:
                report.counts[result.status, result.substatus] += 1

    def _note_failure(self, path: str, result: Result) -> None:
        error = result.error
        assert error is not None  # noqa: S101  # Result says so
        self.report.counts[result.status, result.substatus] += 1
        # What it passed through holds whole blocks of files; there may be very many of them.
        error.__traceback__ = error.__context__ = error.__cause__ = None
        self.report.failures.append(Failure(path, result.substatus, error))
        limit = _IN_A_ROW.get(result.trouble)
        of_the_server = isinstance(error, AnswerError) or result.trouble is not Trouble.FILE
        if limit is None or not of_the_server:
            return
        reason = (result.trouble, str(error) if result.trouble is Trouble.FILE else "")
        self._in_a_row[reason] += 1
        if self._in_a_row[reason] >= limit and self.report.gave_up is None:
            self.report.gave_up = error
            self._crew.let_end()
