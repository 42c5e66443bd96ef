"""When a watch is held, and when it is tried again. Pure.

A refused dataset, telescope or portal is the watch's trouble: its rows wait at no cost while other
watches go on, and one row at a time tries whether the trouble is over. A server that refuses ten
files in a row with the same words (a quota) refuses the watch, whatever it says of the file. A
watched folder that is not there holds its watch too, so that its rows are not tried in a circle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from oort.policy.outcome import (
    Broken,
    FileRefused,
    FoundSame,
    Interrupted,
    NotAllowed,
    NotReached,
    Outcome,
    RootMissing,
    ServerBusy,
    Stored,
    Unclear,
    WatchRefused,
)

if TYPE_CHECKING:
    from datetime import datetime

    from oort.policy.retry import Jitter

ALIKE: Final = 10
"""So many files in a row refused with the same words: from this one on it is the watch."""

FIRST_TRY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Hold:
    """What stands against a watch; `try_at_mono` is in seconds of the monotonic clock."""

    reason: str | None = None
    since: datetime | None = None
    tries: int = 0
    try_at_mono: float = 0.0
    words: str | None = None
    alike: frozenset[int] = frozenset()
    """The uploads that the server refused with `words`, one after the other."""
    root_missing: bool = False
    """Held because the watched folder is not there, not by the server."""

    @property
    def is_held(self) -> bool:
        """Whether its rows wait."""
        return self.reason is not None


FREE: Final = Hold()


def after_attempt(
    hold: Hold,
    outcome: Outcome,
    *,
    upload_id: int,
    now: datetime,
    mono: float,
    max_s: float,
    rng: Jitter,
) -> Hold:
    """Return what stands against the watch after an attempt at one of its files."""
    if hold.root_missing and not isinstance(outcome, RootMissing | Interrupted | NotAllowed):
        hold = FREE  # the file was looked for below the root, so the root is there again
    match outcome:
        case Stored() | FoundSame():
            return FREE
        case RootMissing(reason=reason):
            # A look at a folder costs the server nothing: it is tried every few seconds.
            held = _held(hold, reason, now=now, mono=mono, max_s=FIRST_TRY_S, rng=rng)
            return replace(held, root_missing=True)
        case WatchRefused(reason=reason):
            return _held(hold, reason, now=now, mono=mono, max_s=max_s, rng=rng)
        case FileRefused(reason=reason):
            alike = hold.alike | {upload_id} if hold.words == reason else frozenset({upload_id})
            counted = replace(hold, words=reason, alike=alike)
            holds = len(alike) >= ALIKE or hold.reason == reason
            return (
                _held(counted, reason, now=now, mono=mono, max_s=max_s, rng=rng)
                if holds
                else _tried_again(counted, mono=mono, rng=rng)
            )
        case Broken() | NotReached() | ServerBusy() | Unclear():
            return _tried_again(hold, mono=mono, rng=rng)
        case _:
            return hold


def _held(
    hold: Hold, reason: str, *, now: datetime, mono: float, max_s: float, rng: Jitter
) -> Hold:
    if hold.is_held and mono < hold.try_at_mono:
        return hold  # what was in hand when the watch was held says nothing new
    tries = hold.tries + 1 if hold.is_held else 0
    ceiling = min(max(max_s, FIRST_TRY_S), FIRST_TRY_S * 2.0 ** min(tries, 30))
    return replace(
        hold,
        reason=reason,
        since=hold.since or now,
        tries=tries,
        try_at_mono=mono + rng.uniform(0.8 * ceiling, ceiling),
    )


def _tried_again(hold: Hold, *, mono: float, rng: Jitter) -> Hold:
    """Have a held watch tried with another file soon: this one told nothing of the watch."""
    if not hold.is_held or mono < hold.try_at_mono:
        return hold
    return replace(hold, try_at_mono=mono + rng.uniform(0.8 * FIRST_TRY_S, FIRST_TRY_S))


def as_watch_trouble(hold: Hold, outcome: Outcome) -> Outcome:
    """Return the outcome as the row must see it: a refusal that holds the watch is not the file's."""
    if isinstance(outcome, FileRefused) and hold.reason == outcome.reason:
        return WatchRefused(outcome.reason, outcome.http_status, outcome.bytes_sent)
    return outcome
