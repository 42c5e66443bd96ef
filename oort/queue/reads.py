"""Read-only questions to the queue, for status, listings and whoever else wants to know."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, and_, func, or_, select

from oort.policy.state import Status, Substatus
from oort.queue.models import IS_ERROR, IS_IN_HAND, IS_OPEN, NOTES, TRANSITIONS, UPLOADS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping

_PENDING = [
    Status.NEW.value,
    Status.PREPARING.value,
    Status.UPLOADING.value,
    Status.FINISHING.value,
]


@dataclass(slots=True)
class Counts:
    """How many rows are in which state; `pending_*` are those still on their way."""

    by_status: Counter[str] = field(default_factory=Counter)
    pending_files: int = 0
    pending_bytes: int = 0
    unproven: int = 0
    already_synced: int = 0
    gone: int = 0
    """Never stored, and not there any more: not safe until somebody acknowledges it."""
    changed: int = 0
    """Stored, and another version lies there now."""

    def add(self, row: Sequence[Any]) -> None:
        """Take one group of rows into account: status, substatus, unproven, files, bytes."""
        status, substatus, unproven, files, size = row
        self.by_status[status] += files
        if status in _PENDING:
            self.pending_files += files
            self.pending_bytes += size
        elif unproven:
            self.unproven += files
        if substatus == Substatus.ALREADY_SYNCED.value:
            self.already_synced += files
        elif substatus == Substatus.FILE_GONE.value:
            self.gone += files
        elif substatus == Substatus.CHANGED.value:
            self.changed += files

    def include(self, other: Counts) -> None:
        """Add what was counted elsewhere."""
        self.by_status.update(other.by_status)
        self.pending_files += other.pending_files
        self.pending_bytes += other.pending_bytes
        self.unproven += other.unproven
        self.already_synced += other.already_synced
        self.gone += other.gone
        self.changed += other.changed


def counts(connection: Connection, host: str) -> dict[str, Counts]:
    """Return the counts of each watch of a host, by one walk over a covering index."""
    rows = connection.execute(
        select(
            UPLOADS.c.watch,
            UPLOADS.c.status,
            UPLOADS.c.substatus,
            UPLOADS.c.unproven,
            func.count(),
            func.coalesce(func.sum(UPLOADS.c.size), 0),
        )
        .where(UPLOADS.c.host == host)
        .group_by(UPLOADS.c.watch, UPLOADS.c.status, UPLOADS.c.substatus, UPLOADS.c.unproven)
    )
    found: dict[str, Counts] = {}
    for watch, *group in rows:
        found.setdefault(watch, Counts()).add(group)
    return found


def counts_below(connection: Connection, host: str, watch: str, folder: bytes) -> Counts:
    """Return the counts of one folder of a watch (empty `folder`: the watched folder itself)."""
    found = Counts()
    rows = connection.execute(
        select(
            UPLOADS.c.status,
            UPLOADS.c.substatus,
            UPLOADS.c.unproven,
            func.count(),
            func.coalesce(func.sum(UPLOADS.c.size), 0),
        )
        .where(UPLOADS.c.host == host, UPLOADS.c.watch == watch, *below(folder))
        .group_by(UPLOADS.c.status, UPLOADS.c.substatus, UPLOADS.c.unproven)
    )
    for group in rows:
        found.add(group)
    return found


def below(folder: bytes) -> list[Any]:
    """Return the conditions for paths below a folder; `0` is the byte after `/`."""
    if not folder:
        return []
    return [UPLOADS.c.rel_path > folder + b"/", UPLOADS.c.rel_path < folder + b"0"]


def oldest_pending_at(connection: Connection, host: str) -> datetime | None:
    """Return since when the oldest waiting file waits; what still settles is left out."""
    return connection.execute(
        select(func.min(UPLOADS.c.created_at)).where(
            UPLOADS.c.host == host,
            IS_OPEN,
            UPLOADS.c.substatus != Substatus.SETTLING.value,
        )
    ).scalar()


def attention(connection: Connection, host: str, limit: int = 100) -> Sequence[RowMapping]:
    """Return the rows in Error, newest first."""
    return (
        connection.execute(
            select(UPLOADS)
            .where(UPLOADS.c.host == host, IS_ERROR)
            .order_by(UPLOADS.c.updated_at.desc(), UPLOADS.c.id.desc())
            .limit(limit)
        )
        .mappings()
        .all()
    )


def lost(
    connection: Connection, host: str, watches: Sequence[str], limit: int = 100
) -> Sequence[RowMapping]:
    """Return the rows of watches that are gone or changed and not acknowledged, newest first."""
    found = (
        connection.execute(select(UPLOADS).where(*_lost(host, watches)).limit(limit))
        .mappings()
        .all()
    )
    return sorted(found, key=lambda row: (row["updated_at"], row["id"]), reverse=True)


def lost_since(connection: Connection, host: str, watches: Sequence[str], since: datetime) -> int:
    """Return how many of them became so since a moment."""
    found = select(func.count()).where(*_lost(host, watches), UPLOADS.c.updated_at >= since)
    return int(connection.execute(found).scalar() or 0)


def _lost(host: str, watches: Sequence[str]) -> list[Any]:
    """Return the conditions that the index of the counts answers, watch by watch."""
    return [
        UPLOADS.c.host == host,
        UPLOADS.c.watch.in_(list(watches)),
        UPLOADS.c.status == Status.SKIPPED.value,
        UPLOADS.c.substatus.in_([Substatus.FILE_GONE.value, Substatus.CHANGED.value]),
    ]


def newest_night(connection: Connection, host: str, latest: str) -> str | None:
    """Return the newest night that has files and is not later than `latest`, both `YYYY-MM-DD`."""
    return connection.execute(
        select(UPLOADS.c.night)
        .where(UPLOADS.c.host == host, UPLOADS.c.night <= latest)
        .order_by(UPLOADS.c.night.desc())
        .limit(1)
    ).scalar()


def night_counts(connection: Connection, host: str, night: str) -> Counts:
    """Return the counts of one night."""
    found = Counts()
    rows = connection.execute(
        select(
            UPLOADS.c.status,
            UPLOADS.c.substatus,
            UPLOADS.c.unproven,
            func.count(),
            func.coalesce(func.sum(UPLOADS.c.size), 0),
        )
        .where(UPLOADS.c.host == host, UPLOADS.c.night == night)
        .group_by(UPLOADS.c.status, UPLOADS.c.substatus, UPLOADS.c.unproven)
    )
    for group in rows:
        found.add(group)
    return found


def of_ids(connection: Connection, host: str, ids: Sequence[int]) -> Sequence[RowMapping]:
    """Return the rows of these ids, in no order."""
    return (
        connection.execute(select(UPLOADS).where(UPLOADS.c.host == host, UPLOADS.c.id.in_(ids)))
        .mappings()
        .all()
    )


def in_hand(connection: Connection, host: str) -> Sequence[RowMapping]:
    """Return the rows that a worker has, longest first."""
    return (
        connection.execute(
            select(UPLOADS)
            .where(UPLOADS.c.host == host, IS_IN_HAND)
            .order_by(UPLOADS.c.started_at, UPLOADS.c.id)
        )
        .mappings()
        .all()
    )


def newest(connection: Connection, host: str, watch: str, rel_path: bytes) -> RowMapping | None:
    """Return the newest row of a path."""
    return (
        connection.execute(
            select(UPLOADS)
            .where(UPLOADS.c.host == host, UPLOADS.c.watch == watch, UPLOADS.c.rel_path == rel_path)
            .order_by(UPLOADS.c.id.desc())
            .limit(1)
        )
        .mappings()
        .first()
    )


def roots(connection: Connection, host: str) -> list[tuple[str, bytes]]:
    """Return every (watch, watched folder) that rows were written for."""
    rows = connection.execute(
        select(UPLOADS.c.watch, UPLOADS.c.root).where(UPLOADS.c.host == host).distinct()
    )
    return [(row[0], row[1]) for row in rows]


def history(connection: Connection, upload_id: int) -> list[dict[str, Any]]:
    """Return every recorded step of an upload, oldest first."""
    rows = connection.execute(
        select(TRANSITIONS.c.at, TRANSITIONS.c.status, TRANSITIONS.c.substatus, TRANSITIONS.c.cause)
        .where(TRANSITIONS.c.upload_id == upload_id)
        .order_by(TRANSITIONS.c.id)
    )
    return [dict(row) for row in rows.mappings()]


def uploads(
    connection: Connection,
    host: str,
    *,
    status: str | None = None,
    watch: str | None = None,
    night: str | None = None,
    since: datetime | None = None,
    limit: int = 100,
) -> Sequence[RowMapping]:
    """Return rows, newest change first; a `limit` of 0 returns all."""
    wanted: Select[Any] = select(UPLOADS).where(UPLOADS.c.host == host)
    if status is not None:
        words = status.lower()
        wanted = wanted.where(
            or_(func.lower(UPLOADS.c.status) == words, func.lower(UPLOADS.c.substatus) == words)
        )
    if watch is not None:
        wanted = wanted.where(UPLOADS.c.watch == watch)
    if night is not None:
        wanted = wanted.where(UPLOADS.c.night == night)
    if since is not None:
        wanted = wanted.where(UPLOADS.c.updated_at >= since)
    wanted = wanted.order_by(UPLOADS.c.updated_at.desc(), UPLOADS.c.id.desc())
    return connection.execute(wanted.limit(limit) if limit else wanted).mappings().all()


def notes(connection: Connection, host: str) -> dict[str, Any]:
    """Return what the daemon told last: link, watches, uploads in hand, pause."""
    rows = connection.execute(select(NOTES.c.name, NOTES.c.value).where(NOTES.c.host == host))
    return {row[0]: row[1] for row in rows}


def matching(
    connection: Connection, host: str, watch: str, rel_path: bytes
) -> Sequence[RowMapping]:
    """Return the newest row of a path or, where it names a folder, of every path below it."""
    here: list[Any] = []
    if rel_path:
        # One range of the index, of which a little is passed over: two would be a walk over it all.
        start, inside = UPLOADS.c.rel_path == rel_path, and_(*below(rel_path))
        here = [UPLOADS.c.rel_path.between(rel_path, rel_path + b"0"), or_(start, inside)]
    newest_ids = (
        select(func.max(UPLOADS.c.id))
        .where(UPLOADS.c.host == host, UPLOADS.c.watch == watch, *here)
        .group_by(UPLOADS.c.rel_path)
    )
    return (
        connection.execute(
            select(UPLOADS).where(UPLOADS.c.id.in_(newest_ids)).order_by(UPLOADS.c.id)
        )
        .mappings()
        .all()
    )
