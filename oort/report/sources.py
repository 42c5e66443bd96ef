"""What the queue, the daemon's notes and the settings say of one night."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from oort.policy import wrong_clock
from oort.policy.completeness import WatchFacts, unknowns
from oort.policy.ledger import Ledger, ledger_of
from oort.policy.night import bounds_of, night_of
from oort.queue import nights
from oort.status.view import asking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from oort.locations import Locations
    from oort.settings import Settings
    from oort.status.view import View
    from oort.values import Watch

LONGITUDES: Final = "longitudes"
"""The daemon's note of where the telescopes of its watches stand."""
CLOCKS: Final = "clocks"
"""The daemon's note of the servers that tell another time than this computer."""


@dataclass(frozen=True, slots=True)
class Night:
    """One night: its files summed up, and what is not known of it."""

    night: date
    starts_at: datetime
    ends_at: datetime
    ledger: Ledger
    unknown: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    made_at: datetime | None = None
    host: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether every file is safe or acknowledged, and nothing is unknown."""
        return self.ledger.all_is_safe and not self.unknown


def read_night(
    locations: Locations,
    settings: Settings,
    *,
    now: datetime,
    night: date | None = None,
    strict: bool = False,
) -> Night:
    """Return a night; without a date the newest that has files, else the present one."""
    with asking(locations, settings, counted=False) as (connection, view):
        tonight = max(
            (night_of(now, one) for one in _longitudes(view)), default=night_of(now, None)
        )
        later = None
        if night is None and connection is not None:
            last = tonight.isoformat()
            newest = nights.newest_night(connection, view.host, not_after=last)
            later = nights.later_night(connection, view.host, after=last)
            night = date.fromisoformat(newest) if newest else None
        night = night or tonight
        ledger = _ledger(connection, view, night, strict=strict)
        enabled = [watch for watch in settings.watches if watch.enabled]
        names = {watch.name for watch in enabled} | ledger.watches
        bounds = [bounds_of(night, _longitude(view, name)) for name in sorted(names)] or [
            bounds_of(night, None)
        ]
        found = unknowns(
            [_facts(view, watch, night) for watch in enabled],
            now=now,
            rescan_s=settings.rescan_s,
            clock_ahead=timedelta(seconds=max(_clocks(view).values(), default=0.0)),
        )
        return Night(
            night=night,
            starts_at=min(begins for begins, _ in bounds),
            ends_at=max(ends for _, ends in bounds),
            ledger=ledger,
            unknown=[*_unknown_files(ledger), *found],
            warnings=_warnings(view, later),
            made_at=now,
            host=settings.host,
        )


def _ledger(connection: Connection | None, view: View, night: date, *, strict: bool) -> Ledger:
    if connection is None:
        return Ledger(strict=strict)
    return ledger_of(nights.entries(connection, view.host, night.isoformat()), strict=strict)


def _facts(view: View, watch: Watch, night: date) -> WatchFacts:
    told = view.told(watch.name)
    now_in, reason = view.watch_state(watch)
    begins_at, ends_at = bounds_of(night, _longitude(view, watch.name))
    return WatchFacts(
        name=watch.name,
        begins_at=begins_at,
        ends_at=ends_at,
        state=now_in,
        reason=reason,
        last_scan_at=_moment(told.get("last_scan_at")),
        whole_scan_at=_moment(told.get("whole_scan_at")),
        unreadable=told.get("unreadable", ()),
    )


def _unknown_files(ledger: Ledger) -> list[str]:
    """Say what the counts alone do not: who has put a file aside, and that it counts as safe no more."""
    found = []
    if ledger.unacknowledged:
        count = _files(ledger.unacknowledged)
        found.append(
            f"{count} put aside unsent because a watch was removed or handed them on; "
            "`oort skip PATH` acknowledges that, `oort retry PATH` sends them"
        )
    if ledger.strict and ledger.unproven:
        found.append(
            f"{_files(ledger.unproven)} at the server by name and size alone, without a hash"
        )
    return found


def _files(count: int) -> str:
    return f"{count:,} file is" if count == 1 else f"{count:,} files are"


def _warnings(view: View, later: str | None) -> list[str]:
    """Return what a reader should know, and what does not stand in the way."""
    found = [
        wrong_clock.words(api, timedelta(seconds=ahead_s))
        for api, ahead_s in sorted(_clocks(view).items())
    ]
    if later is not None:
        found.append(
            f"there are files that were taken later than now by their own date: "
            f"`oort report --night {later}` shows the last of them"
        )
    found += [
        f'where the telescope of the watch "{watch.name}" stands is not known (yet): '
        "its nights go by this computer's time zone"
        for watch in view.settings.watches
        if watch.enabled and watch.telescope and _longitude(view, watch.name) is None
    ]
    return found


def _longitude(view: View, watch: str) -> float | None:
    """Return where the telescope of a watch stands, as the daemon noted it last."""
    noted: Mapping[str, Any] = view.notes.get(LONGITUDES, {})
    found = noted.get(watch, {}).get("longitude_deg")
    return float(found) if found is not None else None


def _longitudes(view: View) -> set[float | None]:
    return {_longitude(view, watch.name) for watch in view.settings.watches if watch.enabled}


def _clocks(view: View) -> dict[str, float]:
    """Return by how many seconds this computer's clock is ahead of each server's, where that matters."""
    return {api: float(ahead_s) for api, ahead_s in view.notes.get(CLOCKS, {}).items()}


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
