"""One observing night: read-only questions for its report, and rows that belong to another one.

The questions are found by the index of nights: what a million other rows are about is not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select, update

from oort.policy.ledger import Entry
from oort.policy.night import moment_of, night_of
from oort.policy.state import State, Status, Substatus
from oort.queue.candidates import unindexed
from oort.queue.models import UPLOADS
from oort.values import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

RENAMED_AT_ONCE: Final = 1000
_BATCH: Final = 5000

_OF_AN_ENTRY: Final = (
    UPLOADS.c.watch,
    UPLOADS.c.root,
    UPLOADS.c.rel_path,
    UPLOADS.c.size,
    UPLOADS.c.mtime_ns,
    UPLOADS.c.inode,
    UPLOADS.c.status,
    UPLOADS.c.substatus,
    UPLOADS.c.error,
    UPLOADS.c.acknowledged,
    UPLOADS.c.unproven,
    UPLOADS.c.dataset_name,
    UPLOADS.c.header,
    UPLOADS.c.created_at,
    UPLOADS.c.ended_at,
)


def newest_night(connection: Connection, host: str, *, not_after: str) -> str | None:
    """Return the newest night that has files of a host, `YYYY-MM-DD`, up to and with `not_after`.

    None where there is none. A file that a wrong clock has dated years ahead is not to hide every
    night until then.
    """
    return connection.execute(
        select(UPLOADS.c.night)
        .where(UPLOADS.c.host.in_(_hosts(host)), UPLOADS.c.night <= not_after)
        .order_by(UPLOADS.c.night.desc())
        .limit(1)
    ).scalar()


def later_night(connection: Connection, host: str, *, after: str) -> str | None:
    """Return the last night after one that there are files of, None where there is none."""
    return connection.execute(
        select(UPLOADS.c.night)
        .where(UPLOADS.c.host.in_(_hosts(host)), UPLOADS.c.night > after)
        .order_by(UPLOADS.c.night.desc())
        .limit(1)
    ).scalar()


def entries(connection: Connection, host: str, night: str) -> Iterator[Entry]:
    """Give every file version of a night that a host has, those of shared watches included."""
    rows = connection.execution_options(yield_per=_BATCH).execute(
        select(*_OF_AN_ENTRY).where(UPLOADS.c.host.in_(_hosts(host)), UPLOADS.c.night == night)
    )
    for row in rows:
        watch, root, rel_path, size, mtime_ns, inode, status, substatus, *rest = row
        folder, _, name = rel_path.rpartition(b"/")
        above = root.rstrip(b"/")
        yield Entry(
            watch,
            printable(above + b"/" + folder if folder else above) or "/",
            printable(name),
            size,
            mtime_ns,
            inode,
            State(Status(status), Substatus(substatus)),
            *rest,
        )


def rename_nights(
    connection: Connection,
    host: str,
    watch: str,
    longitude_deg: float,
    *,
    after_id: int = 0,
    most: int = RENAMED_AT_ONCE,
) -> tuple[int, int | None]:
    """Give rows of a watch the night that they belong to where its telescope stands.

    Looks at `most` rows of the queue after `after_id`, because the writer has other things to do
    meanwhile. Returns how many were changed, and the id to go on after, None at the end.
    """
    ids = select(UPLOADS.c.id).where(UPLOADS.c.id > after_id).order_by(UPLOADS.c.id)
    last = connection.execute(ids.offset(most - 1).limit(1)).scalar()
    here = [UPLOADS.c.id > after_id] + ([UPLOADS.c.id <= last] if last is not None else [])
    rows = connection.execute(
        select(UPLOADS.c.id, UPLOADS.c.header, UPLOADS.c.mtime_ns, UPLOADS.c.night).where(
            *here,
            UPLOADS.c.host.in_(_hosts(host)),
            unindexed(UPLOADS.c.watch) == watch,
            UPLOADS.c.night.is_not(None),
        )
    )
    renamed = []
    for row_id, header, mtime_ns, night in rows:
        rightly = night_of(moment_of(header, mtime_ns), longitude_deg).isoformat()
        if rightly != night:
            renamed.append({"row_id": row_id, "rightly": rightly})
    if renamed:
        connection.execute(
            update(UPLOADS)
            .where(UPLOADS.c.id == bindparam("row_id"))
            .values(night=bindparam("rightly")),
            renamed,
        )
    return len(renamed), last


def _hosts(host: str) -> list[str]:
    """Return what the column says of a host's rows: its own name, or nothing for shared ones."""
    return sorted({host, ""})
