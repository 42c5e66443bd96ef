"""Calls `heartbeat_url` while it is well, and its `/fail` while `oort check` is critical.

Whoever watches from outside is alarmed by a call that fails to come: the one sign that a machine
without power can give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from oort.errors import OortError
from oort.policy.health import Level
from oort.remote.heartbeat import call

if TYPE_CHECKING:
    from collections.abc import Callable

    from oort.policy.health import Health
    from oort.settings import Settings

log = structlog.get_logger("oort.heartbeat")


class Heartbeat:
    """A job of the clock; what it could not deliver is logged once, not at each beat."""

    def __init__(
        self, settings: Callable[[], Settings], look: Callable[[Settings], Health]
    ) -> None:
        self._settings = settings
        self._look = look
        self._trouble: str | None = None

    def every_s(self) -> float:
        """Return how often it is to run."""
        return self._settings().heartbeat_s

    def run(self) -> None:
        """Call, where there is an address."""
        settings = self._settings()
        if not settings.heartbeat_url:
            return
        health = self._look(settings)
        failed = health.level >= Level.CRITICAL
        try:
            call(
                settings.heartbeat_url,
                failed=failed,
                proxy=settings.proxy,
                ca_bundle=settings.ca_bundle,
            )
        except OortError as error:
            if error.message != self._trouble:
                log.warning("heartbeat.not_delivered", reason=error.message)
            self._trouble = error.message
        else:
            if self._trouble is not None:
                log.info("heartbeat.delivered")
            self._trouble = None
