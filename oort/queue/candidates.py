"""Which rows a claim takes: the choice alone, as a question; `oort.queue.moves.take` takes them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    union,
)

from oort.policy.state import Substatus
from oort.queue.models import UPLOADS

ANY_SIZE: Final = 2**62


def candidates() -> Select[tuple[int]]:
    """Build the choice of rows: four short index walks, then the best of what they brought."""
    most: BindParameter[int] = bindparam("most")
    mine = and_(
        UPLOADS.c.host.in_(bindparam("in_hosts", expanding=True)),
        unindexed(UPLOADS.c.watch).in_(bindparam("in_watches", expanding=True)),
        UPLOADS.c.size <= bindparam("largest"),
    )
    pending = UPLOADS.c.substatus == Substatus.PENDING.value
    is_tonights = UPLOADS.c.night == bindparam("tonight")
    found = select(
        UPLOADS.c.id,
        UPLOADS.c.priority,
        case((is_tonights, 0), else_=1).label("later"),
        UPLOADS.c.cuts,
        UPLOADS.c.size,
    ).where(mine)
    walks = [
        found.where(pending, UPLOADS.c.priority > 0).order_by(UPLOADS.c.id).limit(most),
        found.where(
            UPLOADS.c.next_attempt_at.is_not(None),
            UPLOADS.c.next_attempt_at <= bindparam("due_at"),
        )
        .order_by(UPLOADS.c.next_attempt_at, UPLOADS.c.id)
        .limit(most),
        found.where(pending, is_tonights).order_by(UPLOADS.c.cuts, UPLOADS.c.id).limit(most),
        found.where(pending).order_by(UPLOADS.c.cuts, UPLOADS.c.id).limit(most),
    ]
    ranked = union(*(select(walk.subquery()) for walk in walks)).subquery()
    order = (ranked.c.priority.desc(), ranked.c.later, ranked.c.cuts, ranked.c.id)
    best = (
        select(
            ranked.c.id,
            func.row_number().over(order_by=order).label("place"),
            func.sum(ranked.c.size).over(order_by=order).label("bytes"),
        )
        .order_by(*order)
        .limit(most)
        .subquery()
    )
    return select(best.c.id).where(
        or_(best.c.place <= bindparam("hands"), best.c.bytes <= bindparam("most_bytes"))
    )


def unindexed(column: ColumnElement[str]) -> ColumnElement[str]:
    """Return a column for a condition that shall not choose the index.

    SQLite without statistics takes an index on any `=` for a better one than the short index of
    what waits, and then reads every row of the watch (measured: 180 ms instead of 2 ms at 100,000).
    """
    return column.concat("")
