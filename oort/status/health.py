"""How well is it, for a monitoring system: one look at lock, queue and disk, judged by the policy."""

from __future__ import annotations

import shutil
from datetime import datetime
from typing import TYPE_CHECKING, Any

from oort.errors import OortError
from oort.policy import health as rules
from oort.policy.health import Health, LinkSeen, Seen, WatchSeen, unreadable
from oort.queue import reads
from oort.status.overview import glance
from oort.status.view import View, asking

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from oort.locations import Locations
    from oort.settings import Settings


def health(
    locations: Locations,
    settings: Settings,
    now: datetime,
    *,
    warn_age_s: float = rules.WARN_AGE_S,
    crit_age_s: float = rules.CRIT_AGE_S,
) -> Health:
    """Return what `oort check` says; never raises for a queue that cannot be read."""
    try:
        with asking(locations, settings) as (connection, view):
            seen = _seen(connection, view, glance(connection, view), now)
    except OortError as error:
        return unreadable(error.message)
    return rules.health(seen, now, warn_age_s=warn_age_s, crit_age_s=crit_age_s)


def _seen(
    connection: Connection | None, view: View, document: dict[str, Any], now: datetime
) -> Seen:
    queue, daemon = document["queue"], document["daemon"]
    return Seen(
        running=daemon["running"],
        paused=daemon["paused"],
        links=[
            LinkSeen(link["api"], link["state"], _moment(link["since"]), link["reason"])
            for link in view.links()
        ],
        watches=[
            WatchSeen(watch["name"], watch["state"], watch["reason"])
            for watch in document["watches"]
        ],
        warnings=daemon["warnings"],
        pending=queue["pending_files"],
        errors=queue["by_status"]["Error"],
        safe=queue["safe"],
        lost=_lost(connection, view, now),
        oldest_pending_at=_moment(queue["oldest_pending_at"]),
        disk_free_bytes=_free(view.locations.state_folder),
    )


def _lost(connection: Connection | None, view: View, now: datetime) -> int:
    watches = view.watches_with_losses()
    if connection is None or not watches:
        return 0
    return reads.lost_since(connection, view.host, watches, now - rules.LOST_WITHIN)


def _free(folder: Path) -> int | None:
    """Return the free bytes of the disk of a folder, which may not be there yet."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
