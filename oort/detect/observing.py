"""Keeping one folder observed: a watcher that is alive, or the reason why there is none.

A watcher is never mended, only replaced: the old one ends, the new one stands, and whoever asked is
told to scan, since nobody knows what was missed in between. Never are there two of them at a time:
together they may need more watches than the system gives (`max_user_watches`), and the new one would
go without.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

import structlog

from oort.detect.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from oort.detect.hints import HintQueue

AGAIN_S: Final = 60.0
"""Before a watcher that could not be started is tried again."""
_BETWEEN_LEAST_S: Final = 5.0
_COST_FACTOR: Final = 20.0
"""A watcher that was dear to start (100,000 folders: 2 s) is not replaced all the time."""
_SHORT_COST_FACTOR: Final = 100.0
"""The same for one that only leaves folders out, which scans make up for; each time twice that."""
_RENEWED_LEAST_OFTEN_S: Final = 86_400.0

_REMEDIES: Final = {
    errno.EMFILE: ": raise fs.inotify.max_user_instances",
    errno.ENOSPC: ": raise fs.inotify.max_user_watches",
}


class Observing:
    """Owned by the intake's thread; `monotonic` is asked for what a start costs."""

    def __init__(
        self, root: Path, hints: HintQueue, *, name: str, monotonic: Callable[[], float]
    ) -> None:
        self._root = root
        self._hints = hints
        self._name = name
        self._monotonic = monotonic
        self._log = structlog.get_logger("oort.detect").bind(watch=name)
        self._watcher: Watcher | None = None
        self._not_before = 0.0
        self._lost: str | None = None
        self._wants_renewal = False
        """The watcher does not see everything: another one may."""
        self._was_renewed = False
        """The watcher stands for one that left folders out: what it leaves out too is told."""
        self._renew_at = 0.0
        """Before that moment a watcher that lives is not replaced."""
        self._renewals = 0
        """How often in a row it was replaced and still left folders out."""
        self.trouble: str | None = None
        """Why there is no watcher, in words."""
        self.shortfall: str | None = None
        """Why its events do not cover everything, in words: scans must be more frequent."""

    @property
    def is_up(self) -> bool:
        """Whether there is a watcher."""
        return self._watcher is not None

    def ensure(self, now: float) -> str | None:
        """Start or replace the watcher where needed; tell why a full scan is due, if it is."""
        self._lost = self._hints.take_loss() or self._lost
        watcher = self._watcher
        if watcher is not None and self._lost is None:
            if not watcher.is_alive():
                self._lost = "the observer died"
            elif not self._wants_renewal or now < self._renew_at:
                return None
        if now < self._not_before:
            return None
        reason, self._lost = self._lost, None
        if reason is not None:
            self._log.warning("watch.events_lost", reason=reason)
        elif watcher is not None:
            self._log.info("watch.renewed", text="the observer did not see everything")
        self._replace()
        return reason or "the observer is up"

    def next_at(self) -> float | None:
        """Return when `ensure` has something to do that waits; None: nothing does."""
        if self._lost is not None or self._watcher is None:
            return self._not_before
        return max(self._not_before, self._renew_at) if self._wants_renewal else None

    def renew(self) -> None:
        """Have the watcher replaced once it may be: an event was missed, so it does not see all."""
        self._wants_renewal = self._watcher is not None

    def compare(self, folders: int, linked_folders: int) -> None:
        """Compare what a scan walked with what the kernel watches.

        Folders that are not watched have the watcher replaced: a disk was mounted below the watched
        folder, a folder was not readable when it was met, or there were no watches left. What a new
        watcher leaves out too is told.
        """
        watched = None if self._watcher is None else self._watcher.watched_folders()
        before, self.shortfall = self.shortfall, None
        is_short = watched is not None and watched < folders
        self._wants_renewal |= is_short
        if is_short and self._was_renewed:
            self.shortfall = (
                f"events come from {watched} of {folders} folders only: "
                "raise fs.inotify.max_user_watches"
            )
        elif linked_folders:
            self.shortfall = f"no events come from {linked_folders} folders behind links"
        elif self._watcher is not None and not self._watcher.hears_overflow:
            self.shortfall = "this watchdog does not tell when events are lost"
        self._was_renewed &= is_short
        if not is_short:
            self._renewals = 0
        if self.shortfall is not None and self.shortfall != before:
            self._log.warning("watch.degraded", reason=self.shortfall)

    def stop(self) -> None:
        """End the watcher; `ensure` starts a new one."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()
        self._not_before = self._renew_at = 0.0
        self._renewals = 0
        self._wants_renewal = self._was_renewed = False
        self._lost = self.trouble = self.shortfall = None

    def _replace(self) -> None:
        old, self._watcher = self._watcher, None
        began = self._monotonic()
        if old is not None:
            old.stop()
        self._was_renewed |= self._wants_renewal
        self._wants_renewal = False
        fresh = Watcher(self._root, self._hints, name=self._name)
        try:
            fresh.start()
        except OSError as error:
            self._not_before = began + AGAIN_S
            remedy = _REMEDIES.get(error.errno or 0, "")
            self.trouble = f"there are no events: {error.strerror or error}{remedy}"
            self._log.warning("watch.no_events", reason=self.trouble)
            return
        self._watcher = fresh
        self.trouble = None
        took = self._monotonic() - began
        self._not_before = began + _BETWEEN_LEAST_S
        if old is not None:  # the first trouble is seen to at once, however dear the start was
            self._not_before = began + max(_BETWEEN_LEAST_S, _COST_FACTOR * took)
            self._renewals += self._was_renewed
            wait_s = max(AGAIN_S, _SHORT_COST_FACTOR * took) * 2.0 ** min(
                max(0, self._renewals - 1), 20
            )
            self._renew_at = began + min(wait_s, _RENEWED_LEAST_OFTEN_S)
