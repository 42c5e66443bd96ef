"""What the queue knows of every path of a watch, read as a stream for `oort verify`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from oort.policy.state import State, Status, Substatus
from oort.policy.version import FileVersion, RelPath
from oort.queue.models import UPLOADS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Queued:
    """The newest row of a path, as far as a comparison needs it."""

    id: int
    state: State
    version: FileVersion
    sha256: str | None
    dataset_name: str | None
    dataset_uuid: str | None
    remote_id: str | None
    remote_name: str | None


_COLUMNS = (
    UPLOADS.c.rel_path,
    UPLOADS.c.id,
    UPLOADS.c.status,
    UPLOADS.c.substatus,
    UPLOADS.c.size,
    UPLOADS.c.mtime_ns,
    UPLOADS.c.inode,
    UPLOADS.c.sha256,
    UPLOADS.c.dataset_name,
    UPLOADS.c.dataset_uuid,
    UPLOADS.c.remote_id,
    UPLOADS.c.remote_name,
)


def newest_of_each_path(connection: Connection, host: str, watch: str) -> Iterator[Queued]:
    """Yield the newest row of each path of a watch, in the order of an index: no row is sorted."""
    rows = connection.execution_options(yield_per=1000).execute(
        select(*_COLUMNS)
        .where(UPLOADS.c.watch == watch, UPLOADS.c.host == host)
        .order_by(UPLOADS.c.rel_path, UPLOADS.c.id)
    )
    waiting: Queued | None = None
    for row in rows:
        path = RelPath(row[0])
        if waiting is not None and waiting.version.rel_path != path:
            yield waiting
        waiting = Queued(
            id=row[1],
            state=State(Status(row[2]), Substatus(row[3])),
            version=FileVersion(path, row[4], row[5], row[6]),
            sha256=row[7],
            dataset_name=row[8],
            dataset_uuid=row[9],
            remote_id=row[10],
            remote_name=row[11],
        )
    if waiting is not None:
        yield waiting
