"""Care of an SQLite queue: found damaged it is set aside and the newest good copy is used.

Nothing is ever thrown away: a damaged file is renamed with its -wal and -shm. What a copy does not
know is in doubt afterwards: asked for, not sent again.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select, update

from oort.errors import QueueError
from oort.policy.state import Status
from oort.queue.database import copy, is_full, is_sound, reason_of
from oort.queue.models import ATTEMPTS, DATASETS, TRANSITIONS, UPLOADS, WATCHES

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

COPIES_KEPT: Final = 3
COPY_EVERY_S: Final = 86_400.0
ALWAYS_CHECKED_BYTES: Final = 32 * 1024 * 1024
"""A smaller file is checked at every start: it takes a fifth of a second at most."""

PRUNED_AT_ONCE: Final = 5000
"""So many rows are looked at in one change, a small part of a second."""

_BESIDE: Final = ("-wal", "-shm")
_LOG_LOST: Final = (
    "the queue lost its log, and with it what was done last: the server is asked what it has"
)
_SQLITE: Final = b"SQLite format 3\x00"
_COPY_NAME: Final = "oort-%Y%m%dT%H%M%SZ.db"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found, and done, before the queue was opened."""

    warning: str | None = None
    knows_less: bool = False
    """The queue is a copy, or lost its log: what it does not know is to be asked for."""


def inspect(
    file: Path,
    backups: Path,
    now: datetime,
    *,
    was_killed: bool = False,
    always_below: int = ALWAYS_CHECKED_BYTES,
) -> Inspection:
    """Check a queue that may be damaged; set it aside and restore the newest good copy where it is.

    The caller holds the lock and nothing has the file open. A large file that was closed in order
    and that nobody found malformed is not read through (that takes about a second a million rows).
    One that was found malformed is looked at thoroughly: damage that no check finds would end
    every daemon that comes upon it.
    One that is gone while copies of it are there was deleted: a first start has none.

    What is found here is found again by the next start, should this one fail before it wrote the
    doubts down: `acquit` ends that.
    """
    if file.is_dir():
        raise QueueError(
            f"the queue {file} is a folder", hint="move it away: the newest copy is used then"
        )
    if not file.exists():
        return _restore_what_is_gone(file, backups, now)
    was_suspected = _suspicion(file).exists()
    found = _look_for_log(file) if was_killed else Inspection()
    thorough = was_suspected or found.knows_less
    is_suspect = thorough or _is_suspect(file, backups, always_below)
    if is_suspect and not is_sound(file, thorough=thorough):
        aside = _set_aside(file, now)
        return _restore(file, backups, now, f"the queue was damaged and is set aside as {aside}")
    if was_suspected:
        return Inspection(knows_less=True)
    if found.knows_less:
        with suppress(OSError):  # a disk that takes no mark takes no queue either: opening says so
            suspect(file)
    return found


def _restore_what_is_gone(file: Path, backups: Path, now: datetime) -> Inspection:
    is_left = any(file.with_name(file.name + suffix).exists() for suffix in _BESIDE)
    if not is_left and not copies(backups, now):
        return Inspection()
    words = "the queue was gone"
    if is_left:
        words = f"{words}, what was left of it is set aside as {_set_aside(file, now)}"
    return _restore(file, backups, now, words)


def _set_aside(file: Path, now: datetime) -> str:
    """Rename a queue with all that belongs to it; return its new name, which nothing had before."""
    stem = f"{file.name}.damaged-{now:%Y%m%dT%H%M%SZ}"
    names = (stem if not turn else f"{stem}-{turn}" for turn in count())
    aside = next(name for name in names if not list(file.parent.glob(f"{name}*")))
    for suffix in ("", *_BESIDE):
        part = file.with_name(file.name + suffix)
        if part.exists():
            part.rename(part.with_name(aside + suffix))
    return aside


def _restore(file: Path, backups: Path, now: datetime, words: str) -> Inspection:
    candidate = next((one for one in copies(backups, now) if _is_used(one, file)), None)
    if candidate is not None:
        words = f"{words}; the copy {candidate.name} is used"
    else:
        words = f"{words}; there was no copy, the folders are scanned anew"
        acquit(file)
    return Inspection(words, knows_less=candidate is not None)


def _look_for_log(file: Path) -> Inspection:
    """Tell what may be missing from a sound queue that was not closed, which SQLite takes as it is.

    Where its index is still there the log was deleted. Where neither is, some reader may have
    written the log into the file and tidied up, and one without a byte is most likely that of a
    start which was killed before it wrote; to ask once too often is the cheaper mistake.
    """
    log, index = (file.with_name(file.name + suffix) for suffix in _BESIDE)
    if not file.exists() or file.stat().st_size == 0 or (log.exists() and log.stat().st_size):
        return Inspection()
    was_deleted = index.exists() and not log.exists()
    return Inspection(_LOG_LOST if was_deleted else None, knows_less=True)


def _is_used(candidate: Path, file: Path) -> bool:
    """Put a copy in the queue's place; False where it is no good.

    Raises `QueueError` where the disk is at fault: an older copy would be no better.
    """
    try:
        if not is_sound(candidate):
            return False
    except QueueError:
        return False
    try:
        suspect(file)
        copy(candidate, file)
    except (sqlite3.Error, OSError) as error:
        if isinstance(error, sqlite3.Error) and not is_full(error):
            return False
        raise QueueError(
            f"the queue {file} cannot be restored from its copy {candidate.name}: "
            f"{reason_of(error)}",
            hint="its folder must be writable and have space",
        ) from error
    return True


def suspect(file: Path) -> None:
    """Have the next start check this queue, whatever it looks like, and doubt what it knows."""
    _suspicion(file).touch(mode=0o600)


def acquit(file: Path) -> None:
    """End the suspicion: the queue says by itself what is to be asked for."""
    _suspicion(file).unlink(missing_ok=True)


def _suspicion(file: Path) -> Path:
    return file.with_name(file.name + ".suspect")


def _is_suspect(file: Path, backups: Path, always_below: int) -> bool:
    """Tell whether a file is worth a check, or is no queue at all."""
    with file.open("rb") as start:
        head = start.read(len(_SQLITE))
    if not head:  # made, and not yet written; or emptied by a power cut
        return has_copies(backups)
    was_left_open = file.with_name(file.name + "-wal").exists()
    is_small = file.stat().st_size < always_below
    return is_small or was_left_open or head != _SQLITE or _suspicion(file).exists()


def copies(backups: Path, now: datetime) -> list[Path]:
    """Return the nightly copies, newest first.

    One from the future was made while the clock was wrong, and comes after all others.
    """
    latest = f"{now:{_COPY_NAME}}"
    found = [path for path in backups.glob("oort-*.db") if path.is_file()]
    return sorted(found, key=lambda path: (path.name <= latest, path.name), reverse=True)


def has_copies(backups: Path) -> bool:
    """Tell whether there was a queue here before."""
    return next(backups.glob("oort-*.db"), None) is not None


def copy_is_due(backups: Path, now: datetime) -> bool:
    """Tell whether the newest copy is a day old, or there is none."""
    newest = next(iter(copies(backups, now)), None)
    if newest is None:
        return True
    age_s = now.timestamp() - newest.stat().st_mtime
    return not 0 <= age_s < COPY_EVERY_S


def make_copy(file: Path, backups: Path, now: datetime) -> Path:
    """Write tonight's copy and remove those beyond the newest three; return it."""
    for half in backups.glob("*.part"):  # of a daemon that was killed meanwhile
        half.unlink(missing_ok=True)
    target = backups / f"{now:{_COPY_NAME}}"
    copy(file, target)
    for old in copies(backups, now)[COPIES_KEPT:]:
        old.unlink(missing_ok=True)
    return target


def doubt_everything(connection: Connection) -> None:
    """After a restore: every file not known to be stored, and every one that a scan finds, is asked for.

    A dataset that was ours alone when the copy was made may hold files that the copy knows not of.
    """
    connection.execute(update(WATCHES).values(scanned=False))
    connection.execute(update(DATASETS).values(fresh=False))
    ended = [Status.OK.value, Status.SKIPPED.value]
    connection.execute(update(UPLOADS).where(UPLOADS.c.status.not_in(ended)).values(ask_first=True))


def prune(
    connection: Connection, before: datetime, after_id: int = 0, *, most: int = PRUNED_AT_ONCE
) -> tuple[int, int | None]:
    """Remove the history of rows that ended before a moment; the rows themselves stay.

    Looks at `most` rows after `after_id`, because the writer has other things to do meanwhile, and
    what is removed is in its log until then. Returns how many steps were removed, and the id to go
    on after, None at the end.
    """
    ids = select(UPLOADS.c.id).where(UPLOADS.c.id > after_id).order_by(UPLOADS.c.id)
    last = connection.execute(ids.offset(most - 1).limit(1)).scalar()
    here = [UPLOADS.c.id > after_id] + ([UPLOADS.c.id <= last] if last is not None else [])
    final = [one.value for one in (Status.OK, Status.SKIPPED, Status.ERROR)]
    old = select(UPLOADS.c.id).where(
        *here, UPLOADS.c.status.in_(final), UPLOADS.c.ended_at < before
    )
    pruned = connection.execute(
        delete(TRANSITIONS).where(TRANSITIONS.c.upload_id.in_(old), TRANSITIONS.c.at < before)
    ).rowcount
    connection.execute(
        delete(ATTEMPTS).where(ATTEMPTS.c.upload_id.in_(old), ATTEMPTS.c.ended_at < before)
    )
    return int(pruned), last
