"""How the ends of attempts are kept: many of them by a few statements, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select
from sqlalchemy import insert as sql_insert

from oort.policy.state import IN_HAND, Status
from oort.queue import moves
from oort.queue.models import ATTEMPTS, UPLOADS
from oort.queue.moves import Move, of_few_lengths

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from oort.policy.retry import Decision
    from oort.policy.state import State

_BEFORE_END: Final = select(
    UPLOADS.c.id,
    UPLOADS.c.attempts,
    UPLOADS.c.cuts,
    UPLOADS.c.changed_in_hand,
    UPLOADS.c.sha256,
).where(UPLOADS.c.id.in_(bindparam("row_ids", expanding=True)))
_ATTEMPT: Final = sql_insert(ATTEMPTS)


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of an attempt, as it is kept: see `oort.policy.outcome` for the words."""

    outcome: str
    started_at: datetime
    bytes_sent: int = 0
    http_status: int | None = None
    remote_id: str | None = None
    remote_name: str | None = None
    sha256: str | None = None
    unproven: bool = False
    tags_pending: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """The end of one attempt, on its way into the queue."""

    upload_id: int
    claim: int
    before: State
    decision: Decision
    ended: Ended


def finish_all(connection: Connection, ends: Sequence[End], now: datetime) -> list[bool]:
    """Record the ends and take the rows where each leads.

    Returns for each whether detection saw another version meanwhile. Raises `StaleRowError` where a
    claim was lost: then nothing of the transaction is to be kept.
    """
    ids = of_few_lengths([end.upload_id for end in ends])
    rows = {row.id: row for row in connection.execute(_BEFORE_END, {"row_ids": ids})}
    moves.move_each(connection, [_last_step(end, rows[end.upload_id], now) for end in ends], now)
    connection.execute(_ATTEMPT, [_attempt_of(end, now) for end in ends])
    return [bool(rows[end.upload_id].changed_in_hand) for end in ends]


def _last_step(end: End, row: Any, now: datetime) -> Move:
    """Return the step that an attempt ends with."""
    decision = end.decision
    values = _values_of(decision, end.ended, row, now)
    return Move(end.upload_id, end.before, decision.state, decision.cause, values, claim=end.claim)


def _attempt_of(end: End, now: datetime) -> dict[str, Any]:
    """Return an attempt as it is kept."""
    return {
        "upload_id": end.upload_id,
        "started_at": end.ended.started_at,
        "ended_at": now,
        "outcome": end.ended.outcome,
        "counted": end.decision.counted,
        "bytes_sent": end.ended.bytes_sent,
        "http_status": end.ended.http_status,
        "error": end.decision.error,
    }


def _values_of(decision: Decision, ended: Ended, row: Any, now: datetime) -> dict[str, Any]:
    """Return the columns that an attempt's end sets, beside the state."""
    values: dict[str, Any] = {
        "error": decision.error,
        "attempts": row.attempts + decision.counted,
        "cuts": row.cuts + decision.cut,
        "may_be_stored": decision.may_be_stored,
        "body_complete": decision.body_complete,
        "ask_first": decision.ask_first,
        "asked_complete": decision.asked_complete,
        "claimed_by": None,
        "unproven": ended.unproven,
        "tags_pending": ended.tags_pending,
        "sha256": ended.sha256 or row.sha256,
    }
    if decision.state not in IN_HAND and decision.state.status is not Status.NEW:
        values["priority"] = 0
    if ended.remote_id is not None:
        values["remote_id"] = ended.remote_id
    if ended.remote_name is not None:
        values["remote_name"] = ended.remote_name
    if decision.delay_s is not None:
        values["next_attempt_at"] = now + timedelta(seconds=decision.delay_s)
    return values
