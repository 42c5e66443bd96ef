"""One POST of one file, and what its answer means."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO

from arcsecond.concurrency import Tried
from arcsecond.endpoint import answer_error
from arcsecond.errors import (
    ArcsecondError,
    BodyChangedError,
    BrokenError,
    NotReachedError,
    UnclearAnswerError,
)
from arcsecond.multipart import MultipartBody
from arcsecond.tags import join, sha256_tag
from arcsecond.upload.datafiles import RemoteFile, parse_file
from arcsecond.upload.patience import is_passing_status
from arcsecond.upload.remote import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from arcsecond.transport import Answer
    from arcsecond.upload.local import LocalFile
    from arcsecond.upload.remote import Remote

_BLOCK = 1024 * 1024
_GATEWAY = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})
"""These come from a proxy: the server behind it may have stored the file."""


@dataclass(frozen=True, slots=True)
class Form:
    """What goes with the file's bytes."""

    dataset: str
    is_raw: bool
    tags: tuple[str, ...]
    has_hash: bool
    """Whether the file's SHA-256 goes along as a tag."""

    def all_tags(self, sha256: str) -> tuple[str, ...]:
        """Return the tags of a file of that content."""
        return (sha256_tag(sha256), *self.tags) if self.has_hash else self.tags


@dataclass(frozen=True, slots=True)
class Stored:
    """The server has the file and said so."""

    file: RemoteFile
    sha256: str


@dataclass(frozen=True, slots=True)
class NameTaken:
    """A file of that name is in the dataset, this one or another one."""

    sha256: str | None


@dataclass(frozen=True, slots=True)
class SizeDiffers:
    """The server confirmed a file of another size, or another content, than was sent."""

    message: str


@dataclass(frozen=True, slots=True)
class TagRefused:
    """The server does not take the tags."""

    error: ArcsecondError


@dataclass(frozen=True, slots=True)
class Refused:
    """The server will not take this file, or nothing at all, as it is."""

    error: ArcsecondError


@dataclass(frozen=True, slots=True)
class Again:
    """It may pass: the server or the link was in trouble."""

    error: ArcsecondError
    retry_after_s: float | None = None
    may_be_stored: bool = False
    """The file may be at the server: ask before it is sent again."""
    sha256: str | None = None
    """The file's hash, if its last byte went out."""


Step = Stored | NameTaken | SizeDiffers | TagRefused | Refused | Again

_TOO_MUCH = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


def outcome_of(step: Step) -> Tried:
    """Return what a step says about the number of uploads at a time."""
    match step:
        case Stored():
            return Tried.DONE
        case Again(error=NotReachedError() | BrokenError()):
            return Tried.LOST
        case Again(error=error) if error.status in _TOO_MUCH:
            return Tried.OVERLOADED
        case _:
            return Tried.OTHER


def post(
    remote: Remote,
    form: Form,
    file: LocalFile,
    *,
    on_block: Callable[[int], None],
    stopped: Callable[[], bool],
    on_body: Callable[[MultipartBody], None],
) -> Step:
    """Send the file once.

    `on_body` is given the body before it goes out, to follow its progress. Raises CancelledError,
    BodyChangedError, and OSError where the file cannot be read.
    """
    with opened(file) as handle:
        ctime_ns = begin(file, handle)
        body = MultipartBody(
            fields=[("dataset", form.dataset), ("is_raw", str(form.is_raw))],
            file=handle,
            filename=file.raw_name,
            size=file.size,
            tags=(lambda sha256: join(form.all_tags(sha256))) if form.all_tags("") else None,
            unchanged=lambda sha256: is_unchanged(file, handle, ctime_ns, sha256, stopped),
            on_block=on_block,
            cancelled=stopped,
        )
        on_body(body)
        try:
            answer = remote.transport.request("POST", remote.path("datafiles/"), body=body)
        except NotReachedError as error:
            return Again(error)
        except BrokenError as error:
            sha256 = body.sha256 if error.body_complete else None
            return Again(error, may_be_stored=True, sha256=sha256)
    return _judge(answer, file, body, form)


@contextlib.contextmanager
def opened(file: LocalFile) -> Iterator[BinaryIO]:
    """Open the file that `walk` saw, and no other; raises OSError, FileNotFoundError if it is gone.

    Never waits, whatever lies there by now: a pipe is refused by its kind.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(file.path, flags), "rb", buffering=0) as handle:
        yield handle


def begin(file: LocalFile, handle: BinaryIO) -> int:
    """Return the ctime of the open file, for `is_unchanged` after it was read.

    Raises BodyChangedError unless it is the version that `walk` saw.
    """
    ctime_ns = _ctime_if_as_seen(file, handle)
    if ctime_ns is None:
        raise BodyChangedError("the file changed meanwhile")
    return ctime_ns


def is_unchanged(
    file: LocalFile, handle: BinaryIO, ctime_ns: int, sha256: str, stopped: Callable[[], bool]
) -> bool:
    """Tell whether what was read, with this SHA-256, is what is there; `stopped` is a no.

    Who writes a file may set its mtime back afterwards, and cannot set the ctime. A chmod changes
    that too: so where the ctime alone is another one, the file is read once more.
    """
    seen_ns = _ctime_if_as_seen(file, handle)
    if seen_ns is None or seen_ns == ctime_ns:
        return seen_ns is not None
    handle.seek(0)
    return hash_of(handle, stopped) == sha256 and _ctime_if_as_seen(file, handle) is not None


def hash_of(handle: BinaryIO, stopped: Callable[[], bool]) -> str | None:
    """Return the SHA-256 of what the file still has to give; None where it was stopped."""
    digest = hashlib.sha256()
    while block := handle.read(_BLOCK):
        digest.update(block)
        if stopped():
            return None
    return digest.hexdigest()


def _ctime_if_as_seen(file: LocalFile, handle: BinaryIO) -> int | None:
    """Return the ctime; None where the open file, or its path, is not the version that `walk` saw."""
    try:
        at_path = os.stat(file.path)  # noqa: PTH116  # a str with surrogates, as it was found
    except OSError:
        return None
    seen = os.fstat(handle.fileno())
    return seen.st_ctime_ns if file.is_shown_by(seen) and file.is_shown_by(at_path) else None


def _judge(answer: Answer, file: LocalFile, body: MultipartBody, form: Form) -> Step:
    sha256 = body.sha256 or ""
    if answer.is_success:
        return _judge_success(answer, file, sha256, is_complete=answer.body_complete)
    status = answer.http_status
    if answer.says_name_taken():
        return NameTaken(body.sha256)
    error = answer_error(answer, "the server did not take it")
    has_json_reason = status not in (400, 422) or answer.is_json
    if is_passing_status(status) or not has_json_reason:
        may_be_stored = status in _GATEWAY
        whole = body.sha256 if may_be_stored and answer.body_complete else None
        return Again(error, retry_after(answer), may_be_stored, whole)
    if form.has_hash and status == HTTPStatus.BAD_REQUEST and _names_tags(answer):
        return TagRefused(error)
    return Refused(error)


def _judge_success(answer: Answer, file: LocalFile, sha256: str, *, is_complete: bool) -> Step:
    stored = parse_file(answer.json(), keep_tags=True)
    if stored is None or not stored.has_file or not is_complete:
        error = UnclearAnswerError(
            "the server's answer proves nothing: it names no data file", status=answer.http_status
        )
        return Again(error, may_be_stored=True, sha256=sha256 if is_complete else None)
    if stored.size is not None and stored.size != file.size:
        return SizeDiffers(f"the server kept {stored.size} of {file.size} bytes")
    if stored.sha256 is not None and stored.sha256 != sha256:
        return SizeDiffers("the server's SHA-256 of the file is another one than was sent")
    if not stored.name:  # it did not tell: as it was sent, then
        stored = replace(stored, name=file.name)
    return Stored(replace(stored, size=file.size, sha256=sha256), sha256)


def _names_tags(answer: Answer) -> bool:
    document = answer.json()
    return isinstance(document, dict) and "tags" in document
