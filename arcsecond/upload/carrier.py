"""Bringing one file after the other over one connection: compare, send, ask, try again.

A `Carrier` belongs to one thread at a time. Whatever goes wrong with the server, the network or
the disk becomes a `Result`; it never raises for them.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from arcsecond.errors import AnswerError, ArcsecondError, BodyChangedError, CancelledError
from arcsecond.status import Status, Substatus
from arcsecond.upload.attempt import (
    Again,
    Form,
    NameTaken,
    Refused,
    SizeDiffers,
    Stored,
    TagRefused,
    outcome_of,
    post,
)
from arcsecond.upload.compare import Likeness
from arcsecond.upload.comparing import Comparer, other_name
from arcsecond.upload.datafiles import DataFiles
from arcsecond.upload.namesakes import Doubt, Namesakes
from arcsecond.upload.patience import LONGEST_WAIT_S, TRIES, Patience
from arcsecond.upload.result import Result, Trouble, already_synced, conflict, done, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from arcsecond.concurrency import Tried
    from arcsecond.multipart import MultipartBody
    from arcsecond.transport import Transport
    from arcsecond.upload.attempt import Step
    from arcsecond.upload.context import UploadContext
    from arcsecond.upload.datafiles import RemoteFile
    from arcsecond.upload.index import RemoteIndex
    from arcsecond.upload.local import LocalFile
    from arcsecond.upload.throttle import Throttle

log = logging.getLogger(__name__)


class Carrier:
    """One connection, of the caller's, that brings files to the context's dataset.

    `index` is what is known of the dataset; without one the context's is used, which is read again
    from time to time. `names` are those of the other local files, so that a file of equal content
    is not taken for this one under another name; `remembered` those that are asked for again once
    they are stored (default: all). `tags` and `is_raw` go with each file instead of
    the context's own. `stop` ends everything, `end_waits` what waits to be tried again.
    `on_try` is told of each POST: the file's bytes, the seconds it took, and what came of it.
    """

    def __init__(
        self,
        context: UploadContext,
        transport: Transport,
        *,
        index: RemoteIndex | None = None,
        stop: threading.Event | None = None,
        end_waits: threading.Event | None = None,
        throttle: Throttle | None = None,
        names: Container[str] = (),
        remembered: Container[str] | None = None,
        tags: tuple[str, ...] | None = None,
        is_raw: bool | None = None,
        on_block: Callable[[int], None] | None = None,
        on_try: Callable[[int, float, Tried], None] | None = None,
    ) -> None:
        self._context = context
        self._index = index
        self._stop = stop or threading.Event()
        self.comparer = Comparer(self._stop)
        self._throttle = throttle
        self._names = names
        self._remembered = remembered
        self._tags = context.tags if tags is None else tags
        self._is_raw = context.is_raw if is_raw is None else is_raw
        self._on_block = on_block
        self._on_try = on_try
        self._patience = Patience(end_waits or self._stop, outlasts_outages=True)
        self._transport = transport
        self.remote = context.remote(self._transport, self._patience)
        self._body: MultipartBody | None = None
        self._size = 0
        self._trouble = ""

    @property
    def bytes_in_hand(self) -> int:
        """Bytes of the file in hand that went out; may be asked from any thread."""
        body = self._body
        return 0 if body is None else body.file_bytes_sent

    @property
    def size_in_hand(self) -> int:
        """Bytes of the file that is being sent, or waits to be sent again, 0 for none; may be asked from any thread."""
        return self._size

    @property
    def bytes_moved(self) -> int:
        """Bytes of all bodies so far, second tries included; may be asked from any thread."""
        return self._transport.bytes_moved

    @property
    def trouble(self) -> str:
        """Why the file in hand waits to be sent again, empty while it does not; from any thread."""
        return self._trouble

    def cancel(self) -> None:
        """Cut what is in hand; from any thread, after `stop` was set."""
        self._transport.cancel()

    def bring(self, file: LocalFile) -> Result:
        """Bring one file, unless it is there; never raises for the server, the network, the disk."""
        try:
            return self._bring(file)
        except BodyChangedError as error:
            error.hint = "Send it again when whatever writes it is done."
            return failed(error, Trouble.FILE)
        except ArcsecondError as error:
            return failed(error)
        except FileNotFoundError:
            return Result(Status.SKIPPED, Substatus.FILE_GONE, note="it went away meanwhile")
        except OSError as error:
            return failed(ArcsecondError(f"cannot be read: {error.strerror or error}"))
        finally:
            self._body, self._size, self._trouble = None, 0, ""

    def bring_second(self, file: LocalFile, first: str) -> Result:
        """Say what becomes of a file whose name `first`, of the same folder tree, has as well."""
        try:
            known = self._known().named(file.name)
            if known is not None:
                likeness = self.comparer.likeness(file, known)
                if likeness is not Likeness.OTHER:
                    return already_synced(unproven=likeness is Likeness.UNPROVEN)
        except ArcsecondError as error:
            return failed(error)
        except OSError as error:
            return failed(ArcsecondError(f"cannot be read: {error.strerror or error}"))
        return conflict(
            f"another file of that name comes first: {first}",
            hint="Rename one of them, or send each folder to a dataset of its own.",
        )

    def _bring(self, file: LocalFile) -> Result:
        index = self._known()
        known = index.named(file.name)
        if known is not None:
            return self.comparer.outcome(file, known, ours=False)
        for there in index.maybe_renamed(file.name, file.size):
            is_anothers = there.name in self._names
            if not is_anothers and self.comparer.likeness(file, there) is Likeness.SAME:
                return already_synced(other_name(there, file))
        try:
            dataset = self._context.open_dataset(self.remote, self._patience)
        except CancelledError:
            raise
        except ArcsecondError as error:  # no other file can be sent either
            return failed(error, Trouble.ALL)
        return self._send(file, dataset, index)

    def _known(self) -> RemoteIndex:
        return self._context.index(self.remote) if self._index is None else self._index

    def _send(self, file: LocalFile, dataset: str, index: RemoteIndex) -> Result:
        self._size = file.size
        doubt = Doubt()
        files = DataFiles(self.remote, dataset)
        namesakes = Namesakes(files, self.comparer, index, self._names)
        for tries in range(1, TRIES + 1):
            step = self._post(file, dataset)
            if not isinstance(step, Again):
                return self._concluded(step, file, namesakes, doubt, index)
            doubt.note(step)
            log.info("%s: try %d of %d: %s", file, tries, TRIES, step.error)
            if (step.retry_after_s or 0.0) > LONGEST_WAIT_S:
                step.error.hint = f"The server asks to come back in {step.retry_after_s:.0f} s."
                return failed(step.error)
            self._trouble = str(step.error)
            if tries < TRIES or doubt.may_be_stored:
                self._patience.wait(tries, step.retry_after_s)
            if doubt.may_be_stored:
                settled = namesakes.settle(file, doubt, self._patience)
                if settled is not None:
                    return settled
            if tries == TRIES:
                return failed(step.error)
        raise AssertionError("the last try returns")

    def _post(self, file: LocalFile, dataset: str) -> Step:
        while True:
            has_hash = not self._context.hash_tag_refused
            form = Form(dataset, self._is_raw, self._tags, has_hash)
            began_s = time.monotonic()
            step = post(
                self.remote,
                form,
                file,
                on_block=self._before_block,
                stopped=self._stop.is_set,
                on_body=self._take_in_hand,
            )
            if self._on_try is not None:
                self._on_try(file.size, time.monotonic() - began_s, outcome_of(step))
            if not isinstance(step, TagRefused):
                return step
            log.warning("the server refuses the tag with the SHA-256: %s", step.error)
            self._context.hash_tag_refused = True

    def _take_in_hand(self, body: MultipartBody) -> None:
        self._body = body

    def _before_block(self, count: int) -> None:
        self._trouble = ""  # it goes on
        if self._throttle is not None:
            self._throttle.take(count, self._stop)
        if self._on_block is not None:
            self._on_block(count)

    def _concluded(
        self,
        step: Stored | NameTaken | SizeDiffers | TagRefused | Refused,
        file: LocalFile,
        namesakes: Namesakes,
        doubt: Doubt,
        index: RemoteIndex,
    ) -> Result:
        match step:
            case Stored():
                return self._stored(step, file, index)
            case NameTaken():
                return namesakes.explain_taken(file, step.sha256, doubt)
            case SizeDiffers():
                return conflict(step.message, hint="Delete it at the server, then send it again.")
            case TagRefused() | Refused():
                return failed(step.error)
            case _:
                assert_never(step)

    def _stored(self, step: Stored, file: LocalFile, index: RemoteIndex) -> Result:
        stored = step.file
        if self._remembered is None or file.name in self._remembered or stored.name != file.name:
            index.add(replace(stored, tags=None), sent_as=file.name)
        self._write_missing_tags(stored, step.sha256)
        return done(other_name(stored, file))

    def _write_missing_tags(self, stored: RemoteFile, sha256: str) -> None:
        """Add by PATCH what the answer's tags lack; a failure is no failure of the file."""
        form = Form("", self._is_raw, self._tags, not self._context.hash_tag_refused)
        missing = set(form.all_tags(sha256)) - set(stored.tags or ())
        if stored.tags is None or not missing or self._context.tags_are_ignored:
            return
        tags = [*stored.tags, *(t for t in form.all_tags(sha256) if t in missing)]
        try:
            self.remote.resource("datafiles/").update(stored.id, json={"tags": tags})
        except AnswerError as error:
            self._context.tags_are_ignored = True
            log.warning("the server does not keep the tags: %s", error)
        except ArcsecondError as error:
            log.warning("the tags of %s were not written: %s", stored.name, error)
