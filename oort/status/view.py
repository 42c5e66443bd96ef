"""One look at queue and lock, and a row as the JSON output has it."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oort.detect.mounts import ask_disk
from oort.lock import daemon_of
from oort.policy import state
from oort.policy.state import Substatus
from oort.queue import reads
from oort.queue.database import Database, opening
from oort.queue.moves import state_of
from oort.queue.opening import queue_host, readers_of, require_no_copy
from oort.queue.space import StateDisk
from oort.values import iso, printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, RowMapping

    from oort.locations import Locations
    from oort.lock import Holder
    from oort.queue.reads import Counts
    from oort.settings import Settings
    from oort.values import Watch


@dataclass(frozen=True, slots=True)
class View:
    """What one look at queue and lock shows; `notes` are the daemon's own words."""

    settings: Settings
    host: str
    running: bool
    daemon: dict[str, Any]
    notes: dict[str, Any]
    counts: dict[str, Counts]
    locations: Locations
    database_file: Path | None

    @property
    def paused(self) -> bool:
        """Whether `oort pause` is in force."""
        return bool(self.notes.get("paused"))

    def links(self) -> list[dict[str, Any]]:
        """Return the links of the watches, as the daemon told last."""
        told = {link["api"]: link for link in self.notes.get("links", [])}
        apis = sorted({watch.api for watch in self.settings.watches if watch.enabled} | set(told))
        return [told.get(api, unknown_link(api)) for api in apis]

    def held(self, watch_name: str) -> tuple[str, str | None] | None:
        """Return why rows of a watch wait for a person or the link, and when that is tried next.

        None where they flow. What the link was when a daemon ended says nothing of now.
        """
        watch = self.settings.watch(watch_name)
        if watch is None:
            return "its watch is gone from config.toml", None
        if not watch.enabled:
            return "its watch is disabled", None
        if self.paused:
            return "paused; `oort resume` goes on", None
        now_in, reason = self.watch_state(watch)
        if now_in in ("held", "missing"):
            return reason or now_in, None
        for link in self.links() if self.running else ():
            if link["api"] == watch.api and link["state"] != "online":
                return str(link["reason"] or link["state"]), link["next_attempt_at"]
        return None

    def watches_with_losses(self) -> list[str]:
        """Return the watches that have files gone or changed which nobody has acknowledged."""
        return sorted(name for name, one in self.counts.items() if one.gone or one.changed)

    def told(self, watch_name: str) -> dict[str, Any]:
        """Return what the daemon told last of a watch."""
        told: dict[str, Any] = self.notes.get("watches", {}).get(watch_name, {})
        return told

    def watch_state(self, watch: Watch) -> tuple[str, str | None]:
        """Return the state of a watch and the reason; without a daemon, as far as a look tells."""
        if not watch.enabled:
            return "disabled", None
        told = self.told(watch.name)
        now_in = str(told.get("state", ""))
        if not self.running:
            is_there = ask_disk(watch.path.is_dir)
            if not is_there:
                words = "does not answer" if is_there is None else "is not there"
                return "missing", f"{printable(os.fsencode(watch.path))} {words}"
            if now_in in ("missing", "scanning"):
                now_in, told = "", {}
        return now_in or ("polling" if watch.polling else "watching"), told.get("reason")


def unknown_link(api: str) -> dict[str, Any]:
    """Return a link of which nobody has told anything yet."""
    return {"api": api, "state": "online", "since": None, "reason": None, "next_attempt_at": None}


@contextmanager
def asking(
    locations: Locations, settings: Settings, *, counted: bool = True
) -> Iterator[tuple[Connection | None, View]]:
    """Open the queue for one look; the connection is None where there is no queue yet.

    Who needs no counts asks for none: they are a walk over an entry for each row.
    """
    database = Database.at(settings.database_url(locations))
    host = queue_host(database, settings.host)
    require_no_copy(database, locations.backups_folder)
    with ExitStack() as stack:
        connection: Connection | None = None
        notes: dict[str, Any] = {}
        counts: dict[str, Counts] = {}
        engine = stack.enter_context(readers_of(database))
        if engine is not None:
            with opening(database):
                connection = stack.enter_context(engine.connect())
                notes = reads.notes(connection, host)
                counts = reads.counts(connection, host) if counted else {}
        holder = daemon_of(locations.lock_file)
        daemon = _daemon(settings, holder, notes, StateDisk(locations.state_folder))
        yield (
            connection,
            View(
                settings,
                host,
                holder is not None,
                daemon,
                notes,
                counts,
                locations,
                database.file,
            ),
        )


def _daemon(
    settings: Settings, holder: Holder | None, notes: dict[str, Any], disk: StateDisk
) -> dict[str, Any]:
    """Return how the daemon of this machine is: the lock says whether it runs."""
    told = notes.get("daemon", {})
    return {
        "running": holder is not None,
        "pid": holder.pid if holder else None,
        "host": settings.host,
        "started_at": holder.started_at if holder else None,
        "version": holder.version if holder else None,
        "paused": bool(notes.get("paused")),
        "warnings": sorted(_warnings(told, disk, holder)) if holder else [],
    }


def _warnings(told: dict[str, Any], disk: StateDisk, holder: Holder) -> set[str]:
    """Return the daemon's warnings, those of a disk that takes none included.

    That it is full or read-only is found here; that it fails, the daemon says in the file of its lock.
    """
    disk.look()
    beside = (disk.warning, holder.trouble)
    return {*told.get("warnings", []), *(one for one in beside if one)}


def row_document(view: View, row: RowMapping) -> dict[str, Any]:
    """Return a row as the JSON output has it; `held` is computed here and nowhere written."""
    substatus, error, next_at = row["substatus"], row["error"], iso(row["next_attempt_at"])
    if state_of(row) in (state.PENDING, state.WAITING):
        held = view.held(row["watch"])
        if held is not None:
            substatus, (error, tried_at) = Substatus.HELD.value, held
            next_at = max(next_at or "", tried_at or "") or None  # ISO 8601 in UTC: text sorts
    return {
        "id": row["id"],
        "watch": row["watch"],
        "path": path_of(row),
        "size": row["size"],
        "status": row["status"],
        "substatus": substatus,
        "attempts": row["attempts"],
        "error": error,
        "dataset": row["dataset_name"],
        "remote_id": row["remote_id"],
        "sha256": row["sha256"],
        "created_at": iso(row["created_at"]),
        "started_at": iso(row["started_at"]),
        "ended_at": iso(row["ended_at"]),
        "next_attempt_at": next_at,
        "unproven": bool(row["unproven"]),
    }


def path_of(row: RowMapping) -> str:
    """Return the absolute path of a row's file, in words."""
    return printable(row["root"].rstrip(b"/") + b"/" + row["rel_path"])
