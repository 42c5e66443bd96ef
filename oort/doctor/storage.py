"""The queue's database, its copies, and the disk that they are on."""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING, Final

from oort.doctor import remedies
from oort.doctor.findings import Answer, Answers, ok, problem, warning
from oort.errors import QueueError
from oort.policy.health import LEAST_DISK_BYTES
from oort.queue.care import has_copies
from oort.queue.database import HEAD
from oort.queue.examining import (
    HUGE_LOG_BYTES,
    OLDEST_COPY,
    FileLook,
    log_bytes,
    look_into,
    newest_good_copy,
)
from oort.queue.opening import readers_of

if TYPE_CHECKING:
    from pathlib import Path

    from oort.doctor.case import Case

CHECK_S: Final = 5.0
"""SQLite checks about a million rows in a second; a longer check is the daemon's, at its start."""

LITTLE_DISK_BYTES: Final = 1024**3
_MB: Final = 1024**2


def database(case: Case) -> Answers:
    """Is the queue there, of this version's schema, sound, and where SQLite can lock?"""
    file = case.database.file
    if file is None:
        yield from _server_database(case)
        return
    if case.on_network(file.parent):
        yield problem(
            f"the queue's folder {file.parent} is on a network file system, where SQLite cannot "
            "lock: keep it on a disk of this machine",
            "oort config set database sqlite:////var/lib/oort/oort.db",
        )
        return
    if not file.exists():
        yield _no_database(case, file)
    elif not file.is_file():
        yield problem(f"the queue {file} is a folder", _set_aside(case, file))
    else:
        yield from _file_database(case, file)


def _no_database(case: Case, file: Path) -> Answer:
    if has_copies(case.locations.backups_folder):
        return problem(
            f"the queue {file} is gone; a start goes on from the newest copy",
            remedies.restart(case),
        )
    return warning("there is no queue yet: the daemon has never run here", remedies.restart(case))


def _set_aside(case: Case, file: Path) -> str:
    moved = remedies.quoted(file.with_name(f"{file.name}.aside"))
    return f"mv {remedies.quoted(file)} {moved} && {remedies.restart(case)}"


def _file_database(case: Case, file: Path) -> Answers:
    look = look_into(file, patience_s=CHECK_S)
    if look.is_damaged:
        # A start sets it aside only where it has a reason to look: this is one for any size.
        mark = remedies.quoted(file.with_name(f"{file.name}.suspect"))
        yield problem(
            f"the queue {file} is damaged ({look.trouble}); a start sets it aside, and goes on "
            "from the newest good copy",
            f"touch {mark} && {remedies.restart(case)}",
        )
    elif look.is_newer:
        yield problem(
            f"the queue has schema {look.schema}, which is newer than this version of oort ({HEAD})",
            "pip install --upgrade arcsecond",
        )
    elif look.is_older:
        yield problem(
            f"the queue has schema {look.schema}, this version of oort needs {HEAD}; a start brings "
            "it up to date",
            remedies.restart(case),
        )
    elif look.trouble is not None:
        yield problem(f"the queue {file} {look.trouble}", _remedy_of_no_queue(case, file, look))
    else:
        yield from _log_of(case, file)
        size = f"{file.stat().st_size / _MB:,.1f} MB"
        checked = "sound" if look.is_sound else "too large to be checked through here"
        yield ok(
            f"{file}: {size}, schema {look.schema}, {checked} (SQLite {sqlite3.sqlite_version})"
        )


def _remedy_of_no_queue(case: Case, file: Path, look: FileLook) -> str:
    is_foreign = look.trouble is not None and look.trouble.startswith("is no queue")
    return _set_aside(case, file) if is_foreign else remedies.restart(case)


def _log_of(case: Case, file: Path) -> Answers:
    grown = log_bytes(file)
    if grown > HUGE_LOG_BYTES:
        yield warning(
            f"the log of the queue has grown to {grown / _MB:,.0f} MB: some program keeps the "
            "queue open and reads in it, or nothing has written it into the file",
            remedies.restart(case),
        )


def _server_database(case: Case) -> Answers:
    try:
        with readers_of(case.database) as engine:
            if engine is None:
                yield warning("there is no queue yet on the database server", "oort start")
            else:
                yield ok(f"the queue on the database server has schema {HEAD}")
    except QueueError as error:
        remedy = remedies.told_in(error.hint) if "schema" in error.message else None
        yield problem(
            error.message, remedy or "oort config set database postgresql+psycopg://USER@HOST/NAME"
        )


def backups(case: Case) -> Answers:
    """Is there a good copy of the queue that is not older than two days?"""
    file = case.database.file
    if file is None:
        yield ok("the queue is on a database server, whose copies are somebody else's to make")
        return
    folder, now = case.locations.backups_folder, case.clock.now()
    found = newest_good_copy(folder, now, patience_s=CHECK_S)
    if found is not None:
        copy, age = found
        if age <= OLDEST_COPY:
            yield ok(f"the newest good copy of the queue is {copy.name}")
        else:
            yield warning(
                f"the newest good copy of the queue, {copy.name}, is {age.days} days old; the daemon "
                "makes one when it starts, and every day",
                remedies.restart(case),
            )
        return
    first_at = look_into(file, patience_s=0.0).first_row_at if file.is_file() else None
    if has_copies(folder):
        yield warning(f"no copy of the queue in {folder} is good", remedies.restart(case))
    elif first_at is not None and now - first_at > OLDEST_COPY:
        yield warning(
            f"there is no copy of the queue in {folder}; the daemon makes one when it starts",
            remedies.restart(case),
        )
    else:
        yield ok("the queue is too young to have a copy yet")


def disk(case: Case) -> Answers:
    """Is there space for the queue and for the log?"""
    seen = set[int]()
    places = [case.locations.state_folder, case.locations.logs_folder]
    if case.database.file is not None:
        places.append(case.database.file.parent)
    for place in places:
        there = _nearest(place)
        device = there.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(there).free
        words = f"{free / _MB:,.0f} MB are free on the disk of {place}"
        find_out = f"du -xh -d 2 {remedies.quoted(remedies.mount_of(there))} | sort -h | tail -n 20"
        if free < LEAST_DISK_BYTES:
            yield problem(f"{words}; with less than 50 nothing is sent", find_out)
        elif free < LITTLE_DISK_BYTES:
            yield warning(words, find_out)
        else:
            yield ok(words)


def _nearest(place: Path) -> Path:
    """Return the place, or what of the way to it is there."""
    return next(one for one in (place, *place.parents) if one.exists())
