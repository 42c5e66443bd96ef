"""Is a file on the disk at the server? Judged for `oort verify`, from three sides at once. Pure.

The disk says which version lies there, the queue what was sent of it and when, the server what it
has. Nothing is believed of the queue that the server can be asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from oort.policy import state
from oort.policy.same import Comparison, NeedsHash, Other, Same
from oort.policy.state import SAFE

if TYPE_CHECKING:
    from oort.policy.state import State
    from oort.policy.version import FileVersion

CHANGED_SINCE: Final = "it changed after the upload"


class Finding(Enum):
    """What is found of one file."""

    THERE = "there"
    UNPROVEN = "unproven"
    """There by name and size; nothing proves its content."""
    MISSING = "missing"
    DIFFERS = "differs"
    LEFT_OUT = "left out"
    """By somebody's word: nobody expects it at the server."""


class Remedy(Enum):
    """What is done about it."""

    NONE = "none"
    SEND_AGAIN = "send again"
    """The queue has it for stored, and the server has not got it."""
    LOOK = "look"
    """Detection is to look at the file: the queue does not know this version."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The finding, what to do, and the reason in words."""

    finding: Finding
    remedy: Remedy = Remedy.NONE
    reason: str = ""


NEVER_SEEN: Final = Judgement(Finding.MISSING, Remedy.LOOK, "the queue has not seen it yet")
"""Of a file that has no row: detection is to look at it."""


def without_server(version: FileVersion, now_in: State, queued: FileVersion) -> Judgement | None:
    """Return what the queue alone says of a file; None where the server must be asked.

    `now_in` and `queued` are the newest row's.
    """
    if now_in == state.IGNORED:
        return Judgement(Finding.LEFT_OUT, reason="ignored")
    if now_in == state.CHANGED:
        return Judgement(Finding.DIFFERS, reason=CHANGED_SINCE)
    if now_in == state.FILE_GONE:
        return Judgement(Finding.MISSING, Remedy.LOOK, "it was gone, and is there again")
    if now_in not in SAFE:
        return Judgement(Finding.MISSING, reason=f"{now_in.status.value}: {now_in.substatus.value}")
    if version.size != queued.size:
        return Judgement(Finding.DIFFERS, Remedy.LOOK, CHANGED_SINCE)
    return None


def needs_reading(version: FileVersion, queued: FileVersion) -> bool:
    """Tell whether only the file's content says if it is what was sent: its time is another."""
    return version.mtime_ns != queued.mtime_ns


def with_server(compared: Comparison | None) -> Judgement:
    """Return what the server's file says; `compared` is None where it has none of that name."""
    match compared:
        case None:
            return Judgement(Finding.MISSING, Remedy.SEND_AGAIN, "the server has not got it")
        case Same(unproven=True, note=note):
            return Judgement(Finding.UNPROVEN, reason=note)
        case Same():
            return Judgement(Finding.THERE)
        case Other(reason):
            return Judgement(Finding.DIFFERS, reason=reason)
        case NeedsHash():
            return Judgement(Finding.UNPROVEN, reason="its content was not compared")
