"""What the page of `oort monitor` shows, beyond the status: the night, what was lost, what was stored."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from oort.policy.night import night_of
from oort.queue import reads
from oort.status.overview import glance
from oort.status.view import View, asking, path_of
from oort.values import iso

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from oort.locations import Locations
    from oort.queue.reads import Counts
    from oort.settings import Settings

SHOWN: int = 100
"""So many files that are gone or changed are listed."""


def page(locations: Locations, settings: Settings, now: datetime) -> dict[str, Any]:
    """Return the status with all that the page shows beside it, from one look at the queue.

    `status` is contract.md's `oort status --json`; `links` every link, also where it is one; `night` is the newest night that has files, up to
    tonight; `lost` are rows gone or changed and not acknowledged; `finished` the files stored last;
    `totals` and `throughput` what the daemon noted of all that it ever sent (`oort.daemon.tally`).
    """
    with asking(locations, settings) as (connection, view):
        totals = view.notes.get("totals", {})
        return {
            "status": glance(connection, view),
            "links": view.links(),
            "night": _night(connection, view, now),
            "lost": _lost(connection, view),
            "finished": _finished(connection, view, totals.get("latest", [])),
            "totals": totals,
            "throughput": _throughput(view),
        }


def _night(connection: Connection | None, view: View, now: datetime) -> dict[str, Any]:
    """Return the night so far. East of this machine's zone it may have another date already."""
    tonight = night_of(now, None)
    latest = (tonight + timedelta(days=1)).isoformat()
    newest = reads.newest_night(connection, view.host, latest) if connection is not None else None
    if connection is None or newest is None:
        return {"night": tonight.isoformat(), "is_tonight": True} | _of_night(None)
    counts = reads.night_counts(connection, view.host, newest)
    return {"night": newest, "is_tonight": newest >= tonight.isoformat()} | _of_night(counts)


def _of_night(counts: Counts | None) -> dict[str, int]:
    """Return how many files of a night were seen, and what became of them."""
    if counts is None:
        return dict.fromkeys(("seen", "safe", "pending", "error", "lost", "skipped"), 0)
    error = counts.by_status["Error"]
    safe = counts.by_status["OK"] + counts.already_synced
    lost = counts.gone + counts.changed
    return {
        "seen": counts.by_status.total(),
        "safe": safe,
        "pending": counts.pending_files,
        "error": error,
        "lost": lost,
        "skipped": counts.by_status["Skipped"] - counts.already_synced - lost,
    }


def _lost(connection: Connection | None, view: View) -> list[dict[str, Any]]:
    watches = view.watches_with_losses()
    if connection is None or not watches:
        return []
    return [
        {
            "id": row["id"],
            "path": path_of(row),
            "status": row["status"],
            "substatus": row["substatus"],
            "error": row["error"],
        }
        for row in reads.lost(connection, view.host, watches, SHOWN)
    ]


def _finished(connection: Connection | None, view: View, ids: list[int]) -> list[dict[str, Any]]:
    """Return the files stored last, newest first."""
    if connection is None or not ids:
        return []
    rows = {row["id"]: row for row in reads.of_ids(connection, view.host, ids)}
    return [
        {
            "id": row["id"],
            "path": path_of(row),
            "watch": row["watch"],
            "size": row["size"],
            "dataset": row["dataset_name"],
            "started_at": iso(row["started_at"]),
            "ended_at": iso(row["ended_at"]),
        }
        for row in (rows[one] for one in ids if one in rows)
    ]


def _throughput(view: View) -> dict[str, Any]:
    """Return the spans of the last day: start, bytes sent, files stored; the last one is not over."""
    noted = view.notes.get("throughput") or {"span_s": 300, "spans": []}
    now = view.notes.get("totals", {}).get("span")
    return {"span_s": noted["span_s"], "spans": [*noted["spans"], *([now] if now else [])]}
