"""What people tell the queue to do: retry, skip, let a watch go. Run by the writer, whoever asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from oort.policy import state
from oort.policy.state import IN_HAND, Status
from oort.queue import moves, reads
from oort.queue.models import UPLOADS
from oort.queue.moves import Move, state_of
from oort.queue.rows import absolute_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping


@dataclass(slots=True)
class Told:
    """What came of an order: how many rows moved, and which did not, with the reason."""

    moved: int = 0
    refused: list[str] = field(default_factory=list)
    look_again: list[tuple[str, bytes]] = field(default_factory=list)
    """(watch, path) of files that detection must look at."""


@dataclass(frozen=True, slots=True)
class Which:
    """The rows that an order names: by absolute path, by id, or all that are in Error."""

    paths: tuple[bytes, ...] = ()
    ids: tuple[int, ...] = ()
    every_error: bool = False


def retry(
    connection: Connection, host: str, which: Which, now: datetime, *, force: bool = False
) -> Told:
    """Bring rows to the front of the queue; `force` sends what its format calls short."""
    told = Told()
    for row in _rows(connection, host, which, told):
        refusal = _refuse_retry(connection, row, force=force)
        if refusal:
            told.refused.append(f"{absolute_text(row)}: {refusal}")
            continue
        before = state_of(row)
        settles = before in (state.TRUNCATED, state.SETTLING) and not force
        after = state.SETTLING if settles else state.PENDING
        values: dict[str, Any] = {
            "priority": 1,
            "error": None,
            "forced": force,
            "acknowledged": False,
            "next_attempt_at": None,
        }
        if row["status"] == Status.SKIPPED.value:
            values["ask_first"] = True
        moves.move(connection, Move(row["id"], before, after, "retry asked for", values), now)
        if settles:
            told.look_again.append((row["watch"], row["rel_path"]))
        told.moved += 1
    return told


def skip(connection: Connection, host: str, which: Which, now: datetime) -> Told:
    """Put rows aside as `ignored`, which acknowledges them."""
    told = Told()
    for row in _rows(connection, host, which, told):
        before = state_of(row)
        refusal = _REFUSED_SKIPS.get(before)
        if before in IN_HAND:
            refusal = "is being sent"
        if refusal:
            told.refused.append(f"{absolute_text(row)}: {refusal}")
            continue
        step = Move(row["id"], before, state.IGNORED, "skipped by hand", {"acknowledged": True})
        moves.move(connection, step, now)
        told.moved += 1
    return told


def let_go(connection: Connection, host: str, watch: str, now: datetime) -> Told:
    """Put the waiting rows of a removed watch aside; they settle again if a watch covers them."""
    told = Told()
    rows = connection.execute(
        select(UPLOADS).where(
            UPLOADS.c.host == host,
            UPLOADS.c.watch == watch,
            UPLOADS.c.status == Status.NEW.value,
        )
    ).mappings()
    for row in rows.all():
        step = Move(row["id"], state_of(row), state.IGNORED, "its watch was removed")
        moves.move(connection, step, now)
        told.moved += 1
    return told


_REFUSED_SKIPS: Final = {
    state.DONE: "is stored already",
    state.ALREADY_SYNCED: "was at the server before us",
    state.IGNORED: "is ignored already",
}


def _refuse_retry(connection: Connection, row: RowMapping, *, force: bool) -> str | None:
    """Return why a row cannot be retried, None where it can."""
    now_in = state_of(row)
    if now_in == state.DONE:
        return "is stored; `oort verify` compares it with the server"
    if now_in in IN_HAND:
        return "is being sent"
    if now_in == state.SETTLING and not force:
        return "still settles; `--force` sends it as it is"
    newer = connection.execute(
        select(UPLOADS.c.id).where(
            UPLOADS.c.host == row["host"],
            UPLOADS.c.watch == row["watch"],
            UPLOADS.c.rel_path == row["rel_path"],
            UPLOADS.c.id > row["id"],
        )
    ).first()
    return "a newer version of it is in the queue" if newer else None


def _rows(connection: Connection, host: str, which: Which, told: Told) -> Iterable[RowMapping]:
    """Return the rows that an order names, each once; what names none is refused with a reason."""
    found: dict[int, RowMapping] = {}
    for path in which.paths:
        rows = _at(connection, host, path)
        if not rows:
            words = path.decode("utf-8", "backslashreplace")
            told.refused.append(f"{words}: is not in the queue; `oort status PATH` tells more")
        found |= {row["id"]: row for row in rows}
    for row_id in which.ids:
        row = (
            connection.execute(
                select(UPLOADS).where(UPLOADS.c.id == row_id, UPLOADS.c.host == host)
            )
            .mappings()
            .first()
        )
        if row is None:
            told.refused.append(f"{row_id}: there is no such upload")
        else:
            found[row["id"]] = row
    if which.every_error:
        rows = (
            connection.execute(
                select(UPLOADS).where(
                    UPLOADS.c.host == host, UPLOADS.c.status == Status.ERROR.value
                )
            )
            .mappings()
            .all()
        )
        found |= {row["id"]: row for row in rows}
    return list(found.values())


def _at(connection: Connection, host: str, path: bytes) -> Sequence[RowMapping]:
    """Return the rows at an absolute path, or below it; the innermost watched folder wins."""
    best: Sequence[RowMapping] = ()
    depth = -1
    for watch, folder in reads.roots(connection, host):
        root = folder.rstrip(b"/")
        if path != root and not path.startswith(root + b"/"):
            continue
        rows = reads.matching(connection, host, watch, path[len(root) + 1 :])
        if rows and len(root) > depth:
            best, depth = rows, len(root)
    return best
