"""The one place where a row comes into a state: the table of `oort.policy.state` is kept here.

`insert`, `move`, `move_each`, `move_all` and `take` are all the ways there are (`amend` changes what
is known of a row that stays where it is). Each writes the history in the same transaction, refuses a
step that the table does not have, and refuses a row that is no longer where the caller saw it, so
that two hands can never both believe that they moved it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import (
    ColumnElement,
    Update,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)
from sqlalchemy import (
    insert as sql_insert,
)

from oort.errors import QueueError
from oort.policy import state
from oort.policy.state import INITIAL, State, Status, Substatus, may_move
from oort.queue.candidates import ANY_SIZE, candidates
from oort.queue.models import TRANSITIONS, UPLOADS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping
    from sqlalchemy.sql.dml import ReturningUpdate

T = TypeVar("T")

_FINAL: Final = frozenset(
    {
        state.DONE,
        state.ALREADY_SYNCED,
        state.IGNORED,
        state.FILE_GONE,
        state.CHANGED,
        state.FAILED,
        state.NAME_CONFLICT,
        state.TRUNCATED,
    }
)


_CLAIMED: Final = (
    *(UPLOADS.c.id, UPLOADS.c.status, UPLOADS.c.substatus, UPLOADS.c.claim, UPLOADS.c.attempts),
    *(UPLOADS.c.watch, UPLOADS.c.rel_path, UPLOADS.c.size, UPLOADS.c.mtime_ns, UPLOADS.c.inode),
    *(UPLOADS.c.ask_first, UPLOADS.c.may_be_stored),
    *(UPLOADS.c.body_complete, UPLOADS.c.asked_complete),
    *(UPLOADS.c.dataset_name, UPLOADS.c.dataset_uuid),
    *(UPLOADS.c.sha256, UPLOADS.c.remote_id, UPLOADS.c.tags_pending, UPLOADS.c.forced),
    *(UPLOADS.c.header, UPLOADS.c.night, UPLOADS.c.created_at),
    *(UPLOADS.c.priority, UPLOADS.c.cuts),
)
"""What a claim brings back of a row: for its attempt, and for the order."""


class StaleRowError(QueueError):
    """The row is not where the caller saw it: somebody else moved it in between."""


@dataclass(frozen=True, slots=True)
class Move:
    """One step of one row; `values` are further columns that change with it."""

    id: int
    before: State
    after: State
    cause: str
    values: Mapping[str, Any] = field(default_factory=dict)
    claim: int | None = None
    """The fencing token, where a worker moves what it claimed."""


def insert(
    connection: Connection, after: State, cause: str, now: datetime, rows: Sequence[dict[str, Any]]
) -> list[int]:
    """Write new rows in one of the states in which a row may be born; return their ids in order.

    They are of one watch, and each of another path.
    """
    if after not in INITIAL:
        raise AssertionError(f"no row is born as {after}")
    if not rows:
        return []
    born = {**_in_state(after, now), "created_at": now}
    connection.execute(_INSERT, [born | row for row in rows])
    made = _ids_of(connection, rows)
    _record(connection, [(row_id, after, cause) for row_id in made], now)
    return made


def _ids_of(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Return the ids of rows that were just inserted, which are the newest of their paths.

    An insert of many that returns them in order is one statement for each row in SQLite.
    """
    found: dict[bytes, int] = {}
    here = {"at_host": rows[0]["host"], "of_watch": rows[0]["watch"]}
    for start in range(0, len(rows), _ASKED_AT_ONCE):
        paths = [row["rel_path"] for row in rows[start : start + _ASKED_AT_ONCE]]
        newest = connection.execute(_NEWEST, here | {"paths": of_few_lengths(paths)})
        found |= {row[0]: row[1] for row in newest}
    return [found[row["rel_path"]] for row in rows]


def of_few_lengths(values: Sequence[T]) -> list[T]:
    """Repeat the last value up to a power of two.

    Each length is a statement of its own, which the driver keeps prepared (128 for a connection,
    docs.python.org/3/library/sqlite3.html on `cached_statements`): with every length that there
    is, these took 40 MB of a daemon after ten thousand files.
    """
    found = list(values)
    if found:
        found += found[-1:] * ((1 << (len(found) - 1).bit_length()) - len(found))
    return found


def move(connection: Connection, step: Move, now: datetime) -> None:
    """Take one row from state to state and record why.

    A step to the same state changes the values alone and records nothing. Raises `StaleRowError`
    where the row is no longer in `step.before` or was claimed by another hand.
    """
    move_each(connection, (step,), now)


def move_each(connection: Connection, steps: Sequence[Move], now: datetime) -> None:
    """Take many rows, each from state to state; several steps of one row in their order.

    Raises `StaleRowError` as `move` does, where that is so of any of them: what was done for the
    others is then for the transaction to take back.
    """
    wave: dict[int, Move] = {}
    for step in steps:
        if step.after != step.before and not may_move(step.before, step.after):
            raise AssertionError(f"{step.before} -> {step.after} is not in TRANSITIONS")
        if step.id in wave:
            _move_wave(connection, list(wave.values()), now)
            wave.clear()
        wave[step.id] = step
    _move_wave(connection, list(wave.values()), now)


def _move_wave(connection: Connection, steps: Sequence[Move], now: datetime) -> None:
    """Take rows, each of them once, by one statement for all that set the same columns."""
    alike: defaultdict[Update, list[tuple[Move, dict[str, Any]]]] = defaultdict(list)
    for step in steps:
        values = _in_state(step.after, now) | dict(step.values)
        statement = _update_of(tuple(sorted(values)), fenced=step.claim is not None)
        alike[statement].append((step, _bound(step, values)))
    for statement, group in alike.items():
        changed = connection.execute(statement, [bound for _, bound in group])
        if changed.rowcount != len(group):
            first = group[0][0]
            which = f"upload {first.id}" if len(group) == 1 else f"one of {len(group)} uploads"
            raise StaleRowError(f"{which} is no longer {first.before.substatus.value}")
    moved = [(step.id, step.after, step.cause) for step in steps if step.after != step.before]
    _record(connection, moved, now)


def _bound(step: Move, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of `_update_of` for one step."""
    bound = {f"new_{name}": value for name, value in values.items()}
    bound["row_id"] = step.id
    bound["from_status"] = step.before.status.value
    bound["from_substatus"] = step.before.substatus.value
    bound["by_claim"] = step.claim
    return bound


def move_all(
    connection: Connection,
    here: Sequence[ColumnElement[bool]],
    before: State,
    after: State,
    *,
    cause: str,
    now: datetime,
) -> int:
    """Take every row of `before` that `here` chooses to `after` in one statement; return how many."""
    if not may_move(before, after):
        raise AssertionError(f"{before} -> {after} is not in TRANSITIONS")
    moved = connection.execute(
        update(UPLOADS)
        .where(
            *here,
            UPLOADS.c.status == before.status.value,
            UPLOADS.c.substatus == before.substatus.value,
        )
        .values(**_in_state(after, now))
        .returning(UPLOADS.c.id)
    ).scalars()
    steps = [(row_id, after, cause) for row_id in moved]
    _record(connection, steps, now)
    return len(steps)


def amend(
    connection: Connection, row_id: int, cause: str, now: datetime, values: Mapping[str, Any]
) -> None:
    """Change what is known of a row that stays where it is, and record why."""
    row = connection.execute(
        update(UPLOADS)
        .where(UPLOADS.c.id == row_id)
        .values(updated_at=now, **values)
        .returning(UPLOADS.c.status, UPLOADS.c.substatus)
    ).one()
    _record(connection, [(row_id, State(Status(row[0]), Substatus(row[1])), cause)], now)


def take(
    connection: Connection,
    *,
    hosts: Sequence[str],
    watches: Sequence[str],
    claimed_by: str,
    tonight: str,
    limit: int,
    hands: int,
    most_bytes: int,
    largest: int | None,
    now: datetime,
) -> list[RowMapping]:
    """Claim up to `limit` rows of `watches` in one statement, in the order of design.md §3.

    Beyond the first `hands` only as many as are `most_bytes` together, those first ones included.
    Files larger than `largest` are passed over.
    An interactive retry first, then tonight's files, then those with the fewest cuts, oldest first;
    what waited its time takes its place among them. A row in doubt comes into `checking`, one without
    a known dataset into `syncing`, and any other straight into `uploading`, as possibly stored: this
    commit is what a crash leaves behind, and it is on disk before the first byte goes out.
    """
    taken = connection.execute(
        _take(),
        {
            "in_hosts": list(hosts),
            "in_watches": list(watches),
            "tonight": tonight,
            "due_at": now,
            "most": limit,
            "hands": hands,
            "most_bytes": most_bytes,
            "largest": ANY_SIZE if largest is None else largest,
            "by": claimed_by,
            "at": now,
        },
    )
    rows = list(taken.mappings())
    _record(connection, [(row["id"], state_of(row), "claimed") for row in rows], now)
    return sorted(
        rows, key=lambda row: (-row["priority"], row["night"] != tonight, row["cuts"], row["id"])
    )


@cache
def _take() -> ReturningUpdate[Any]:
    """Return the statement of a claim."""
    doubt = or_(UPLOADS.c.ask_first, UPLOADS.c.may_be_stored)
    unknown = UPLOADS.c.dataset_uuid.is_(None)
    return (
        update(UPLOADS)
        .where(UPLOADS.c.id.in_(candidates()))
        .values(
            status=case(
                (or_(doubt, unknown), Status.PREPARING.value), else_=Status.UPLOADING.value
            ),
            substatus=case(
                (doubt, Substatus.CHECKING.value),
                (unknown, Substatus.SYNCING_DATASET.value),
                else_=Substatus.UPLOADING.value,
            ),
            may_be_stored=case((or_(doubt, unknown), UPLOADS.c.may_be_stored), else_=True),
            claim=UPLOADS.c.claim + 1,
            claimed_by=bindparam("by"),
            changed_in_hand=False,
            started_at=bindparam("at", type_=UPLOADS.c.started_at.type),
            ended_at=None,
            updated_at=bindparam("at", type_=UPLOADS.c.updated_at.type),
            next_attempt_at=None,
        )
        .returning(*_CLAIMED)
    )


@cache
def _update_of(columns: tuple[str, ...], *, fenced: bool) -> Update:
    """Return the statement that sets these columns; built once, because building costs more than running."""
    here = [
        UPLOADS.c.id == bindparam("row_id"),
        UPLOADS.c.status == bindparam("from_status"),
        UPLOADS.c.substatus == bindparam("from_substatus"),
    ]
    if fenced:
        here.append(UPLOADS.c.claim == bindparam("by_claim"))
    return (
        update(UPLOADS)
        .where(*here)
        .values({name: bindparam(f"new_{name}", type_=UPLOADS.c[name].type) for name in columns})
    )


_RECORD: Final = sql_insert(TRANSITIONS)
_INSERT: Final = sql_insert(UPLOADS)
_ASKED_AT_ONCE: Final = 512
_NEWEST: Final = (
    select(UPLOADS.c.rel_path, func.max(UPLOADS.c.id))
    .where(
        UPLOADS.c.watch == bindparam("of_watch"),
        UPLOADS.c.rel_path.in_(bindparam("paths", expanding=True)),
        UPLOADS.c.host == bindparam("at_host"),
    )
    .group_by(UPLOADS.c.rel_path)
)


def state_of(row: RowMapping) -> State:
    """Return the state that a row's words stand for."""
    return State(Status(row["status"]), Substatus(row["substatus"]))


def _in_state(after: State, now: datetime) -> dict[str, Any]:
    """Return the columns that every step sets."""
    values: dict[str, Any] = {
        "status": after.status.value,
        "substatus": after.substatus.value,
        "updated_at": now,
        "next_attempt_at": None,
    }
    if after in _FINAL:
        values["ended_at"] = now
    elif after.status is Status.NEW:
        values["ended_at"] = None
    return values


def _record(connection: Connection, steps: Sequence[tuple[int, State, str]], now: datetime) -> None:
    if steps:
        connection.execute(
            _RECORD,
            [
                {
                    "upload_id": row_id,
                    "at": now,
                    "status": after.status.value,
                    "substatus": after.substatus.value,
                    "cause": cause,
                }
                for row_id, after, cause in steps
            ],
        )
