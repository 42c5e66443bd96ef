"""`walk_folder_and_upload`: all files of a folder, in path order, by a few workers."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from arcsecond.errors import AnswerError, ArcsecondError, InputError
from arcsecond.multipart import printable_name
from arcsecond.status import Status, Substatus
from arcsecond.upload.carrier import Carrier
from arcsecond.upload.local import LeftOut, LocalFile, walk
from arcsecond.upload.plan import Plan, make_plan
from arcsecond.upload.report import Failure, Progress, Report
from arcsecond.upload.result import Result, Trouble, already_synced

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from arcsecond.transport import Transport
    from arcsecond.upload.context import UploadContext
    from arcsecond.upload.index import RemoteIndex
    from arcsecond.upload.throttle import Throttle

log = logging.getLogger(__name__)

WORKERS = 4
TICK_S = 0.2

_IN_A_ROW = {Trouble.ALL: 1, Trouble.SERVER: 3, Trouble.FILE: 10}
"""After how many failures with no success between them the rest is not tried any more: nobody
waits through five tries of each of a hundred thousand files for a server that is down."""


_Item = tuple[LocalFile, str]
"""A file, and the path of the one of the same name that comes before it."""


def walk_folder_and_upload(
    context: UploadContext, folder: str | os.PathLike[str], *, workers: int = WORKERS
) -> Report:
    """Bring every file below `folder` that is not hidden or empty to the context's dataset.

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
        workers: int = WORKERS,
        throttle: Throttle | None = None,
    ) -> None:
        if workers < 1:
            raise InputError("at least one worker is needed")
        self.plan = plan
        self.report = Report(files=plan.files + len(plan.unreadable))
        self.took_s = 0.0
        """How long the run took."""
        self._context = context
        self._index = index
        self._workers = workers
        self._throttle = throttle
        self._stop = threading.Event()
        self._end_waits = threading.Event()
        self._transports: list[Transport] = []
        self._lock = threading.Lock()  # guards everything below
        self._carriers: list[Carrier] = []
        self._seconds: list[_Item] = []
        self._no_more = False
        self._in_a_row: Counter[tuple[Trouble, str]] = Counter()
        self._defect: BaseException | None = None

    @classmethod
    def prepare(
        cls,
        context: UploadContext,
        root: Path,
        *,
        workers: int = WORKERS,
        throttle: Throttle | None = None,
    ) -> FolderUpload:
        """Read the dataset's listing, then look at the folder; raises ArcsecondError."""
        with context.connect() as transport:
            carrier = Carrier(context, transport)
            index = context.index(carrier.remote, fresh=True)

            def hash_of(file: LocalFile) -> str | None:
                try:
                    return carrier.comparer.hash_of(file)
                except (OSError, ArcsecondError):
                    return None  # it will be said when its turn comes

            plan = make_plan(root, index, hash_of)
            for rel_path, there in plan.renamed.items():
                index.add(there, sent_as=printable_name(rel_path.rsplit(b"/", 1)[-1]))
        return cls(context, plan, index, workers=workers, throttle=throttle)

    def run(self, watcher: Callable[[Progress], None] | None = None) -> Report:
        """Bring the files; Ctrl-C in the calling thread stops cleanly and is told in the report.

        `watcher` is told a few times a second, in the calling thread, how far it is.
        """
        started = time.monotonic()
        for left_out in self.plan.unreadable:
            error = ArcsecondError(f"cannot be read: {left_out.words}")
            self._note_failure(str(left_out), Result(Status.ERROR, Substatus.ERROR, error))
        try:
            self._in_parallel(self._firsts(), self._bring, watcher)
            self._in_parallel(iter(self._seconds), self._bring_second, watcher)
        finally:
            for transport in self._transports:
                transport.close()
            self.took_s = time.monotonic() - started
            self._context.forget_index()  # it lacks what was sent
        if self._defect is not None:
            raise self._defect
        report = self.report
        report.not_tried = max(0, report.files - report.finished)
        return report

    def stop(self) -> None:
        """Cut what is in hand and begin nothing more; from any thread, returns at once."""
        self.report.was_stopped = True
        self._stop.set()
        self._end_waits.set()
        for carrier in list(self._carriers):
            carrier.cancel()

    def progress(self) -> Progress:
        """Return how far it is; from any thread."""
        with self._lock:
            carriers = list(self._carriers)
            report = self.report
            files, sent, volume = report.finished, report.sent, report.finished_volume
        return Progress(
            files,
            sent,
            volume + sum(carrier.bytes_in_hand for carrier in carriers),
            sum(carrier.bytes_moved for carrier in carriers),
        )

    def _in_parallel(
        self,
        items: Iterator[_Item],
        bring: Callable[[Carrier, _Item], Result],
        watcher: Callable[[Progress], None] | None,
    ) -> None:
        """Let the workers take the items one by one, until there are no more or it is stopped."""
        self._connect()
        threads = [
            threading.Thread(target=self._work, args=(carrier, items, bring), name=f"upload-{n}")
            for n, carrier in enumerate(self._carriers, start=1)
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(TICK_S)
                    if watcher is not None:
                        watcher(self.progress())
        except BaseException as interruption:
            self.stop()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            if not isinstance(interruption, KeyboardInterrupt):
                raise

    def _connect(self) -> None:
        """Open as many connections as there are workers, once."""
        missing = min(self._workers, self.plan.files) - len(self._carriers)
        for _ in range(missing):
            transport = self._context.connect()
            self._transports.append(transport)
            carrier = Carrier(
                self._context,
                transport,
                index=self._index,
                stop=self._stop,
                end_waits=self._end_waits,
                throttle=self._throttle,
                names=self.plan.names,
                remembered=self.plan.doubles,
            )
            with self._lock:
                self._carriers.append(carrier)

    def _work(
        self, carrier: Carrier, items: Iterator[_Item], bring: Callable[[Carrier, _Item], Result]
    ) -> None:
        try:
            while True:
                with self._lock:
                    over = self._no_more or self._stop.is_set()
                    item = None if over else next(items, None)
                if item is None:
                    return
                self._note(item[0], bring(carrier, item))
        except BaseException as defect:  # noqa: BLE001  # raised again by `run`, in its caller's thread
            with self._lock:
                self._defect, self._no_more = defect, True

    def _firsts(self) -> Iterator[_Item]:
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

    def _bring(self, carrier: Carrier, item: _Item) -> Result:
        there = self.plan.renamed.get(item[0].rel_path)
        if there is not None:
            return already_synced(f"there as {there.name!r}")
        return carrier.bring(item[0])

    def _bring_second(self, carrier: Carrier, item: _Item) -> Result:
        return carrier.bring_second(*item)

    def _note(self, file: LocalFile, result: Result) -> None:
        with self._lock:
            report = self.report
            if result.trouble is Trouble.STOPPED:
                return
            report.finished_volume += file.size
            report.unproven += result.unproven
            if result.status is Status.OK:
                report.sent += 1
                report.sent_volume += file.size
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
        self.report.failures.append(Failure(path, result.substatus, error))
        limit = _IN_A_ROW.get(result.trouble)
        of_the_server = isinstance(error, AnswerError) or result.trouble is not Trouble.FILE
        if limit is None or not of_the_server:
            return
        reason = (result.trouble, str(error) if result.trouble is Trouble.FILE else "")
        self._in_a_row[reason] += 1
        if self._in_a_row[reason] >= limit and not self._no_more:
            self._no_more = True
            self.report.gave_up = error
            self._end_waits.set()  # what waits to be tried again is not tried either
