"""The queue at a glance, the watches, and the list of uploads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from oort.policy.state import Status
from oort.queue import reads
from oort.queue.reads import Counts
from oort.status.view import View, asking, path_of, row_document, unknown_link
from oort.values import iso, printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from oort.locations import Locations
    from oort.settings import Settings
    from oort.values import Watch

_WORST_FIRST: Final = ("unauthorised", "offline", "online")
_LEFT_OUT: Final = {"hidden": 0, "empty": 0, "excluded": 0, "outside": 0}


def overview(locations: Locations, settings: Settings) -> dict[str, Any]:
    """Return the queue at a glance (contract.md, `oort status --json`)."""
    with asking(locations, settings) as (connection, view):
        return glance(connection, view)


def glance(connection: Connection | None, view: View) -> dict[str, Any]:
    """Return the same of a queue that is open already."""
    document = _overview(connection, view)
    document["watches"] = [_watch(view, watch) for watch in view.settings.watches]
    return document


def watches(locations: Locations, settings: Settings) -> list[dict[str, Any]]:
    """Return the watches with their state and counts (contract.md, `oort folders --json`)."""
    with asking(locations, settings) as (_, view):
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
    with asking(locations, settings) as (connection, view):
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
        return [row_document(view, row) for row in rows]


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
            "path": path_of(row),
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
        links, key=lambda link: _WORST_FIRST.index(link["state"]), default=unknown_link("cloud")
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
            "path": path_of(row),
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
        "unreadable": told.get("unreadable", []),
    }
