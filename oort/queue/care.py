"""Care of an SQLite queue: found damaged it is set aside and the newest good copy is used.

Nothing is ever thrown away: a damaged file is renamed with its -wal and -shm. What a copy does not
know is in doubt afterwards: asked for, not sent again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select, update

from oort.policy.state import Status
from oort.queue.database import copy, is_sound
from oort.queue.models import ATTEMPTS, TRANSITIONS, UPLOADS, WATCHES

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

COPIES_KEPT: Final = 3
COPY_EVERY_S: Final = 86_400.0
_BESIDE: Final = ("-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found, and done, before the queue was opened."""

    warning: str | None = None
    restored: bool = False
    """The queue is a copy: what it does not know is to be asked for."""


def inspect(file: Path, backups: Path, now: datetime) -> Inspection:
    """Check a queue that was not closed in order; set it aside and restore where it is damaged.

    The caller holds the lock and nothing has the file open. A file with an empty WAL was closed in
    order and is not read through (the check takes about a second a million rows).
    """
    if not file.exists() or not _was_left_open(file) or is_sound(file):
        return Inspection()
    aside = file.with_name(f"{file.name}.damaged-{now:%Y%m%dT%H%M%SZ}")
    for suffix in ("", *_BESIDE):
        part = file.with_name(file.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    words = f"the queue was damaged and is set aside as {aside.name}"
    for candidate in copies(backups):
        if is_sound(candidate):
            copy(candidate, file)
            return Inspection(f"{words}; the copy {candidate.name} is used", restored=True)
    return Inspection(f"{words}; there was no copy, the folders are scanned anew")


def _was_left_open(file: Path) -> bool:
    """Tell whether somebody had the queue open and ended without a word, or it is no queue at all."""
    wal = file.with_name(file.name + "-wal")
    if wal.exists():
        return True
    with file.open("rb") as start:
        head = start.read(16)
    return head not in (b"", b"SQLite format 3\x00")


def copies(backups: Path) -> list[Path]:
    """Return the nightly copies, newest first."""
    found = sorted(backups.glob("oort-*.db"), reverse=True) if backups.is_dir() else []
    return [path for path in found if path.is_file()]


def copy_is_due(backups: Path, now: datetime) -> bool:
    """Tell whether the newest copy is a day old, or there is none."""
    newest = next(iter(copies(backups)), None)
    if newest is None:
        return True
    age_s = now.timestamp() - newest.stat().st_mtime
    return not 0 <= age_s < COPY_EVERY_S


def make_copy(file: Path, backups: Path, now: datetime) -> Path:
    """Write tonight's copy and remove those beyond the newest three; return it."""
    target = backups / f"oort-{now:%Y%m%dT%H%M%SZ}.db"
    copy(file, target)
    for old in copies(backups)[COPIES_KEPT:]:
        old.unlink(missing_ok=True)
    return target


def doubt_everything(connection: Connection) -> None:
    """After a restore: every file on its way, and every file that a scan finds, is asked for."""
    connection.execute(update(WATCHES).values(scanned=False))
    open_words = [Status.NEW.value, Status.PREPARING.value, Status.UPLOADING.value]
    connection.execute(
        update(UPLOADS).where(UPLOADS.c.status.in_(open_words)).values(ask_first=True)
    )


def prune(connection: Connection, before: datetime) -> int:
    """Remove the history of rows that ended before a moment; the rows themselves stay."""
    final = [one.value for one in (Status.OK, Status.SKIPPED, Status.ERROR)]
    old = select(UPLOADS.c.id).where(UPLOADS.c.status.in_(final), UPLOADS.c.ended_at < before)
    pruned = connection.execute(
        delete(TRANSITIONS).where(TRANSITIONS.c.upload_id.in_(old), TRANSITIONS.c.at < before)
    ).rowcount
    connection.execute(
        delete(ATTEMPTS).where(ATTEMPTS.c.upload_id.in_(old), ATTEMPTS.c.ended_at < before)
    )
    return int(pruned)
