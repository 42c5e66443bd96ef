"""What a queue knows of all that was ever sent: once, for a daemon that has no tally of it yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, case, func, select, type_coerce
from sqlalchemy.types import BigInteger

from oort.policy.state import Status
from oort.queue.models import ATTEMPTS, UPLOADS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


def tally_of(
    connection: Connection, host: str, bounds_s: Sequence[float], latest: int
) -> dict[str, Any]:
    """Return files, bytes, attempts, seconds and the `latest` stored rows, as the notes hold them.

    Reads every row and every attempt, about a second a million; attempts that were pruned are gone.
    """
    stored = (UPLOADS.c.host == host, UPLOADS.c.status == Status.OK.value)
    files, size, last = connection.execute(
        select(
            func.count(),
            func.coalesce(func.sum(UPLOADS.c.size), 0),
            func.max(UPLOADS.c.ended_at),
        ).where(*stored)
    ).one()
    outcomes = connection.execute(
        _of_host(select(ATTEMPTS.c.outcome, func.count()), host).group_by(ATTEMPTS.c.outcome)
    )
    took_ms = type_coerce(ATTEMPTS.c.ended_at, BigInteger) - type_coerce(
        ATTEMPTS.c.started_at, BigInteger
    )
    within = [
        func.coalesce(func.sum(case((took_ms <= round(bound * 1000), 1), else_=0)), 0)
        for bound in bounds_s
    ]
    of_files = _of_host(
        select(func.count(), func.coalesce(func.sum(took_ms), 0), *within), host
    ).where(ATTEMPTS.c.outcome == "Stored")
    count, total_ms, *cumulative = connection.execute(of_files).one()
    ids = connection.execute(
        select(UPLOADS.c.id).where(*stored).order_by(UPLOADS.c.ended_at.desc()).limit(latest)
    ).scalars()
    return {
        "files": int(files),
        "bytes": int(size),
        "last_success_at": last.timestamp() if last is not None else None,
        "attempts": {str(outcome): int(number) for outcome, number in outcomes},
        "seconds": {
            "bounds": list(bounds_s),
            "within": [int(one) for one in cumulative],
            "count": int(count),
            "sum": int(total_ms) / 1000,
        },
        "latest": [int(one) for one in ids],
    }


def _of_host(wanted: Select[Any], host: str) -> Select[Any]:
    """Return a question of attempts that looks at those of a host; a file has one host only."""
    if not host:
        return wanted.select_from(ATTEMPTS)
    joined = ATTEMPTS.join(UPLOADS, UPLOADS.c.id == ATTEMPTS.c.upload_id)
    return wanted.select_from(joined).where(UPLOADS.c.host == host)
