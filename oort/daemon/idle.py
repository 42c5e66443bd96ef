"""What is done when nothing else is: tags that are still to be written, files to be compared.

A stored file whose mtime changed while its size did not is hashed here, one at a time, while
nothing is pending: the same content is only noted, another one is shown as changed after upload.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import structlog

from oort.detect.opening import open_beneath
from oort.policy.version import FileVersion
from oort.remote import Ended
from oort.transfer.tagging import write_tags
from oort.transfer.unchanged import hash_file
from oort.values import printable

if TYPE_CHECKING:
    from oort.daemon.desk import Desk
    from oort.daemon.workers import Workers
    from oort.queue.store import Queue
    from oort.values import Upload, Watch

log = structlog.get_logger("oort.idle")

AT_ONCE: Final = 10


class IdleWork:
    """Run now and then; gives way as soon as a worker has something to do."""

    def __init__(self, store: Queue, desk: Desk, workers: Workers) -> None:
        self._store = store
        self._desk = desk
        self._workers = workers
        self._last_id = 0
        self._nothing_at: int | None = None
        """So many commits the queue had when nothing was to be done: another one may bring it."""

    @property
    def may_have_work(self) -> bool:
        """Whether it is worth while to look; any thread may ask."""
        return self._store.commits != self._nothing_at

    def run(self) -> None:
        """Do a little of what is to be done."""
        commits = self._store.commits
        todo = self._store.todo(self._last_id, AT_ONCE)
        self._nothing_at = None if todo else commits
        for upload in todo:
            if self._workers.busy or self._workers.stopping.is_set():
                return
            self._last_id = upload.id
            watch = self._desk.watch(upload.watch)
            if watch is None:
                continue
            if upload.tags_pending:
                self._write_tags(upload, watch)
            else:
                self._compare(upload, watch)

    def _write_tags(self, upload: Upload, watch: Watch) -> None:
        order = self._desk.order(upload)
        if order is None or upload.remote_id is None:
            return
        remote = self._desk.remote(watch.api)
        try:
            write_tags(order, remote, upload.remote_id, sha256=upload.sha256)
        except Ended as ended:
            log.info("tags.not_written", upload_id=upload.id, outcome=type(ended.outcome).__name__)
        else:
            self._store.tagged(upload)
        finally:
            remote.close()

    def _compare(self, upload: Upload, watch: Watch) -> None:
        """Hash the file as it is now; where it cannot be read there is nothing to say yet."""
        try:
            descriptor = open_beneath(
                watch.path, upload.rel_path, follow_symlinks=watch.follow_symlinks
            )
        except OSError:
            return
        with os.fdopen(descriptor, "rb") as file:
            found = FileVersion.of(upload.rel_path, os.fstat(descriptor))
            same = found.size == upload.size and hash_file(file) == upload.sha256
            if FileVersion.of(upload.rel_path, os.fstat(descriptor)) != found:
                return
        self._store.compared(upload, os.fsencode(watch.path), found, same=same)
        log.info("file.compared", path=printable(upload.rel_path), same=same)
