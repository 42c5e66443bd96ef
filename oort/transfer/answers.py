"""What the server's answer to an upload means: the lines of design.md's table, one by one. Pure.

Most answers are an outcome at once. The others need the attempt to ask something first, and are
told apart here: a name that is taken, a dataset or a tag that is refused, a success without proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from oort.policy.outcome import (
    FileRefused,
    FoundOther,
    Outcome,
    ServerBusy,
    SizeDiffers,
    WatchRefused,
)
from oort.remote import is_passing, is_redirect

if TYPE_CHECKING:
    from oort.remote import Reply
    from oort.values import RemoteFile


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server has the file, whole as far as it tells."""

    file: RemoteFile


@dataclass(frozen=True, slots=True)
class ProvesNothing:
    """2xx without a data file in it, or with one that has no bytes: ask whether it is there."""


@dataclass(frozen=True, slots=True)
class NameTaken:
    """The dataset has a file of that name: compare."""


@dataclass(frozen=True, slots=True)
class DatasetRefused:
    """The dataset, or the portal, is not there, or not for us: look it up once more."""

    outcome: WatchRefused
    perhaps_the_key: bool
    """403: it may be the key that is refused, and not the watch."""


@dataclass(frozen=True, slots=True)
class TagsRefused:
    """The form was refused for its tags: send it without the hash."""

    words: str


Verdict = Outcome | Accepted | ProvesNothing | NameTaken | DatasetRefused | TagsRefused

_STORED_NOTHING: Final = frozenset(
    {
        HTTPStatus.NOT_IMPLEMENTED,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
        HTTPStatus.INSUFFICIENT_STORAGE,
    }
)
"""Of all 5xx these alone are a refusal. 502, 504 and their like come from a proxy, and a 500 may be
an error of the server's after it had stored the file."""

_OF_THE_FILE: Final = frozenset(
    {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
)


def read(reply: Reply, *, size: int, with_hash: bool) -> Verdict:
    """Return what an answer to an upload of a file of `size` bytes means; 401 never comes here."""
    status = reply.http_status
    if reply.is_success:
        return _read_success(reply, size)
    if reply.name_taken:
        return NameTaken()
    if is_redirect(status) or is_passing(status):
        return _busy(reply)
    return _read_refusal(reply, with_hash=with_hash)


def _read_refusal(
    reply: Reply, *, with_hash: bool
) -> DatasetRefused | TagsRefused | FileRefused | ServerBusy:
    status = reply.http_status
    names = reply.fields if status == HTTPStatus.BAD_REQUEST else frozenset()
    if "dataset" in names or status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
        return DatasetRefused(
            WatchRefused(reply.words, http_status=status, bytes_sent=reply.bytes_sent),
            perhaps_the_key=status == HTTPStatus.FORBIDDEN,
        )
    if with_hash and "tags" in names:
        return TagsRefused(reply.words)
    if reply.is_json or status in _OF_THE_FILE:
        return FileRefused(reply.words, http_status=status, bytes_sent=reply.bytes_sent)
    return _busy(reply)


def _read_success(reply: Reply, size: int) -> SizeDiffers | FoundOther | Accepted | ProvesNothing:
    stored = reply.stored
    if stored is None or not stored.has_file or not reply.body_complete:
        return ProvesNothing()
    if stored.size is not None and stored.size != size:
        return SizeDiffers(
            kept=stored.size, sent=size, remote_id=stored.id, http_status=reply.http_status
        )
    if stored.sha256 not in (None, reply.sha256):
        return FoundOther(
            "the server tells another SHA-256 of it than was sent; look at it there",
            bytes_sent=reply.bytes_sent,
            http_status=reply.http_status,
        )
    return Accepted(stored)


def _busy(reply: Reply) -> ServerBusy:
    return ServerBusy(
        reply.words,
        http_status=reply.http_status,
        retry_after_s=reply.retry_after_s,
        keeps_doubt=reply.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR
        and reply.http_status not in _STORED_NOTHING,
        bytes_sent=reply.bytes_sent,
        body_complete=reply.body_complete,
    )
