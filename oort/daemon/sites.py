"""Where the telescopes of the watches stand: asked of the server, remembered, and followed by nights.

A night runs from noon to noon of the telescope's longitude (design.md §3, "Night"). The server tells
it; until it does, and where it does not, nights go by this machine's time zone, and nothing else
depends on it: a question that fails says nothing of the link.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from oort.errors import OortError
from oort.queue import nights
from oort.remote import Ended

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oort.clock import Clock
    from oort.daemon.gate import Gate
    from oort.queue.store import Queue
    from oort.remote import Remote
    from oort.values import Watch

log = structlog.get_logger("oort.sites")

NOTE: Final = "longitudes"
AGAIN_S: Final = 60.0
"""After a question that came to nothing, and before what was seen meanwhile is looked at, too."""
REFRESH_S: Final = 86400.0


def nowhere(_watch: str) -> float | None:
    """Know no longitude: nights go by the time zone."""
    return None


@dataclass(slots=True)
class _Known:
    """What is known of a watch's telescope; kept as a note."""

    of: list[str]
    """Server, portal and telescope that were asked for."""
    longitude_deg: float
    is_followed: bool
    """Every row of the watch has its night by this longitude."""

    def note(self) -> dict[str, Any]:
        return {
            "of": self.of,
            "longitude_deg": self.longitude_deg,
            "is_followed": self.is_followed,
        }


class Sites:
    """Written by its job alone; any thread may ask `longitude_of`."""

    def __init__(self, store: Queue, gate: Gate, clock: Clock) -> None:
        self._store = store
        self._gate = gate
        self._clock = clock
        noted: dict[str, dict[str, Any]] = store.memory.noted(NOTE) or {}
        self._known = {name: _Known(**values) for name, values in noted.items()}
        self._not_before: dict[str, float] = {}
        self._asked_for: dict[str, list[str]] = {}
        """By watch, what was asked for last in the life of this process."""
        self._followed_once: set[str] = set()
        self._is_running = False

    def longitude_of(self, watch: str) -> float | None:
        """Return where the telescope of a watch stands, in degrees, east positive."""
        known = self._known.get(watch)
        return None if known is None else known.longitude_deg

    def is_due(self, watches: Sequence[Watch]) -> bool:
        """Whether something is to be asked or followed, and nobody is at it."""
        return not self._is_running and any(self._is_due(watch) for watch in watches)

    def _is_due(self, watch: Watch) -> bool:
        known = self._known.get(watch.name)
        if watch.telescope is None:
            return known is not None
        if not self._gate.allowance(watch.name, watch.api).free:
            return False
        if self._asked_for.get(watch.name) != _place(watch):
            return True
        return self._clock.monotonic() >= self._not_before.get(watch.name, 0.0)

    def run(self, watches: Sequence[Watch], remote_of: Callable[[str], Remote]) -> None:
        """Ask where each telescope stands of which that is due, and set right what follows."""
        self._is_running = True
        try:
            for watch in watches:
                if self._is_due(watch):
                    self._look_at(watch, remote_of)
        finally:
            self._is_running = False

    def _look_at(self, watch: Watch, remote_of: Callable[[str], Remote]) -> None:
        if watch.telescope is None:
            self._known.pop(watch.name, None)
            self._note()
            return
        self._asked_for[watch.name] = _place(watch)
        self._not_before[watch.name] = self._clock.monotonic() + AGAIN_S
        try:
            longitude = self._ask(watch, watch.telescope, remote_of)
        except (Ended, OortError) as error:
            log.info("site.not_told", watch=watch.name, reason=str(error), again_s=AGAIN_S)
            return
        if longitude is None:
            log.info("site.unknown", watch=watch.name, telescope=watch.telescope)
            self._not_before[watch.name] = self._clock.monotonic() + REFRESH_S
            return
        known = self._take(watch, longitude)
        if not known.is_followed:
            self._follow(watch, known)
        if known.is_followed:
            self._not_before[watch.name] = self._clock.monotonic() + REFRESH_S

    def _ask(
        self, watch: Watch, telescope: str, remote_of: Callable[[str], Remote]
    ) -> float | None:
        remote = remote_of(watch.api)
        try:
            return remote.longitude_deg(telescope, watch.portal)
        finally:
            remote.close()

    def _take(self, watch: Watch, longitude: float) -> _Known:
        """Remember where a telescope stands; from here on files are filed by it."""
        before = self._known.get(watch.name)
        place = _place(watch)
        if before is not None and (before.of, before.longitude_deg) == (place, longitude):
            return before
        # What another telescope of this watch took has the night of where that one stood.
        is_another = before is not None and before.of != place
        known = _Known(place, longitude, is_followed=is_another)
        self._known = self._known | {watch.name: known}
        self._followed_once.discard(watch.name)
        self._note()
        log.info("site.known", watch=watch.name, longitude_deg=longitude)
        return known

    def _follow(self, watch: Watch, known: _Known) -> None:
        """Give the rows that were written without the longitude the night that they belong to.

        Twice: a file that was on its way into the queue meanwhile had the old one.
        """
        renamed = 0
        after_id: int | None = 0
        while after_id is not None:
            count, after_id = self._store.change(
                partial(
                    nights.rename_nights,
                    host=self._store.host,
                    watch=watch.name,
                    longitude_deg=known.longitude_deg,
                    after_id=after_id,
                )
            )
            renamed += count
        if renamed:
            log.info("nights.renamed", watch=watch.name, files=renamed)
            if "{night" in watch.dataset:
                self._store.datasets.forget_rule(watch.name)
        if watch.name in self._followed_once:
            known.is_followed = True
            self._note()
        self._followed_once.add(watch.name)

    def _note(self) -> None:
        self._store.memory.note(NOTE, {name: one.note() for name, one in self._known.items()})


def _place(watch: Watch) -> list[str]:
    return [watch.api, watch.portal or "", watch.telescope or ""]
