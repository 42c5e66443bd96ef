"""What was ever sent, and how much of it when: counters that outlive a restart.

Kept in memory, told in the queue's notes once a second at most. Whoever shows them reads the notes,
so that no counter goes back: what a kill -9 takes from the memory nobody has seen.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from oort.policy import state

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from oort.clock import Clock
    from oort.policy.retry import Decision
    from oort.queue.store import Queue
    from oort.values import Upload

SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Bounds of the histogram of how long an upload takes: from a frame on a fast link to a cube on a slow one."""

SPAN_S: Final = 300
"""The length of one span of the throughput."""
SPANS_KEPT: Final = 288
"""A day of them."""
LATEST: Final = 12
"""So many of the files stored last are remembered, newest first."""


class Tally:
    """Written by the writer's thread when an attempt is on disk; read by the job that publishes."""

    def __init__(self, clock: Clock, totals: Mapping[str, Any], spans: Mapping[str, Any]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._files = int(totals.get("files", 0))
        self._bytes = int(totals.get("bytes", 0))
        self._last_success_at: float | None = totals.get("last_success_at")
        self._attempts: Counter[str] = Counter(totals.get("attempts", {}))
        self._latest: list[int] = list(totals.get("latest", []))
        seconds = totals.get("seconds", {})
        is_alike = list(seconds.get("bounds", [])) == list(SECONDS)
        self._within = list(seconds["within"]) if is_alike else [0] * len(SECONDS)
        self._count = int(seconds["count"]) if is_alike else 0
        self._sum_s = float(seconds["sum"]) if is_alike else 0.0
        self._missed: Counter[str] = Counter(totals.get("missed_events", {}))
        self._missed_before: dict[str, int] = {}
        self._traffic_before: int | None = None
        known = [*spans.get("spans", []), *([totals["span"]] if totals.get("span") else [])]
        self._spans: dict[int, list[int]] = {
            int(start): [int(sent), int(files)] for start, sent, files in known
        }

    @classmethod
    def remembered(cls, store: Queue, clock: Clock) -> Tally:
        """Return the tally that the notes hold, or else what the queue itself knows."""
        totals = store.memory.noted("totals")
        if totals is None:
            totals = store.tally_of(SECONDS, LATEST)
        return cls(clock, totals, store.memory.noted("throughput") or {})

    def ended(self, upload: Upload, outcome: str, decision: Decision, started_at: datetime) -> None:
        """Count an attempt that is on disk."""
        now = self._clock.now()
        with self._lock:
            self._attempts[outcome] += 1
            if decision.state != state.DONE:
                return
            took_s = max(0.0, (now - started_at).total_seconds())
            self._files += 1
            self._bytes += upload.size
            self._last_success_at = round(now.timestamp(), 3)
            self._latest = [upload.id, *(one for one in self._latest if one != upload.id)][:LATEST]
            self._count += 1
            self._sum_s += took_s
            for index, bound in enumerate(SECONDS):
                if took_s <= bound:
                    self._within[index] += 1
            self._span(now)[1] += 1

    def follow(self, traffic_bytes: int, missed_events: Mapping[str, int]) -> None:
        """Take into account what went out so far, and what each watch has missed, in this process."""
        with self._lock:
            before, self._traffic_before = self._traffic_before or 0, traffic_bytes
            if traffic_bytes > before:
                self._span(self._clock.now())[0] += traffic_bytes - before
            for watch, count in missed_events.items():
                known = self._missed_before.get(watch, 0)
                # A watch that began anew counts from zero.
                self._missed[watch] += count - known if count >= known else count
                self._missed_before[watch] = count

    def _span(self, now: datetime) -> list[int]:
        """Return the span of now; what is too old is forgotten, and so is what a wrong clock wrote."""
        start = int(now.timestamp()) // SPAN_S * SPAN_S
        if start not in self._spans:
            oldest = start - (SPANS_KEPT - 1) * SPAN_S
            kept = {at: value for at, value in self._spans.items() if oldest <= at < start}
            self._spans = kept | {start: [0, 0]}
        return self._spans[start]

    def totals(self) -> dict[str, Any]:
        """Return the counters as the notes hold them."""
        with self._lock:
            return {
                "files": self._files,
                "bytes": self._bytes,
                "last_success_at": self._last_success_at,
                "attempts": dict(sorted(self._attempts.items())),
                "seconds": {
                    "bounds": list(SECONDS),
                    "within": list(self._within),
                    "count": self._count,
                    "sum": round(self._sum_s, 3),
                },
                "missed_events": dict(sorted(self._missed.items())),
                "latest": list(self._latest),
                "span": next(iter(self._told_spans()[-1:]), None),
            }

    def throughput(self) -> dict[str, Any]:
        """Return the spans that are over, as the notes hold them; the one that is not is in `totals`.

        Each is its start (seconds since 1970), the bytes that went out, and the files stored.
        """
        with self._lock:
            return {"span_s": SPAN_S, "spans": self._told_spans()[:-1]}

    def _told_spans(self) -> list[list[int]]:
        return [[start, *value] for start, value in sorted(self._spans.items())]
