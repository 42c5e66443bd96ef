"""Holds what is known of each link and each watch, for all threads; the rules are in `policy`.

Owned by nobody: every method takes the one lock for a moment and never does I/O under it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog

from oort.policy import hold as holds
from oort.policy import link as links
from oort.policy.hold import FREE, Hold
from oort.policy.link import Link, LinkState, Probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from oort.clock import Clock
    from oort.policy.outcome import Outcome
    from oort.policy.retry import Jitter

log = structlog.get_logger("oort.link")

_TREMBLES: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whether rows of a watch may be claimed now: freely, one as a trial, or none."""

    free: bool
    trial: bool = False
    reason: str | None = None
    """Why not freely, in words."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """An attempt as its row must see it."""

    outcome: Outcome
    counts: bool
    """False while the server itself is in trouble: its failures are not the file's."""


class Gate:
    """Knows which rows may flow: what the links say, and what stands against the watches."""

    def __init__(self, clock: Clock, rng: Jitter, *, on_change: Callable[[], None]) -> None:
        self._clock = clock
        self._rng = rng
        self._on_change = on_change
        self._lock = threading.Lock()
        self._links: dict[str, Link] = {}
        self._holds: dict[str, Hold] = {}
        self._standing: dict[str, str] = {}
        self._trials: dict[str, int] = {}
        """The upload that tries out each link or watch."""
        self._shown: dict[str, datetime] = {}
        self.max_s = 60.0
        """`link_retry_max_s`: no link or watch is tried less often than this."""

    def link(self, api: str) -> Link:
        """Return what is known of the link to `api`; a new one is taken to be online."""
        with self._lock:
            return self._link(api)

    def _link(self, api: str) -> Link:
        found = self._links.get(api)
        if found is None:
            found = self._links[api] = Link(since=self._clock.now())
        return found

    def hold(self, watch: str) -> Hold:
        """Return what the server has against a watch."""
        with self._lock:
            return self._holds.get(watch, FREE)

    def standing_reason(self, watch: str) -> str | None:
        """Return what only a person can mend: another user's key, no key."""
        with self._lock:
            return self._standing.get(watch)

    def keep_out(self, reasons: dict[str, str]) -> None:
        """Hold these watches until the next call, each for the reason given."""
        with self._lock:
            changed = reasons != self._standing
            self._standing = dict(reasons)
        if changed:
            self._on_change()

    def release(self, watch: str) -> None:
        """Forget what stood against a watch: its options have changed."""
        with self._lock:
            self._holds.pop(watch, None)
        self._on_change()

    def allowance(self, watch: str, api: str) -> Allowance:
        """Say whether rows of a watch may be claimed now."""
        mono = self._clock.monotonic()
        with self._lock:
            standing = self._standing.get(watch)
            if standing is not None:
                return Allowance(free=False, reason=standing)
            link = self._link(api)
            if not link.is_online:
                due = link.probe is Probe.ROW and mono >= link.probe_at_mono
                trial = due and f"link:{api}" not in self._trials
                return Allowance(free=False, trial=trial, reason=link.reason)
            hold = self._holds.get(watch, FREE)
            if hold.is_held:
                trial = mono >= hold.try_at_mono and f"watch:{watch}" not in self._trials
                return Allowance(free=False, trial=trial, reason=hold.reason)
            return Allowance(free=True)

    def keeps_back(self, watch: str, api: str, upload_id: int) -> str | None:
        """Return why a row that was claimed is not to be begun any more, None where it is.

        What lies ready when a link breaks, or a watch is held, would only meet the same trouble; the
        row that is to find out whether it is over goes on.
        """
        with self._lock:
            if upload_id in self._trials.values():
                return None
            link = self._link(api)
            if not link.is_online:
                return link.reason or "the link is down"
            return self._standing.get(watch) or self._holds.get(watch, FREE).reason

    def begin_trial(self, watch: str, api: str, upload_id: int) -> None:
        """Note that one row is on its way to find out; there is no second one meanwhile."""
        with self._lock:
            key = f"link:{api}" if not self._link(api).is_online else f"watch:{watch}"
            self._trials[key] = upload_id

    def end_trial(self, upload_id: int) -> None:
        """Note that a trial of this watch came to nothing: the next one may begin."""
        with self._lock:
            self._end_trial(upload_id)

    def _end_trial(self, upload_id: int) -> None:
        self._trials = {key: one for key, one in self._trials.items() if one != upload_id}

    def after_attempt(self, watch: str, api: str, upload_id: int, outcome: Outcome) -> Learnt:
        """Learn from an attempt; return it as the row must see it."""
        now, mono = self._clock.now(), self._clock.monotonic()
        with self._lock:
            self._end_trial(upload_id)
            before = self._link(api)
            after = links.after_attempt(
                before,
                outcome,
                upload_id=upload_id,
                now=now,
                mono=mono,
                max_s=self.max_s,
                rng=self._rng,
            )
            self._links[api] = after
            old = self._holds.get(watch, FREE)
            new = holds.after_attempt(
                old,
                outcome,
                upload_id=upload_id,
                now=now,
                mono=mono,
                max_s=self.max_s,
                rng=self._rng,
            )
            if new is FREE:
                self._holds.pop(watch, None)
            else:
                self._holds[watch] = new
        self._tell_link(api, before, after)
        if old.is_held != new.is_held:
            log.info(
                "watch.changed",
                state="held" if new.is_held else "released",
                watch=watch,
                reason=new.reason,
            )
            self._on_change()
        # What was known before this attempt counts: the third file is counted, the fourth is not.
        return Learnt(holds.as_watch_trouble(new, outcome), counts=not before.server_in_trouble)

    def _tell_link(self, api: str, before: Link, after: Link) -> None:
        """Say once what became of a link: one line, and who waits for it."""
        if after.state != before.state:
            log.info("link.changed", api=api, state=after.state.value, reason=after.reason)
            self._on_change()

    def due_probes(self) -> list[tuple[str, Probe]]:
        """Return the links that are to be tried now, other than by a row."""
        mono = self._clock.monotonic()
        with self._lock:
            return [
                (api, link.probe)
                for api, link in self._links.items()
                if not link.is_online and link.probe is not Probe.ROW and mono >= link.probe_at_mono
            ]

    def next_try_in_s(self, watches: Iterable[tuple[str, str]]) -> float | None:
        """Return in how many seconds the next row may be tried for one of (watch, api).

        What is being tried just now is left out: whoever tries it wakes the dispatcher.
        """
        mono = self._clock.monotonic()
        waits: list[float] = []
        with self._lock:
            for watch, api in watches:
                link = self._link(api)
                hold = self._holds.get(watch, FREE)
                if not link.is_online:
                    if link.probe is Probe.ROW and f"link:{api}" not in self._trials:
                        waits.append(link.probe_at_mono - mono)
                elif hold.is_held and f"watch:{watch}" not in self._trials:
                    waits.append(hold.try_at_mono - mono)
        return max(0.0, min(waits)) if waits else None

    def answered(self, api: str) -> None:
        """The link was tried and works, or the key is a new one."""
        with self._lock:
            before = self._link(api)
            after = links.answered(before, now=self._clock.now(), mono=self._clock.monotonic())
            self._links[api] = after
        self._tell_link(api, before, after)
        if after.server_in_trouble and not before.server_in_trouble:
            self._on_change()  # a row may try it

    def try_keys_now(self) -> None:
        """Let each link whose key was refused be tried at once."""
        mono = self._clock.monotonic()
        with self._lock:
            for api, link in self._links.items():
                if link.state is LinkState.UNAUTHORISED:
                    self._links[api] = replace(link, probe_at_mono=mono)

    def failed(self, api: str, reason: str, *, unauthorised: bool = False) -> None:
        """The link was tried in vain, or there is no key to try it with."""
        now, mono = self._clock.now(), self._clock.monotonic()
        with self._lock:
            before = self._link(api)
            if unauthorised:
                after = links.refused(before, reason, now=now, mono=mono, max_s=self.max_s)
            elif before.state is LinkState.UNAUTHORISED:
                after = replace(before, probe_at_mono=mono + self.max_s)
            else:
                probe = Probe.PING if before.is_online else before.probe
                after = links.down(
                    before,
                    reason,
                    probe,
                    now=now,
                    mono=mono,
                    max_s=self.max_s,
                    rng=self._rng,
                )
            self._links[api] = after
        self._tell_link(api, before, after)

    def told(self, apis: Iterable[str]) -> list[dict[str, Any]]:
        """Return the links as `oort status` shows them; the same as long as nothing changes."""
        return [self._told(api, self.link(api)) for api in apis]

    def _told(self, api: str, link: Link) -> dict[str, Any]:
        return {
            "api": api,
            "state": link.state.value,
            "since": link.since,
            "reason": link.reason,
            "next_attempt_at": None if link.is_online else self._next_attempt_at(api, link),
        }

    def _next_attempt_at(self, api: str, link: Link) -> datetime | None:
        """Return when a link is tried next; None where that is when there is a file to try it with.

        The two clocks are never read at the same moment, so the sum trembles: it is kept.
        """
        in_s = link.probe_at_mono - self._clock.monotonic()
        if link.probe is Probe.ROW and in_s < 0:
            return None
        moment = self._clock.now() + timedelta(seconds=in_s)
        shown = self._shown.get(api)
        if shown is None or abs(moment - shown) > _TREMBLES:
            shown = self._shown[api] = moment
        return shown
