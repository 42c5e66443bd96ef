"""What comes back as a value: the answer to an upload, and why a question for a file found none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from oort.remote.ended import clamped, is_redirect, redirect_words
from oort.remote.reading import file_of

if TYPE_CHECKING:
    from arcsecond.answer import Answer
    from oort.values import RemoteFile


class Absence(StrEnum):
    """Why a question for one file by its name found none."""

    NO_SUCH_FILE = "404 in JSON"
    """It is not there, if that route exists at all: has it ever answered 200?"""
    NOT_TOLD = "no answer to this question"
    """A page of HTML, another file, another dataset: it proves nothing."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered to an upload, whatever its status."""

    http_status: int
    words: str
    """The server's own, in one line, never HTML."""
    is_json: bool
    bytes_sent: int
    body_complete: bool
    sha256: str | None = None
    """Of the bytes that were sent, where the file's last one was read."""
    tags: tuple[str, ...] = ()
    """The tags that were sent along, the hash among them."""
    stored: RemoteFile | None = None
    """The data file that a 2xx answer describes."""
    fields: frozenset[str] = frozenset()
    """The names in a JSON object that is an error: which part of the form was refused."""
    name_taken: bool = False
    retry_after_s: float | None = None

    @property
    def is_success(self) -> bool:
        """The status is 2xx; the content may prove nothing all the same."""
        return self.http_status // 100 == 2  # noqa: PLR2004  # as it is said


def reply_of(answer: Answer, filename: str, retry_after_s: float | None) -> Reply:
    """Return what an answer says of an upload; a file that it gives no name has `filename`."""
    found = answer.json()
    stored = file_of(found) if answer.is_success else None
    if stored is not None and not stored.name:
        stored = replace(stored, name=filename)
    return Reply(
        http_status=answer.http_status,
        words="" if stored is not None and answer.body_complete else _words(answer),
        is_json=found is not None or answer.is_json,
        bytes_sent=answer.bytes_sent,
        body_complete=answer.body_complete,
        stored=stored,
        fields=frozenset(found) if isinstance(found, dict) else frozenset(),
        name_taken=answer.says_name_taken(),
        retry_after_s=clamped(retry_after_s),
    )


def _words(answer: Answer) -> str:
    if is_redirect(answer.http_status):
        return redirect_words(answer.http_status, answer.headers)
    return answer.words()
