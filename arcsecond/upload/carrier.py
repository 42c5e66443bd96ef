"""Bringing one file after the other over one connection: compare, send, ask, try again.

A `Carrier` belongs to one thread at a time. Whatever goes wrong with the server, the network or
the disk becomes a `Result`; it never raises for them.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import replace
from http import HTTPStatus
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
    is_unchanged,
    opened,
    post,
)
from arcsecond.upload.compare import Likeness, compare
from arcsecond.upload.datafiles import FORBIDDEN, DataFiles, gist
from arcsecond.upload.patience import FIRST_WAIT_S, LONGEST_WAIT_S, TRIES, Patience
from arcsecond.upload.result import Result, Trouble, already_synced, conflict, done, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from arcsecond.multipart import MultipartBody
    from arcsecond.transport import Transport
    from arcsecond.upload.attempt import Step
    from arcsecond.upload.context import UploadContext
    from arcsecond.upload.datafiles import RemoteFile, RemoteIndex
    from arcsecond.upload.local import LocalFile
    from arcsecond.upload.throttle import Throttle

log = logging.getLogger(__name__)

_BLOCK = 1024 * 1024


class _Doubt:
    """What earlier tries of this file may have left at the server."""

    def __init__(self) -> None:
        self.may_be_stored = False
        self.sha256: str | None = None
        """Known once a whole body went out."""

    @property
    def was_complete(self) -> bool:
        """Whether an earlier try sent the whole body, closing boundary included."""
        return self.sha256 is not None

    def note(self, step: Again) -> None:
        """Remember what a failed try may have left."""
        self.may_be_stored = self.may_be_stored or step.may_be_stored
        self.sha256 = self.sha256 or step.sha256


class Carrier:
    """One connection, of the caller's, that brings files to the context's dataset.

    `index` is what is known of the dataset; without one the context's is used, which is read again
    from time to time. `names` are those of the other local files, so that a file of equal content
    is not taken for this one under another name; `remembered` those that are asked for again once
    they are stored (default: all). `tags` and `is_raw` go with each file instead of
    the context's own. `stop` ends everything, `end_waits` what waits to be tried again.
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
    ) -> None:
        self._context = context
        self._index = index
        self._stop = stop or threading.Event()
        self._throttle = throttle
        self._names = names
        self._remembered = remembered
        self._tags = context.tags if tags is None else tags
        self._is_raw = context.is_raw if is_raw is None else is_raw
        self._on_block = on_block
        self._patience = Patience(end_waits or self._stop, outlasts_outages=True)
        self._transport = transport
        self.remote = context.remote(self._transport, self._patience)
        self._body: MultipartBody | None = None

    @property
    def bytes_in_hand(self) -> int:
        """Bytes of the file in hand that went out; may be asked from any thread."""
        body = self._body
        return 0 if body is None else body.file_bytes_sent

    @property
    def bytes_moved(self) -> int:
        """Bytes of all bodies so far, second tries included; may be asked from any thread."""
        return self._transport.bytes_moved

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
            self._body = None

    def bring_second(self, file: LocalFile, first: str) -> Result:
        """Say what becomes of a file whose name `first`, of the same folder tree, has as well."""
        try:
            known = self._known().named(file.name)
            if known is not None:
                same = self._same(file, known)
                if same is not None:
                    return already_synced(unproven=same is Likeness.UNPROVEN)
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
            return self._compared(file, known, ours=False)
        for candidate in index.maybe_renamed(file.name, file.size):
            if candidate.name not in self._names and self._same(file, candidate) is Likeness.SAME:
                return already_synced(f"there as {candidate.name!r}")
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
        doubt = _Doubt()
        files = DataFiles(self.remote, dataset)
        for tries in range(1, TRIES + 1):
            step = self._post(file, dataset)
            if not isinstance(step, Again):
                return self._concluded(step, file, files, doubt, index)
            doubt.note(step)
            log.info("%s: try %d of %d: %s", file, tries, TRIES, step.error)
            if (step.retry_after_s or 0.0) > LONGEST_WAIT_S:
                step.error.hint = f"The server asks to come back in {step.retry_after_s:.0f} s."
                return failed(step.error)
            if tries < TRIES or doubt.may_be_stored:
                self._patience.wait(tries, step.retry_after_s)
            if doubt.may_be_stored:
                settled = self._settled(file, files, doubt, index)
                if settled is not None:
                    return settled
            if tries == TRIES:
                return failed(step.error)
        raise AssertionError("the last try returns")

    def _post(self, file: LocalFile, dataset: str) -> Step:
        while True:
            has_hash = not self._context.hash_tag_refused
            form = Form(dataset, self._is_raw, self._tags, has_hash)
            step = post(
                self.remote,
                form,
                file,
                on_block=self._before_block,
                stopped=self._stop.is_set,
                on_body=self._take_in_hand,
            )
            if not isinstance(step, TagRefused):
                return step
            log.warning("the server refuses the tag with the SHA-256: %s", step.error)
            self._context.hash_tag_refused = True

    def _take_in_hand(self, body: MultipartBody) -> None:
        self._body = body

    def _before_block(self, count: int) -> None:
        if self._throttle is not None:
            self._throttle.take(count, self._stop)
        if self._on_block is not None:
            self._on_block(count)

    def _concluded(
        self,
        step: Stored | NameTaken | SizeDiffers | TagRefused | Refused,
        file: LocalFile,
        files: DataFiles,
        doubt: _Doubt,
        index: RemoteIndex,
    ) -> Result:
        match step:
            case Stored():
                return self._stored(step, file, index)
            case NameTaken():
                return self._taken(step, file, files, doubt, index)
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
        return done(_renamed(stored, file))

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

    def _taken(
        self,
        step: NameTaken,
        file: LocalFile,
        files: DataFiles,
        doubt: _Doubt,
        index: RemoteIndex,
    ) -> Result:
        sha256 = doubt.sha256 or step.sha256
        try:
            found = files.named(file.name) or files.in_listing(
                file.name, sha256, self._is_another(index, file)
            )
        except AnswerError as error:
            if error.status not in FORBIDDEN:
                return failed(error)
            found, reason = None, "this key may not read it"
        else:
            reason = "the server does not show it"
        if found is not None:
            return self._compared(file, found, ours=doubt.may_be_stored, sha256=sha256)
        if doubt.was_complete:
            return done("not verifiable with this key", unproven=True)
        return conflict(f"a file of that name is there; {reason}")

    def _settled(
        self, file: LocalFile, files: DataFiles, doubt: _Doubt, index: RemoteIndex
    ) -> Result | None:
        """Ask whether an earlier try arrived; None if it did not, or if this key may not look."""
        rounds = 2 if doubt.was_complete else 1
        for asked in range(rounds):
            if asked:
                self._patience.pause(FIRST_WAIT_S)
            try:
                found = files.named(file.name)
                if found is None and doubt.was_complete:
                    found = files.in_listing(file.name, doubt.sha256, self._is_another(index, file))
            except AnswerError as error:
                if error.status == HTTPStatus.FORBIDDEN:
                    return None
                raise
            if found is not None:
                return self._compared(file, found, ours=True, sha256=doubt.sha256)
        return None

    def _is_another(self, index: RemoteIndex, file: LocalFile) -> Callable[[str], bool]:
        """Tell of a name at the server whether it is accounted for by another file than this."""
        ours = gist(file.name)
        return lambda name: gist(name) != ours and (name in index or name in self._names)

    def _compared(
        self, file: LocalFile, there: RemoteFile, *, ours: bool, sha256: str | None = None
    ) -> Result:
        likeness = self._same(file, there, sha256)
        if likeness is None:
            size = "an unknown number of" if there.size is None else str(there.size)
            differs = (
                f"with {size} bytes, this one has {file.size}"
                if there.size != file.size
                else "with other content"
            )
            return conflict(f"another file of that name is in the dataset, {differs}")
        outcome = done if ours else already_synced
        return outcome(_renamed(there, file), unproven=likeness is Likeness.UNPROVEN)

    def _same(
        self, file: LocalFile, there: RemoteFile, sha256: str | None = None
    ) -> Likeness | None:
        """Compare; None for another file. Reads the local one only if its hash decides."""
        if sha256 is None and there.sha256 is not None and there.size in (None, file.size):
            sha256 = self.hash_of(file)
        likeness = compare(file.size, sha256 or "", there)
        return None if likeness is Likeness.OTHER else likeness

    def hash_of(self, file: LocalFile) -> str:
        """Return the file's SHA-256; raises OSError, BodyChangedError and CancelledError."""
        digest = hashlib.sha256()
        with opened(file) as handle:
            if not is_unchanged(file, handle):
                raise BodyChangedError("the file changed meanwhile")
            while block := handle.read(_BLOCK):
                digest.update(block)
                if self._stop.is_set():
                    raise CancelledError("the upload was stopped")
            if not is_unchanged(file, handle):
                raise BodyChangedError("the file changed while it was being read")
        return digest.hexdigest()


def _renamed(there: RemoteFile, file: LocalFile) -> str:
    return f"there as {there.name!r}" if there.name and there.name != file.name else ""
