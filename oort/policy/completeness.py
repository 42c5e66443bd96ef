"""Is it known that nothing of a night is missing? What stands in the way, in words. Pure.

Absence is never concluded from silence: a watch that is away, was not scanned after the night, or
could not be read to its end, may hold files that nobody has seen (contract.md §3, `complete`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_SCANS_MAY_TAKE: Final = 2
"""A night that goes on was scanned within so many times `rescan_s`."""


@dataclass(frozen=True, slots=True)
class WatchFacts:
    """What is known of one enabled watch, and of the night where its telescope stands."""

    name: str
    begins_at: datetime
    ends_at: datetime
    state: str = "watching"
    reason: str | None = None
    last_scan_at: datetime | None = None
    """When the last scan began that came to its end."""
    whole_scan_at: datetime | None = None
    """The same of the last one that could read everything."""
    unreadable: Sequence[str] = ()
    """What the last scan could not look at."""


def unknowns(
    watches: Sequence[WatchFacts],
    *,
    now: datetime,
    rescan_s: float,
    clock_ahead: timedelta = timedelta(0),
) -> list[str]:
    """Return why there may be files of the night that nobody has seen; nothing where all is known.

    `clock_ahead`: by how much this computer's clock is ahead of the server's, where that is known:
    a scan after the night's end by a clock that is ahead was perhaps none.
    """
    if not watches:
        return ["no folder is watched"]
    found = (_unknown_of(one, now, rescan_s, max(clock_ahead, timedelta(0))) for one in watches)
    return [words for words in found if words is not None]


def _unknown_of(watch: WatchFacts, now: datetime, rescan_s: float, ahead: timedelta) -> str | None:
    named = f'the watch "{watch.name}"'
    if watch.state == "missing":
        return f"{named} is missing" + (f": {watch.reason}" if watch.reason else "")
    if now < watch.begins_at:
        return f"the night of {named} has not begun"
    runs = now < watch.ends_at
    since = now - timedelta(seconds=_SCANS_MAY_TAKE * rescan_s) if runs else watch.ends_at
    whole_at = watch.whole_scan_at
    if whole_at is not None and whole_at >= since:
        return None if runs else _unless_clock_was_ahead(named, whole_at - ahead, watch.ends_at)
    if watch.last_scan_at is None:
        why = f": {watch.reason}" if watch.reason else ""
        return f"{named} has not been scanned yet{why}"
    if watch.last_scan_at >= since and watch.unreadable:
        more = len(watch.unreadable) - 1
        return f"{named} could not be read in full: {watch.unreadable[0]}" + (
            f", and {more} more" if more else ""
        )
    last = f"the last scan of {named} began at {watch.last_scan_at:%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"{last}, more than {_SCANS_MAY_TAKE} x {rescan_s:g} s ago"
        if runs
        else (f"{last}, before the night's end")
    )


def _unless_clock_was_ahead(named: str, scanned_at: datetime, ends_at: datetime) -> str | None:
    if scanned_at >= ends_at:
        return None
    return (
        f"whether {named} was scanned after the night's end is not sure: this computer's clock is "
        "ahead of the server's"
    )
