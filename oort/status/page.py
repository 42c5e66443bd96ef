"""What the page of `oort monitor` shows, beyond the status: the night, what was lost, what was stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from oort.policy.night import night_of
from oort.queue import reads
from oort.status.overview import glance
from oort.status.view import View, asking, path_of
from oort.values import iso

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from oort.clock import Clock
    from oort.locations import Locations
    from oort.queue.reads import Counts
    from oort.settings import Settings

SHOWN: Final = 100
"""So many files that are gone or changed are listed."""
CHEAP_S: Final = 0.1
SHARE: Final = 0.1
LONGEST_S: Final = 15.0
"""The pace of counting a night that takes longer than `CHEAP_S`, see `NightPace`."""


class NightPace:
    """Counts a night as often as that is cheap: up to some ten thousand files, with every look.

    A night is counted row by row, a second or two a million. One that large is counted again when
    `SHARE` of the time has gone by, and at once when the last of its files is no longer on its way.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: tuple[str, Counts] | None = None
        self._until_mono = float("-inf")

    def counts(self, connection: Connection, host: str, night: str, *, waiting: int) -> Counts:
        """Return the counts of a night; `waiting` is how many files of all nights are on the way."""
        began = self._clock.monotonic()
        if self._known is not None and self._known[0] == night and began < self._until_mono:
            found = self._known[1]
            if waiting or not found.pending_files:
                return found
        found = reads.night_counts(connection, host, night)
        now = self._clock.monotonic()
        took_s = now - began
        self._known = (night, found)
        self._until_mono = now + (min(took_s / SHARE, LONGEST_S) if took_s > CHEAP_S else 0.0)
        return found


def page(
    locations: Locations, settings: Settings, now: datetime, pace: NightPace
) -> dict[str, Any]:
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
            "night": _night(connection, view, now, pace),
            "lost": _lost(connection, view),
            "finished": _finished(connection, view, totals.get("latest", [])),
            "totals": totals,
            "throughput": _throughput(view),
        }


def _night(
    connection: Connection | None, view: View, now: datetime, pace: NightPace
) -> dict[str, Any]:
    """Return the night so far: the newest that has files, and none that has not begun anywhere."""
    tonights = [night_of(now, one).isoformat() for one in _longitudes(view)]
    newest = None
    if connection is not None:
        newest = reads.newest_night(connection, view.host, max(tonights))
    if connection is None or newest is None:
        return {"night": max(tonights), "is_tonight": True} | _of_night(None)
    waiting = sum(one.pending_files for one in view.counts.values())
    counts = pace.counts(connection, view.host, newest, waiting=waiting)
    return {"night": newest, "is_tonight": newest >= min(tonights)} | _of_night(counts)


def _longitudes(view: View) -> list[float | None]:
    """Return where the telescopes stand, as the daemon noted it last; None is the machine's zone."""
    noted = view.notes.get("longitudes", {})
    names = [watch.name for watch in view.settings.watches if watch.enabled]
    found = {noted.get(name, {}).get("longitude_deg") for name in names}
    return list(found) or [None]


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
