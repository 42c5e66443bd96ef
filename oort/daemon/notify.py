"""What the daemon tells the service manager that started it: sd_notify(3), in a few lines.

READY when the queue is open, STATUS in words, STOPPING at the end, and a beat for the watchdog,
which is held back as soon as one of our own threads does not get on. A network that hangs is no
reason: workers are not asked.
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STANDSTILL_S: Final = 45.0
"""A thread of ours that has not come round for so long does not get on: all come round in seconds."""


class ServiceManager:
    """Who started this process, by its environment; says nothing to nobody where there is none."""

    def __init__(self, environment: Mapping[str, str], pid: int) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._status = ""
        watched = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        microseconds = environment.get("WATCHDOG_USEC", "") if watched else ""
        self.beat_every_s = int(microseconds) / 2e6 if microseconds.isdecimal() else None
        """How often the watchdog wants to hear of us, None where there is none (sd_watchdog_enabled(3))."""

    def ready(self) -> None:
        """Say that the queue is open."""
        self._say("READY=1")

    def stopping(self, grace_s: float) -> None:
        """Say that the end has begun, and ask for the time that uploads in hand are given."""
        self._say("STOPPING=1", f"EXTEND_TIMEOUT_USEC={round(grace_s * 1e6)}")

    def status(self, words: str) -> None:
        """Say in words how it is, where that has changed."""
        if words != self._status:
            self._status = words
            self._say(f"STATUS={words}")

    def beat(self) -> None:
        """Let the watchdog hear of us."""
        self._say("WATCHDOG=1")

    def _say(self, *lines: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        address = self._address
        if address.startswith("@"):  # unix(7), "abstract"
            address = "\0" + address[1:]
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
            way.settimeout(1.0)
            way.connect(address)
            way.send("\n".join(lines).encode())


class Pulse:
    """Beats for the watchdog while every thread gets on; asked by the main thread, every two seconds.

    `rounds` gives, for each thread by name, the monotonic moment when it last came round. While the
    queue waits for space (`waits_for_space`) everybody may wait with it.
    """

    def __init__(
        self,
        manager: ServiceManager,
        *,
        monotonic: Callable[[], float],
        rounds: Mapping[str, Callable[[], float]],
        waits_for_space: Callable[[], bool],
        on_standstill: Callable[[str], None],
    ) -> None:
        self._manager = manager
        self._monotonic = monotonic
        self._rounds = rounds
        self._waits_for_space = waits_for_space
        self._on_standstill = on_standstill
        self._next_at = float("-inf")
        self._stands = ""

    def look(self) -> None:
        """Beat, if it is time and everybody gets on."""
        if self._manager.beat_every_s is None:
            return
        now = self._monotonic()
        if now < self._next_at:
            return
        standing = ", ".join(
            name for name, came_round in self._rounds.items() if now - came_round() > STANDSTILL_S
        )
        if standing and not self._waits_for_space():
            if standing != self._stands:
                self._on_standstill(standing)
            self._stands = standing
            return
        self._stands = ""
        self._next_at = now + self._manager.beat_every_s
        self._manager.beat()
