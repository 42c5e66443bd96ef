"""Every state an upload can be in, and every step that it may take.

The table is the whole truth: `oort.queue.moves` refuses any step that is not in it, and
`docs/states.md` is generated from it. The words themselves are Arcsecond's (`arcsecond.status`).
`held` is no state of a row: it is computed when somebody asks, so that an outage costs no write.
"""

from typing import Final, NamedTuple

from arcsecond.status import Status as Status
from arcsecond.status import Substatus as Substatus


class State(NamedTuple):
    """A status with its reason."""

    status: Status
    substatus: Substatus


SETTLING: Final = State(Status.NEW, Substatus.SETTLING)
PENDING: Final = State(Status.NEW, Substatus.PENDING)
WAITING: Final = State(Status.NEW, Substatus.WAITING)
HELD: Final = State(Status.NEW, Substatus.HELD)
CHECKING: Final = State(Status.PREPARING, Substatus.CHECKING)
SYNCING: Final = State(Status.PREPARING, Substatus.SYNCING_DATASET)
UPLOADING: Final = State(Status.UPLOADING, Substatus.UPLOADING)
TAGGING: Final = State(Status.FINISHING, Substatus.TAGGING)
DONE: Final = State(Status.OK, Substatus.DONE)
ALREADY_SYNCED: Final = State(Status.SKIPPED, Substatus.ALREADY_SYNCED)
IGNORED: Final = State(Status.SKIPPED, Substatus.IGNORED)
FILE_GONE: Final = State(Status.SKIPPED, Substatus.FILE_GONE)
CHANGED: Final = State(Status.SKIPPED, Substatus.CHANGED)
FAILED: Final = State(Status.ERROR, Substatus.ERROR)
NAME_CONFLICT: Final = State(Status.ERROR, Substatus.NAME_CONFLICT)
TRUNCATED: Final = State(Status.ERROR, Substatus.TRUNCATED)

INITIAL: Final = frozenset({SETTLING, IGNORED, CHANGED})
"""States in which a row may be born."""

OPEN: Final = frozenset({SETTLING, PENDING, WAITING, CHECKING, SYNCING, UPLOADING, TAGGING})
"""States of a file that is still on its way; a path has at most one such row."""

IN_HAND: Final = frozenset({CHECKING, SYNCING, UPLOADING, TAGGING})
"""States in which a worker has the row: the scanner never moves it, a crash makes it a doubt."""

SAFE: Final = frozenset({DONE, ALREADY_SYNCED})
"""States in which the file is at the server."""

_TAKEN = frozenset({CHECKING, SYNCING, UPLOADING})
_ENDED = frozenset(
    {DONE, ALREADY_SYNCED, WAITING, PENDING, SETTLING, FAILED, NAME_CONFLICT, FILE_GONE}
)

TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    SETTLING: frozenset({PENDING, TRUNCATED, FILE_GONE, IGNORED}),
    PENDING: _TAKEN | {SETTLING, IGNORED, FILE_GONE},
    WAITING: _TAKEN | {PENDING, SETTLING, IGNORED, FILE_GONE},
    CHECKING: (_ENDED | _TAKEN) - {CHECKING},
    SYNCING: (_ENDED | _TAKEN) - {SYNCING},
    UPLOADING: (_ENDED | _TAKEN | {TAGGING}) - {UPLOADING},
    TAGGING: frozenset({DONE, PENDING, WAITING, FAILED}),
    DONE: frozenset({PENDING}),  # `oort verify` found that the server has not got it
    ALREADY_SYNCED: frozenset({PENDING, SETTLING}),
    IGNORED: frozenset({PENDING, SETTLING}),
    FILE_GONE: frozenset({PENDING, SETTLING, IGNORED}),
    CHANGED: frozenset({PENDING, IGNORED}),
    FAILED: _TAKEN | {PENDING, SETTLING, IGNORED},
    NAME_CONFLICT: frozenset({PENDING, SETTLING, IGNORED}),
    TRUNCATED: frozenset({PENDING, SETTLING, IGNORED}),
}
"""Which state may follow which. A row may always stay where it is (nothing is recorded then)."""


def may_move(before: State, after: State) -> bool:
    """Tell whether the table allows this step."""
    return after in TRANSITIONS[before]
