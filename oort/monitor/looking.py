"""One look at everything, for the page, for `/metrics` and for `/healthz`; reads only."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final

from oort import status
from oort.errors import OortError
from oort.lock import daemon_of
from oort.monitor.verdict import unreadable, verdict
from oort.policy.health import Health
from oort.policy.health import unreadable as unknown
from oort.queue.database import Database, reason_of
from oort.settings import load_last_good

if TYPE_CHECKING:
    from pathlib import Path

    from oort.clock import Clock
    from oort.locations import Locations

log = logging.getLogger("oort.monitor")

_ANEW_S: Final = 5.0
"""So often it is looked although nothing was written: a disk may have gone, a night may have begun."""


class Looking:
    """Where to look; settings are read anew each time, because people edit them."""

    def __init__(self, locations: Locations, clock: Clock) -> None:
        self._locations = locations
        self._clock = clock
        self._pace = status.NightPace(clock)
        self._told: str | None = None

    def page(self) -> dict[str, Any]:
        """Return what the page shows; where the queue cannot be read, that and why."""
        try:
            settings = load_last_good(self._locations)
            page = status.page(self._locations, settings, self._clock.now(), self._pace)
        except Exception as error:  # noqa: BLE001  # a page that says what is wrong outlives it
            reason = self._reason_of(error)
            return {"verdict": unreadable(reason), "trouble": reason}
        self._told = None
        return {"verdict": verdict(page), "trouble": None, **page}

    def health(self) -> Health:
        """Return what `oort check` says."""
        try:
            settings = load_last_good(self._locations)
            return status.health(self._locations, settings, self._clock.now())
        except Exception as error:  # noqa: BLE001  # what cannot be found out is unknown, not well
            return unknown(self._reason_of(error))

    def _reason_of(self, error: Exception) -> str:
        """Return an error in one line; one that is not meant for people is told on stderr, once."""
        if isinstance(error, OortError):
            return error.message
        reason = f"{type(error).__name__}: {reason_of(error)}"
        if reason != self._told:
            self._told = reason
            log.error("the queue cannot be read: %s", reason)
        return reason

    def mark(self) -> object:
        """Return something that differs when there is news: a fraction of the cost of a look.

        The times of the files that are written with every change, and the daemon by its lock. A
        queue on a server has no such files: there each moment may have news.
        """
        moment = self._clock.monotonic()
        try:
            settings = load_last_good(self._locations)
            file = Database.at(settings.database_url(self._locations)).file
        except OortError as error:
            return error.message
        if file is None:
            return moment
        files = (self._locations.config_file, file, file.with_name(f"{file.name}-wal"))
        daemon = daemon_of(self._locations.lock_file)
        return moment // _ANEW_S, daemon, [_stamp(one) for one in files]


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116  # asked often
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
