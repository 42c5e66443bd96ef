"""What people tell the queue to do: retry, skip, let a watch go. Run by the writer, whoever asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, TextClause, select

from oort.policy import state
from oort.policy.state import IN_HAND, SAFE, Status
from oort.queue import moves, reads
from oort.queue.models import IS_ERROR, UPLOADS
from oort.queue.moves import Move, state_of
from oort.queue.rows import absolute_text
from oort.values import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping

    from oort.policy.state import State


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


@dataclass(frozen=True, slots=True)
class _Named:
    """A row that an order names; one that it names by a folder may well need nothing."""

    row: RowMapping
    folder: bytes | None = None


def retry(
    connection: Connection, host: str, which: Which, now: datetime, *, force: bool = False
) -> Told:
    """Bring rows to the front of the queue; `force` sends what its format calls short."""

    def carry_out(row: RowMapping, told: Told) -> str | None:
        refusal = _refuse_retry(connection, row, force=force)
        if refusal is None:
            _retry(connection, row, told, now, force=force)
        return refusal

    return _each(connection, host, which, carry_out, none="needs no retry")


def _retry(
    connection: Connection, row: RowMapping, told: Told, now: datetime, *, force: bool
) -> None:
    before = state_of(row)
    settles = before in (state.TRUNCATED, state.SETTLING) and not force
    values: dict[str, Any] = {
        "priority": 1,
        "error": None,
        "forced": force,
        "acknowledged": False,
    }
    if row["status"] == Status.SKIPPED.value:
        values["ask_first"] = True
    after = state.SETTLING if settles else state.PENDING
    moves.move(connection, Move(row["id"], before, after, "retry asked for", values), now)
    if settles:
        told.look_again.append((row["watch"], row["rel_path"]))


def skip(connection: Connection, host: str, which: Which, now: datetime) -> Told:
    """Put rows aside as `ignored`, which acknowledges them."""

    def carry_out(row: RowMapping, _: Told) -> str | None:
        before = state_of(row)
        refusal = _refuse_skip(row, before)
        if refusal is None:
            values = {"acknowledged": True, "error": None}
            if before == state.IGNORED:
                moves.amend(connection, row["id"], _SKIPPED, now, values)
            else:
                step = Move(row["id"], before, state.IGNORED, _SKIPPED, values)
                moves.move(connection, step, now)
        return refusal

    return _each(connection, host, which, carry_out, none="has nothing to skip")


def _refuse_skip(row: RowMapping, before: State) -> str | None:
    """Return why a row cannot be put aside by a person, None where it can.

    One that is ignored because its watch was taken away can be: that is nobody's word yet.
    """
    if before in IN_HAND:
        return _BEING_SENT
    if before == state.IGNORED and not row["acknowledged"]:
        return None
    return _REFUSED_SKIPS.get(before)


def send_again(connection: Connection, host: str, ids: Sequence[int], now: datetime) -> Told:
    """Put stored rows back whose files the server has not got: it is asked before each is sent.

    A row that has moved on since it was compared stays as it is.
    """
    told = Told()
    for row in reads.of_ids(connection, host, ids):
        before = state_of(row)
        if before in SAFE:
            values = {"ask_first": True, "unproven": False, "error": None, "tags_pending": False}
            cause = "verify: the server has not got it"
            moves.move(connection, Move(row["id"], before, state.PENDING, cause, values), now)
            told.moved += 1
    return told


def let_go(connection: Connection, host: str, watch: str, now: datetime) -> Told:
    """Put the waiting rows of a removed watch aside; they settle again if a watch covers them."""
    here = (UPLOADS.c.host == host, UPLOADS.c.watch == watch)
    return Told(
        moved=sum(
            moves.move_all(
                connection, here, before, state.IGNORED, cause="its watch was removed", now=now
            )
            for before in (state.SETTLING, state.PENDING, state.WAITING)
        )
    )


def hand_over(
    connection: Connection, host: str, watch: str, *, way: bytes, to: str, now: datetime
) -> int:
    """Put the waiting rows of a folder aside that another watch has now; return how many.

    `way` leads from the watched folder to that one, `/` at its end. What is in hand or stored stays,
    and so does what may be stored: who sent it settles that. What waits for a person goes too: the
    other watch sends it by its own rules, which may be the remedy.
    """
    below = way[:-1] + b"0"  # the byte after the slash
    here = (
        UPLOADS.c.host == host,
        UPLOADS.c.watch == watch,
        UPLOADS.c.rel_path > way,
        UPLOADS.c.rel_path < below,
    )
    without_doubt = (*here, UPLOADS.c.may_be_stored.is_(False))
    cause = f'it belongs to the watch "{to}" now'
    return sum(
        moves.move_all(connection, rows, before, state.IGNORED, cause=cause, now=now)
        for before, rows in (
            (state.SETTLING, here),  # another version than the one that was tried
            (state.PENDING, without_doubt),
            (state.WAITING, without_doubt),
            (state.TRUNCATED, here),
            (state.NAME_CONFLICT, without_doubt),
            (state.FAILED, without_doubt),
        )
    )


_SKIPPED: Final = "skipped by hand"
_BEING_SENT: Final = "is being sent"
_REFUSED_SKIPS: Final = {
    state.DONE: "is stored already",
    state.ALREADY_SYNCED: "was at the server before us",
    state.IGNORED: "is ignored already",
}


def _refuse_retry(connection: Connection, row: RowMapping, *, force: bool) -> str | None:
    """Return why a row cannot be retried, None where it can."""
    now_in = state_of(row)
    if now_in == state.DONE:
        return "is stored and confirmed: there is nothing to retry"
    if now_in in IN_HAND:
        return _BEING_SENT
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


def _each(
    connection: Connection,
    host: str,
    which: Which,
    carry_out: Callable[[RowMapping, Told], str | None],
    *,
    none: str,
) -> Told:
    """Carry an order out for each row that it names; `carry_out` returns why it does not.

    In a folder, rows that need nothing are passed over; where that leaves none, `none` says so.
    """
    told = Told()
    touched: dict[bytes, int] = {}
    for named in _named(connection, host, which, told):
        refusal = carry_out(named.row, told)
        if named.folder is not None:
            touched.setdefault(named.folder, 0)
        if refusal is None:
            told.moved += 1
            if named.folder is not None:
                touched[named.folder] += 1
        elif named.folder is None:
            told.refused.append(f"{absolute_text(named.row)}: {refusal}")
    told.refused += [
        f"{printable(folder)}: {none}" for folder, moved in touched.items() if not moved
    ]
    return told


def _named(connection: Connection, host: str, which: Which, told: Told) -> list[_Named]:
    """Return the rows that an order names, each once; what names none is refused with a reason."""
    found: dict[int, _Named] = {}
    for path in which.paths:
        named = _at(connection, host, path)
        if not named:
            words = printable(path)
            told.refused.append(f"{words}: is not in the queue; `oort status PATH` tells more")
        found |= {one.row["id"]: one for one in named}
    here = UPLOADS.c.host == host
    for row_id in which.ids:
        rows = _rows(connection, here, UPLOADS.c.id == row_id)
        if not rows:
            told.refused.append(f"{row_id}: there is no such upload")
        found |= {row["id"]: _Named(row) for row in rows}
    if which.every_error:
        rows = _rows(connection, here, IS_ERROR)
        found |= {row["id"]: _Named(row) for row in rows}
    return list(found.values())


def _rows(connection: Connection, *here: ColumnElement[bool] | TextClause) -> Sequence[RowMapping]:
    # Asked for an order, SQLite walks over all rows in that order.
    rows = connection.execute(select(UPLOADS).where(*here)).mappings().all()
    return sorted(rows, key=lambda row: int(row["id"]))


def _at(connection: Connection, host: str, path: bytes) -> list[_Named]:
    """Return the rows at an absolute path, or below it.

    The innermost watched folder wins; of two watches of one folder, the one with the newer rows.
    """
    best: list[_Named] = []
    rank = (-1, 0)
    for watch, folder in reads.roots(connection, host):
        root = folder.rstrip(b"/")
        if path != root and not path.startswith(root + b"/"):
            continue
        rel_path = path[len(root) + 1 :]
        rows = reads.matching(connection, host, watch, rel_path)
        if rows and (len(root), rows[-1]["id"]) > rank:
            rank = (len(root), rows[-1]["id"])
            best = [_Named(row, None if row["rel_path"] == rel_path else path) for row in rows]
    return best
