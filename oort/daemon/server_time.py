"""What the servers' answers say of this computer's clock: a warning while it is wrong.

Nothing is asked for it: whoever had an answer passes on what it said. A clock that is wrong files
tonight's frames under another night, and nobody notices until the report of the night is empty.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from oort.policy import wrong_clock

if TYPE_CHECKING:
    from oort.daemon.warnings import Warnings

log = structlog.get_logger("oort.clock")

_TREMBLES: Final = timedelta(seconds=10)
"""The server tells whole seconds, and an answer takes its time: the same difference trembles."""


def unheard(_api: str, _ahead: timedelta | None) -> None:
    """Tell nobody."""


class ServerTime:
    """Any thread may tell and ask."""

    def __init__(self, warnings: Warnings) -> None:
        self._warnings = warnings
        self._lock = threading.Lock()
        self._ahead: dict[str, timedelta] = {}

    def heard(self, api: str, ahead: timedelta | None) -> None:
        """Take by how much this computer's clock was ahead of a server's when it answered."""
        if ahead is None:
            return
        with self._lock:
            before = self._ahead.get(api)
            if abs(ahead) <= wrong_clock.WORTH_SAYING:
                self._ahead.pop(api, None)
                if before is not None:
                    self._warnings.unsay(_topic(api))
                    log.info("clock.right", api=api)
            elif before is None or abs(ahead - before) > _TREMBLES:
                self._ahead[api] = ahead
                text = wrong_clock.words(api, ahead)
                self._warnings.say(_topic(api), f"{text}: set it, nights are named by it")
                log.warning("clock.wrong", api=api, text=text)

    def forget(self) -> None:
        """The clock was set: the next answer says whether it is right now."""
        with self._lock:
            for api in self._ahead:
                self._warnings.unsay(_topic(api))
            self._ahead.clear()

    def told(self) -> dict[str, float]:
        """Return by how many seconds the clock is ahead of the servers from which it differs."""
        with self._lock:
            return {api: ahead.total_seconds() for api, ahead in sorted(self._ahead.items())}


def _topic(api: str) -> str:
    return f"clock of {api}"
