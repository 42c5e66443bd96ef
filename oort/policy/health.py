"""How well is it, for a monitoring system: the four levels of `oort check` and their words. Pure.

The rules are contract.md §3, "oort check": each is one line here, with its level and its words. The
line that comes of them has the format of the monitoring plugins: level, words, `|`, numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

WARN_AGE_S: Final = 3600.0
CRIT_AGE_S: Final = 21_600.0
OFFLINE_S: Final = 900.0
"""A link that is offline for so long is worth a word; before that it may come back by itself."""
LOST_WITHIN: Final = timedelta(hours=24)
"""So long a file that went or changed is spoken of, unless `oort skip` acknowledges it."""
LEAST_DISK_BYTES: Final = 200 * 1024 * 1024

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


class Level(IntEnum):
    """What a check says; the number is the exit code of `oort check`."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class LinkSeen:
    """A link as the daemon told last."""

    api: str
    state: str
    since: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class WatchSeen:
    """A watch as it is now."""

    name: str
    state: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at lock, queue and disk shows."""

    running: bool
    paused: bool = False
    links: Sequence[LinkSeen] = ()
    watches: Sequence[WatchSeen] = ()
    warnings: Sequence[str] = ()
    """What the daemon warns of, in its words."""
    pending: int = 0
    errors: int = 0
    safe: int = 0
    lost: int = 0
    """Files gone or changed within `LOST_WITHIN` that nobody has acknowledged."""
    oldest_pending_at: datetime | None = None
    """Since when the oldest waiting file waits; those that settle are left out."""
    disk_free_bytes: int | None = None
    """Of the disk that the queue is on; None where it cannot be asked."""


@dataclass(frozen=True, slots=True)
class Health:
    """The answer: its level, the words for a person, the numbers for a graph."""

    level: Level
    words: str
    numbers: Mapping[str, int] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """The one line of `oort check`."""
        words = " ".join(self.words.replace("|", "/").split())
        numbers = " ".join(f"{name}={value}" for name, value in self.numbers.items())
        return f"OORT {self.level.name} - {words}" + (f" | {numbers}" if numbers else "")


def unreadable(reason: str) -> Health:
    """Return what can be said where the queue cannot be read."""
    return Health(Level.UNKNOWN, reason)


def health(
    seen: Seen, now: datetime, *, warn_age_s: float = WARN_AGE_S, crit_age_s: float = CRIT_AGE_S
) -> Health:
    """Return how well it is; what is worst is said first, and all of it is said."""
    age_s = _age_s(seen.oldest_pending_at, now)
    oldest = (age_s, warn_age_s, crit_age_s)
    troubles = [*_critical(seen, *oldest), *_worrying(seen, now, *oldest)]
    level = max((level for level, _ in troubles), default=Level.OK)
    words = "; ".join(words for _, words in troubles) or _all_is_well(seen)
    numbers = {
        "pending": seen.pending,
        "errors": seen.errors,
        "oldest_pending_s": round(age_s or 0),
        "lost": seen.lost,
    }
    return Health(level, words, numbers)


def _critical(
    seen: Seen, age_s: float | None, _warn_age_s: float, crit_age_s: float
) -> Iterator[tuple[Level, str]]:
    if not seen.running:
        yield Level.CRITICAL, "the daemon is not running"
    # What a link was when the daemon ended says nothing of now.
    for link in seen.links if seen.running else ():
        if link.state == "unauthorised":
            yield Level.CRITICAL, f"the server {link.api} refuses the key{_because(link.reason)}"
    if age_s is not None and age_s > crit_age_s:
        yield Level.CRITICAL, f"a file has waited for {_duration(age_s)}"
    if seen.disk_free_bytes is not None and seen.disk_free_bytes < LEAST_DISK_BYTES:
        free = seen.disk_free_bytes // 1024**2
        yield Level.CRITICAL, f"the disk of the queue has {free} MB free"


def _worrying(
    seen: Seen, now: datetime, age_s: float | None, warn_age_s: float, crit_age_s: float
) -> Iterator[tuple[Level, str]]:
    if seen.errors:
        needs = "needs" if seen.errors == 1 else "need"
        yield Level.WARNING, f"{_files(seen.errors)} {needs} you"
    for link in seen.links if seen.running else ():
        off_s = _age_s(link.since, now) if link.state == "offline" else None
        if off_s is not None and off_s >= OFFLINE_S:
            words = f"the link to {link.api} is offline for {_duration(off_s)}"
            yield Level.WARNING, words + _because(link.reason)
    if seen.lost:
        verb = "is" if seen.lost == 1 else "are"
        yield Level.WARNING, f"{_files(seen.lost)} {verb} gone or changed since yesterday"
    for watch in seen.watches:
        if watch.state in ("missing", "held"):
            words = f'the watch "{watch.name}" is {watch.state}'
            yield Level.WARNING, words + _because(watch.reason)
    if seen.paused:
        yield Level.WARNING, "uploads are paused"
    for words in seen.warnings:
        yield Level.WARNING, words
    if age_s is not None and warn_age_s < age_s <= crit_age_s:
        yield Level.WARNING, f"a file has waited for {_duration(age_s)}"


def _all_is_well(seen: Seen) -> str:
    if seen.pending:
        return f"{_files(seen.pending)} on the way, {_files(seen.safe)} safe"
    if seen.safe:
        return "the file is safe" if seen.safe == 1 else f"all {_files(seen.safe)} are safe"
    return "no file waits"


def _age_s(since: datetime | None, now: datetime) -> float | None:
    """Return seconds since a moment; none before it, whatever the clock did."""
    return None if since is None else max(0.0, (now - since).total_seconds())


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _duration(seconds: float) -> str:
    """Return seconds in the largest unit that says enough: `42 s`, `17 min`, `3 h`, `2 d`."""
    whole = int(seconds)
    for unit_s, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if whole >= unit_s:
            return f"{whole // unit_s} {unit}"
    return f"{whole} s"
