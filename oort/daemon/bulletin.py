"""What the daemon tells whoever asks: links, watches, uploads in hand, rate, totals, warnings.

Written into the queue's notes once a second at most, and only what has changed: an idle daemon
writes nothing.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from oort.values import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from oort.clock import Clock
    from oort.daemon.detection import Detection
    from oort.daemon.gate import Gate
    from oort.daemon.tally import Tally
    from oort.daemon.workers import Traffic, Workers
    from oort.queue.store import Queue
    from oort.values import Watch

RATE_WINDOW_S: Final = 30.0
"""The rate that `oort status` shows is the mean over so many seconds."""


@dataclass(slots=True)
class Bulletin:
    """Owned by the job that publishes; reads the other parts, which any thread may do."""

    store: Queue
    clock: Clock
    gate: Gate
    detection: Detection
    workers: Workers
    traffic: Traffic
    warnings: Callable[[], list[str]]
    watches: Callable[[], Sequence[Watch]]
    tally: Tally
    clocks: Callable[[], dict[str, float]] = dict
    """By how many seconds this computer's clock is ahead of the servers from which it differs."""
    _told: dict[str, Any] = field(default_factory=dict)
    _written: dict[str, Future[None]] = field(default_factory=dict)
    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    def publish(self) -> None:
        """Write what has changed since the last time.

        While the queue cannot be written only the first news wait for it: what is newest is enough.
        """
        for name, value in self._gather().items():
            before = self._written.get(name)
            if before is not None:
                if not before.done():
                    continue
                if before.exception() is not None:
                    self._told.pop(name, None)
                del self._written[name]
            if name not in self._told or self._told[name] != value:
                self._told[name] = value
                self._written[name] = self.store.memory.note(name, value)

    def in_words(self) -> str:
        """Return in a few words how the daemon is, for the service manager's status."""
        apis = sorted({watch.api for watch in self.watches()})
        off = [link for link in self.gate.told(apis) if link["state"] != "online"]
        if off:
            link = off[0]
            return f"{link['api']}: {link['state']} since {iso(link['since'])}"
        in_hand = len(self.workers.in_hand())
        if not in_hand:
            return "nothing in hand"
        return "1 upload in hand" if in_hand == 1 else f"{in_hand} uploads in hand"

    def _gather(self) -> dict[str, Any]:
        watches = self.watches()
        links = [
            link | {"since": iso(link["since"]), "next_attempt_at": iso(link["next_attempt_at"])}
            for link in self.gate.told(sorted({watch.api for watch in watches}))
        ]
        told = {watch.name: self._watch(watch) for watch in watches}
        missed = {name: int(one.get("missed_events", 0)) for name, one in told.items()}
        self.tally.follow(self.traffic.total, missed)
        return {
            "daemon": {"pid": os.getpid(), "warnings": sorted(self.warnings())},
            "links": links,
            "watches": told,
            "active": {str(one.upload.id): one.bytes_sent for one in self.workers.in_hand()},
            "rate": self._rate(),
            "totals": self.tally.totals(),
            "throughput": self.tally.throughput(),
            "clocks": self.clocks(),
        }

    def _watch(self, watch: Watch) -> dict[str, Any]:
        told: dict[str, Any] = self.detection.told(watch.name)
        hold = self.gate.standing_reason(watch.name) or self.gate.hold(watch.name).reason
        if hold is not None and told.get("state") != "missing":
            told |= {"state": "held", "reason": hold}
        return told

    def _rate(self) -> float:
        """Return bytes per second over the last half minute."""
        now = self.clock.monotonic()
        self._samples.append((now, self.traffic.total))
        while len(self._samples) > 2 and now - self._samples[0][0] > RATE_WINDOW_S:  # noqa: PLR2004  # two ends of a window
            self._samples.popleft()
        began, before = self._samples[0]
        took = now - began
        return round((self._samples[-1][1] - before) / took, 1) if took > 0 else 0.0
