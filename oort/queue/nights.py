"""Read-only questions about one observing night, for its report.

All of them are found by the index of nights: what a million other rows are about is not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from oort.policy.ledger import Entry
from oort.policy.state import State, Status, Substatus
from oort.queue.models import UPLOADS
from oort.values import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

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


def _hosts(host: str) -> list[str]:
    """Return what the column says of a host's rows: its own name, or nothing for shared ones."""
    return sorted({host, ""})
