"""How rows and the values that leave this package stand for each other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select

from oort.policy import state
from oort.policy.sighting import KnownRow
from oort.policy.state import IN_HAND, SAFE, State, Status, Substatus
from oort.policy.version import FileVersion, RelPath
from oort.queue.models import UPLOADS
from oort.queue.moves import of_few_lengths, state_of
from oort.values import Sha256, Upload, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, RowMapping

    from oort.policy.nesting import Kin


_KNOWN: Final = (
    select(
        UPLOADS.c.rel_path,
        UPLOADS.c.id,
        UPLOADS.c.status,
        UPLOADS.c.substatus,
        UPLOADS.c.size,
        UPLOADS.c.mtime_ns,
        UPLOADS.c.inode,
        UPLOADS.c.unproven,
        UPLOADS.c.acknowledged,
        UPLOADS.c.may_be_stored,
        UPLOADS.c.ask_first,
        UPLOADS.c.dataset_name,
    )
    .where(
        UPLOADS.c.host == bindparam("at_host"),
        UPLOADS.c.watch == bindparam("of_watch"),
        UPLOADS.c.rel_path.in_(bindparam("paths", expanding=True)),
    )
    .order_by(UPLOADS.c.id)
)


_ASKED_FOR: Final = frozenset({state.PENDING, state.WAITING, state.FAILED})
"""States in which a row in doubt is claimed again, by itself or by a person's word."""


def known_rows(
    connection: Connection, host: str, watch: str, rel_paths: Sequence[RelPath]
) -> dict[RelPath, KnownRow]:
    """Return the newest row of each path that has one."""
    asked = {"at_host": host, "of_watch": watch, "paths": of_few_lengths(rel_paths)}
    rows = connection.execute(_KNOWN, asked)
    known: dict[RelPath, KnownRow] = {}
    for row in rows:
        path = RelPath(row[0])
        now_in = State(Status(row[2]), Substatus(row[3]))
        before = known.get(path)
        known[path] = KnownRow(
            id=row[1],
            state=now_in,
            version=FileVersion(path, row[4], row[5], row[6]),
            unproven=row[7],
            acknowledged=row[8],
            ever_stored=now_in in SAFE or (before is not None and before.ever_stored),
            tried=row[9],
            ask_first=row[10],
            dataset_name=row[11],
        )
    return known


def kin_rows(
    connection: Connection, host: str, kin: Sequence[Kin], rel_paths: Sequence[RelPath]
) -> dict[RelPath, KnownRow]:
    """Return the rows by which other watches have stored these files, are sending them, or may have.

    What one may have stored is waited for as long as it is watched: it asks the server.
    """
    found: dict[RelPath, KnownRow] = {}
    for other in kin:
        called = {theirs: mine for mine in rel_paths if (theirs := other.theirs(mine)) is not None}
        for theirs, row in known_rows(connection, host, other.watch, sorted(called)).items():
            may_be = row.tried and row.state in _ASKED_FOR and other.settles
            if may_be or row.state in SAFE or row.state in IN_HAND:
                mine = called[theirs]
                found[mine] = replace(row, version=replace(row.version, rel_path=mine))
    return found


def upload_of(row: RowMapping, *, has_namesake: bool = True) -> Upload:
    """Return a row as a worker gets it; `has_namesake` is what is said where nobody looked."""
    now_in = state_of(row)
    return Upload(
        id=row["id"],
        watch=row["watch"],
        rel_path=RelPath(row["rel_path"]),
        size=row["size"],
        mtime_ns=row["mtime_ns"],
        inode=row["inode"],
        state=now_in,
        attempts=row["attempts"],
        ask_first=row["ask_first"],
        # A row that was claimed straight into `uploading` had no doubt before.
        may_be_stored=row["may_be_stored"] and now_in != state.UPLOADING,
        body_complete=row["body_complete"],
        dataset_name=row["dataset_name"],
        dataset_uuid=row["dataset_uuid"],
        sha256=Sha256(row["sha256"]) if row["sha256"] else None,
        created_at=row["created_at"],
        claim=row["claim"],
        asked_complete=row["asked_complete"],
        forced=row["forced"],
        header=row["header"],
        remote_id=row["remote_id"],
        tags_pending=row["tags_pending"],
        has_namesake=has_namesake,
    )


def born(host: str, watch: str, root: bytes, version: FileVersion) -> dict[str, Any]:
    """Return the columns of a new row."""
    return {
        "host": host,
        "watch": watch,
        "root": root,
        "rel_path": version.rel_path,
        "path_text": printable(version.rel_path),
        "name": name_of(version.rel_path),
        **version_columns(version),
    }


def version_columns(version: FileVersion) -> dict[str, int]:
    """Return the columns that say which version a row is."""
    return {"size": version.size, "mtime_ns": version.mtime_ns, "inode": version.inode}


def name_of(rel_path: bytes) -> str:
    """Return a path's last component in words: what the server will call the file."""
    return printable(rel_path.rsplit(b"/", 1)[-1])


def absolute_text(row: RowMapping) -> str:
    """Return the absolute path of a row's file, in words."""
    return printable(row["root"].rstrip(b"/") + b"/" + row["rel_path"])
