"""`FileUploader`: one file, one outcome."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from arcsecond.errors import ArcsecondError, InputError
from arcsecond.status import Status, Substatus
from arcsecond.upload.carrier import Carrier
from arcsecond.upload.context import split_tags
from arcsecond.upload.local import SUBSTATUSES, LeftOut, LocalFile, Reason, look_at
from arcsecond.upload.result import Result, failed

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator

    from arcsecond.upload.context import UploadContext


class FileUploader:
    """Brings one file to the context's dataset.

    `root_path` is the folder that `file_path` lies in, at any depth: what is hidden is judged below
    it. `display_progress` shows a bar while the file is sent, on a terminal only.
    """

    def __init__(
        self,
        context: UploadContext,
        root_path: str | os.PathLike[str],
        file_path: str | os.PathLike[str],
        display_progress: bool = False,
    ) -> None:
        self._context = context
        self._root = Path(root_path)
        self._path = Path(file_path)
        self._display_progress = display_progress

    def upload_file(
        self, *, is_raw: bool | None = None, tags: str | Iterable[str] | None = None
    ) -> tuple[Status, Substatus, ArcsecondError | None]:
        """Send the file unless the dataset has it, and return what became of it.

        The error is None when the file is OK or Skipped. `is_raw` is used in place of the
        context's, `tags` are added to its. Never raises for the server, the network or the disk.
        """
        try:
            result = self._bring(is_raw, split_tags(tags))
        except ArcsecondError as error:
            result = failed(error)
        return result.status, result.substatus, result.error

    def _bring(self, is_raw: bool | None, tags: tuple[str, ...]) -> Result:
        found = look_at(self._root, self._path)
        if found is None:
            raise InputError(f"{self._path} does not lie in {self._root}")
        if isinstance(found, LeftOut):
            return _left_out(found)
        if not self._context.is_validated:
            self._context.validate()
        with _bar(found) if self._display_progress else contextlib.nullcontext() as on_block:
            carrier = Carrier(
                self._context,
                self._context.shared_connection(),
                tags=(*self._context.tags, *(t for t in tags if t not in self._context.tags)),
                is_raw=is_raw,
                on_block=on_block,
            )
            return carrier.bring(found)


def _left_out(found: LeftOut) -> Result:
    if found.reason is Reason.UNREADABLE:
        return failed(ArcsecondError(f"cannot be read: {found.words}"))
    return Result(Status.SKIPPED, SUBSTATUSES[found.reason], note=str(found.reason))


@contextlib.contextmanager
def _bar(file: LocalFile) -> Iterator[Callable[[int], None] | None]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(file.name, total=file.size)
        yield lambda count: progress.advance(task, count)
