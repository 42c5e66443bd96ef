"""What became of one file: the words of the common vocabulary, and what follows for the others."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus

from arcsecond.errors import ArcsecondError, CancelledError, RedirectError
from arcsecond.status import Status, Substatus
from arcsecond.upload.patience import is_passing


class Trouble(Enum):
    """Whom a failure is about."""

    NONE = "nobody"
    FILE = "this file"
    SERVER = "the server or the link, for now: it was in trouble at each try"
    ALL = "everything that would follow: the key, the address, the dataset"
    STOPPED = "whoever asked to stop"


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one file."""

    status: Status
    substatus: Substatus
    error: ArcsecondError | None = None
    """None exactly when the status is OK or Skipped."""
    note: str = ""
    """Something worth saying of a file that is safe, such as the name that the server gave it."""
    unproven: bool = False
    """Nothing but name and size speaks for it."""
    trouble: Trouble = Trouble.NONE


def done(note: str = "", *, unproven: bool = False) -> Result:
    """Return the outcome of a file that we brought."""
    return Result(Status.OK, Substatus.DONE, note=note, unproven=unproven)


def already_synced(note: str = "", *, unproven: bool = False) -> Result:
    """Return the outcome of a file that was there before us."""
    return Result(Status.SKIPPED, Substatus.ALREADY_SYNCED, note=note, unproven=unproven)


def conflict(message: str, hint: str | None = None) -> Result:
    """Return the outcome of a file whose name another one has in that dataset."""
    hint = hint or "Rename the file, or send it to another dataset."
    error = ArcsecondError(message, hint=hint)
    return Result(Status.ERROR, Substatus.NAME_CONFLICT, error, trouble=Trouble.FILE)


def failed(error: ArcsecondError, trouble: Trouble | None = None) -> Result:
    """Return the outcome of a file that did not get there."""
    return Result(Status.ERROR, Substatus.ERROR, error, trouble=trouble or trouble_of(error))


def trouble_of(error: ArcsecondError) -> Trouble:
    """Tell whom an error is about."""
    if isinstance(error, CancelledError):
        return Trouble.STOPPED
    if isinstance(error, RedirectError) or error.status == HTTPStatus.UNAUTHORIZED:
        return Trouble.ALL
    return Trouble.SERVER if is_passing(error) else Trouble.FILE
