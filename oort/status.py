"""Is last night's data safe? The documents behind `oort status`, `oort uploads`, `oort folders`.

Everything is read: from the queue by connections that cannot write, from the lock whether a daemon
runs, from the daemon's notes how its links and watches are. The shapes are contract.md §3; the JSON
output is these documents as they are.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from oort.detect.bounds import Bounds
from oort.errors import OortError
from oort.lock import daemon_of
from oort.policy import state
from oort.policy.paths import Judgement, Rules, Verdict
from oort.policy.state import Status, Substatus
from oort.policy.version import RelPath
from oort.queue import reads
from oort.queue.database import Database, opening
from oort.queue.moves import state_of
from oort.queue.opening import queue_host, readers_of
from oort.queue.reads import Counts
from oort.values import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, RowMapping

    from oort.locations import Locations
    from oort.lock import Holder
    from oort.settings import Settings
    from oort.values import Watch

_WORST_FIRST: Final = ("unauthorised", "offline", "online")
_LEFT_OUT: Final = {"hidden": 0, "empty": 0, "excluded": 0, "outside": 0}
_SUBSTATUS_OF: Final = {
    Verdict.HIDDEN: Substatus.HIDDEN,
    Verdict.EMPTY: Substatus.EMPTY,
    Verdict.EXCLUDED: Substatus.IGNORED,
    Verdict.OUTSIDE: Substatus.IGNORED,
}


def iso(moment: datetime | None) -> str | None:
    """Return a moment as the JSON output has it: `2026-11-23T05:41:07.123Z`."""
    if moment is None:
        return None
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds") + "Z"


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
        return [told.get(api, _unknown_link(api)) for api in apis]

    def held_reason(self, watch_name: str) -> str | None:
        """Return why rows of a watch wait for a person or the link; None where they flow."""
        watch = self.settings.watch(watch_name)
        if watch is None:
            return "its watch is gone from config.toml"
        if not watch.enabled:
            return "its watch is disabled"
        if self.paused:
            return "paused; `oort resume` goes on"
        now_in, reason = self.watch_state(watch)
        if now_in in ("held", "missing"):
            return reason or now_in
        for link in self.links():
            if link["api"] == watch.api and link["state"] != "online":
                return str(link["reason"] or link["state"])
        return None

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
            if not watch.path.is_dir():
                return "missing", f"{printable(os.fsencode(watch.path))} is not there"
            if now_in in ("missing", "scanning"):
                now_in, told = "", {}
        return now_in or ("polling" if watch.polling else "watching"), told.get("reason")


def _unknown_link(api: str) -> dict[str, Any]:
    return {"api": api, "state": "online", "since": None, "reason": None, "next_attempt_at": None}


def overview(locations: Locations, settings: Settings) -> dict[str, Any]:
    """Return the queue at a glance (contract.md, `oort status --json`)."""
    with _asking(locations, settings) as (connection, view):
        document = _overview(connection, view)
        watches_told = [_watch(view, watch) for watch in settings.watches]
        document["watches"] = watches_told
        return document


def watches(locations: Locations, settings: Settings) -> list[dict[str, Any]]:
    """Return the watches with their state and counts (contract.md, `oort folders --json`)."""
    with _asking(locations, settings) as (_, view):
        return [_watch(view, watch) for watch in settings.watches]


def uploads(
    locations: Locations,
    settings: Settings,
    *,
    status: str | None = None,
    watch: str | None = None,
    night: str | None = None,
    since: datetime | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Return rows without their history, newest change first; a `limit` of 0 returns all."""
    with _asking(locations, settings) as (connection, view):
        if connection is None:
            return []
        rows = reads.uploads(
            connection,
            view.host,
            status=status,
            watch=watch,
            night=night,
            since=since,
            limit=limit,
        )
        return [_row(view, row) for row in rows]


def of_path(
    locations: Locations, settings: Settings, path: str | os.PathLike[str]
) -> dict[str, Any]:
    """Return what is known of one file (with its history) or the counts of one folder.

    Raises `OortError` for a path that no watch covers and that has no row, that does not exist, or
    that is not seen yet; the message says which.
    """
    with _asking(locations, settings) as (connection, view):
        places = _places(connection, view, path)
        for place in places:
            document = _known_file(connection, view, place)
            if document is not None:
                return document
        return _unknown_path(connection, view, places, path)


@dataclass(frozen=True, slots=True)
class _Place:
    """A path as seen from one watched folder."""

    watch: str
    root: bytes
    rel_path: RelPath

    @property
    def absolute(self) -> bytes:
        return self.root.rstrip(b"/") + (b"/" + self.rel_path if self.rel_path else b"")


@contextmanager
def _asking(locations: Locations, settings: Settings) -> Iterator[tuple[Connection | None, View]]:
    """Open the queue for one look; the connection is None where there is no queue yet."""
    database = Database.at(settings.database_url(locations))
    host = queue_host(database, settings.host)
    with ExitStack() as stack:
        connection: Connection | None = None
        notes: dict[str, Any] = {}
        counts: dict[str, Counts] = {}
        engine = stack.enter_context(readers_of(database))
        if engine is not None:
            with opening(database):
                connection = stack.enter_context(engine.connect())
                notes = reads.notes(connection, host)
                counts = reads.counts(connection, host)
        holder = daemon_of(locations.lock_file)
        daemon = _daemon(settings, holder, notes)
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


def _daemon(settings: Settings, holder: Holder | None, notes: dict[str, Any]) -> dict[str, Any]:
    """Return how the daemon of this machine is: the lock says whether it runs."""
    told = notes.get("daemon", {})
    return {
        "running": holder is not None,
        "pid": holder.pid if holder else None,
        "host": settings.host,
        "started_at": holder.started_at if holder else None,
        "version": holder.version if holder else None,
        "paused": bool(notes.get("paused")),
        "warnings": list(told.get("warnings", [])) if holder else [],
    }


def _overview(connection: Connection | None, view: View) -> dict[str, Any]:
    total = Counts()
    for one in view.counts.values():
        total.include(one)
    rate = float(view.notes.get("rate", 0.0) or 0.0) if view.running else 0.0
    links = view.links()
    document: dict[str, Any] = {
        "daemon": view.daemon,
        "link": _worst(links),
        "queue": {
            "total": total.by_status.total(),
            "by_status": {one.value: total.by_status[one.value] for one in Status},
            "pending_files": total.pending_files,
            "pending_bytes": total.pending_bytes,
            "oldest_pending_at": None,
            "unproven": total.unproven,
            "safe": total.by_status[Status.OK.value] + total.already_synced,
            "gone": total.gone,
            "changed": total.changed,
            "rate_bytes_per_s": rate,
            "eta_s": round(total.pending_bytes / rate, 1) if rate > 0 else None,
        },
        "watches": [],
        "active": [],
        "attention": [],
    }
    if len(links) > 1:
        document["links"] = links
    if connection is None:
        return document
    document["queue"]["oldest_pending_at"] = iso(reads.oldest_pending_at(connection, view.host))
    document["active"] = _active(connection, view)
    document["attention"] = [
        {
            "id": row["id"],
            "path": _path(row),
            "status": row["status"],
            "substatus": row["substatus"],
            "error": row["error"],
            "attempts": row["attempts"],
            "next_attempt_at": iso(row["next_attempt_at"]),
        }
        for row in reads.attention(connection, view.host)
    ]
    return document


def _worst(links: Sequence[dict[str, Any]]) -> dict[str, Any]:
    worst = min(
        links, key=lambda link: _WORST_FIRST.index(link["state"]), default=_unknown_link("cloud")
    )
    return {key: worst[key] for key in ("state", "since", "reason", "next_attempt_at")}


def _active(connection: Connection, view: View) -> list[dict[str, Any]]:
    """Return the uploads in hand; without a daemon nothing is."""
    if not view.running:
        return []
    sent = view.notes.get("active", {})
    return [
        {
            "id": row["id"],
            "path": _path(row),
            "size": row["size"],
            "bytes_sent": min(int(sent.get(str(row["id"]), 0)), row["size"]),
            "started_at": iso(row["started_at"]),
        }
        for row in reads.in_hand(connection, view.host)
    ]


def _watch(view: View, watch: Watch) -> dict[str, Any]:
    told = view.told(watch.name)
    counted = view.counts.get(watch.name, Counts()).by_status
    now_in, reason = view.watch_state(watch)
    return {
        "name": watch.name,
        "path": printable(os.fsencode(watch.path)),
        "state": now_in,
        "reason": reason,
        "dataset": watch.dataset,
        "telescope": watch.telescope,
        "portal": watch.portal,
        "by_status": {one.value: counted[one.value] for one in Status},
        "left_out": _LEFT_OUT | told.get("left_out", {}),
        "last_scan_at": told.get("last_scan_at"),
        "missed_events": told.get("missed_events", 0),
    }


def _row(view: View, row: RowMapping) -> dict[str, Any]:
    """Return a row as the JSON output has it; `held` is computed here and nowhere written."""
    substatus, error = row["substatus"], row["error"]
    if state_of(row) in (state.PENDING, state.WAITING):
        reason = view.held_reason(row["watch"])
        if reason is not None:
            substatus, error = Substatus.HELD.value, reason
    return {
        "id": row["id"],
        "watch": row["watch"],
        "path": _path(row),
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
        "next_attempt_at": iso(row["next_attempt_at"]),
        "unproven": bool(row["unproven"]),
    }


def _path(row: RowMapping) -> str:
    return printable(row["root"].rstrip(b"/") + b"/" + row["rel_path"])


def _places(
    connection: Connection | None, view: View, path: str | os.PathLike[str]
) -> list[_Place]:
    """Return how watched folders see a path: as given first, then with links resolved; innermost first."""
    roots = [(watch.name, os.fsencode(watch.path)) for watch in view.settings.watches]
    if connection is not None:
        roots += [one for one in reads.roots(connection, view.host) if one not in roots]
    places: list[_Place] = []
    roots += [(name, os.fsencode(os.path.realpath(root))) for name, root in roots]
    for given in (os.path.abspath(path), os.path.realpath(path)):  # noqa: PTH100  # bytes that are no UTF-8 must survive
        raw = os.fsencode(given)
        for name, folder in sorted(roots, key=lambda one: -len(one[1])):
            root = folder.rstrip(b"/")
            if raw == root or raw.startswith(root + b"/"):
                place = _Place(name, folder, RelPath(raw[len(root) + 1 :]))
                if place not in places:
                    places.append(place)
    return places


def _known_file(connection: Connection | None, view: View, place: _Place) -> dict[str, Any] | None:
    """Return the newest row of a path with its history, or its folder's counts."""
    if os.path.isdir(place.absolute):  # noqa: PTH112  # bytes
        return _folder(connection, view, place)
    if connection is None or not place.rel_path:
        return None
    row = reads.newest(connection, view.host, place.watch, place.rel_path)
    if row is None:
        return None
    steps = [
        {
            "at": iso(step["at"]),
            "status": step["status"],
            "substatus": step["substatus"],
            "cause": step["cause"],
        }
        for step in reads.history(connection, row["id"])
    ]
    return _row(view, row) | {"history": steps}


def _folder(connection: Connection | None, view: View, place: _Place) -> dict[str, Any]:
    found = Counts()
    if connection is not None:
        found = reads.counts_below(connection, view.host, place.watch, place.rel_path)
    return {
        "path": printable(place.absolute),
        "watch": place.watch,
        "by_status": {one.value: found.by_status[one.value] for one in Status},
        "pending_files": found.pending_files,
        "pending_bytes": found.pending_bytes,
    }


def _unknown_path(
    connection: Connection | None,
    view: View,
    places: Sequence[_Place],
    path: str | os.PathLike[str],
) -> dict[str, Any]:
    """Say why a path has no row: left out by a rule (no error), gone, not covered, not seen yet."""
    words = printable(os.fsencode(path))
    for place in places:
        watch = view.settings.watch(place.watch)
        if watch is not None and place.rel_path:
            left_out = _left_out(view, watch, place)
            if left_out is not None:
                return left_out
    if connection is not None:
        for place in places:
            if place.rel_path and reads.matching(
                connection, view.host, place.watch, place.rel_path
            ):
                return _folder(connection, view, place)
    if not os.path.lexists(path):
        raise OortError(f"{words} does not exist, and is not in the queue")
    covering = [place for place in places if view.settings.watch(place.watch) is not None]
    if not covering:
        raise OortError(
            f"no watch covers {words}", hint="`oort folders` lists them, `oort watch` adds one"
        )
    raise OortError(f"{words} is not seen yet; {_next_scan(view, covering[0].watch)}")


def _next_scan(view: View, watch: str) -> str:
    if not view.running:
        return "the daemon is not running: `oort start`"
    told = view.told(watch)
    last = told.get("last_scan_at")
    if last is None:
        return "its watch is being scanned"
    settings = view.settings
    every_s = settings.poll_s if told.get("state") == "polling" else settings.rescan_s
    next_at = datetime.fromisoformat(last) + timedelta(seconds=every_s)
    return f"the next scan is at {iso(next_at)}"


def _left_out(view: View, watch: Watch, place: _Place) -> dict[str, Any] | None:
    """Return the answer for a file that the rules leave out, None for one that they keep."""
    from oort.remote import config_file  # brings the HTTP library along: only where it is needed

    others = [os.fsencode(os.path.realpath(one.path)) for one in view.settings.watches]
    bounds = Bounds(
        watch.path,
        Rules(watch.include, watch.exclude),
        follow_symlinks=watch.follow_symlinks,
        never=view.locations.own_places(view.database_file, config_file()),
        inner=frozenset(others),
    )
    try:
        found = bounds.look_at(place.rel_path)
        size = os.stat(place.absolute).st_size  # noqa: PTH116  # bytes
    except OSError:
        return None
    if not isinstance(found, Judgement):
        return None
    return {
        "id": None,
        "watch": watch.name,
        "path": printable(place.absolute),
        "size": size,
        "status": Status.SKIPPED.value,
        "substatus": _SUBSTATUS_OF[found.verdict].value,
        "attempts": 0,
        "error": found.rule,
        "dataset": None,
        "remote_id": None,
        "sha256": None,
        "created_at": None,
        "started_at": None,
        "ended_at": None,
        "next_attempt_at": None,
        "unproven": False,
        "history": [],
    }
