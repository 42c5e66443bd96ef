"""One night as a ledger: what became of its files, and how much there is of what. Pure.

An entry is one file version of the queue. Each is counted once, by what became of it; so the counts
add up to the total, and they are those of `oort uploads --night`.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from oort.policy import state
from oort.policy.night import moment_of
from oort.policy.state import OPEN, SAFE, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from oort.policy.state import State


class Entry(NamedTuple):
    """One file version of a night, as the queue has it."""

    watch: str
    folder: str
    """Absolute, in words."""
    name: str
    size: int
    mtime_ns: int
    inode: int
    state: State
    error: str | None
    acknowledged: bool
    """Put aside by a person's word."""
    unproven: bool
    dataset: str | None
    header: Mapping[str, str]
    seen_at: datetime
    ended_at: datetime | None

    @property
    def path(self) -> str:
        """The file's absolute path, in words."""
        return f"{self.folder.rstrip('/')}/{self.name}"


class Fate(StrEnum):
    """What became of a file; the words are those of the report."""

    SAFE = "safe"
    WAITING = "waiting"
    ERROR = "error"
    GONE = "gone"
    CHANGED = "changed"
    IGNORED = "ignored"


_CHANGED_WORDS: Final = "it changed after the upload; the server keeps the earlier version"
_GONE_WORDS: Final = "it vanished before it was stored"

_LIGHT: Final = ("light", "object", "science")
"""How the IMAGETYP of a light frame begins: `Light Frame`, `LIGHT`; IRAF and ESO say `object` and
`science` (https://iraf.readthedocs.io, ccdred.ccdproc; ESO DICB, DPR.CATG)."""


def fate_of(now_in: State) -> Fate:
    """Return what became of a file in this state."""
    if now_in in SAFE:
        return Fate.SAFE
    if now_in in OPEN:
        return Fate.WAITING
    if now_in == state.FILE_GONE:
        return Fate.GONE
    if now_in == state.CHANGED:
        return Fate.CHANGED
    return Fate.ERROR if now_in.status is Status.ERROR else Fate.IGNORED


@dataclass(slots=True)
class Ledger:
    """The sums of one night."""

    strict: bool = False
    """What is at the server by name and size alone does not count as safe."""
    files: Counter[Fate] = field(default_factory=Counter)
    unproven: int = 0
    unacknowledged: int = 0
    """Of the ignored, those that nobody has put aside by a word of their own."""
    bytes_total: int = 0
    bytes_safe: int = 0
    by_filter: Counter[str] = field(default_factory=Counter)
    by_imagetyp: Counter[str] = field(default_factory=Counter)
    by_object: Counter[str] = field(default_factory=Counter)
    by_dataset: Counter[str] = field(default_factory=Counter)
    watches: set[str] = field(default_factory=set)
    names: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The file names of each folder."""
    failures: list[Entry] = field(default_factory=list)
    seen: list[datetime] = field(default_factory=list)
    safe: list[datetime] = field(default_factory=list)
    """When each file was seen, and when each of those that are safe became so; in no order."""
    to_cloud_s: list[float] = field(default_factory=list)
    """Of each file that was sent: from the moment it was seen to the moment it was safe."""
    first_at: datetime | None = None
    last_at: datetime | None = None
    _exposures: list[float] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many files there are."""
        return sum(self.files.values()) + (self.unproven if self.strict else 0)

    @property
    def exposure_s(self) -> float:
        """The exposure time of the light frames together, in seconds."""
        return round(math.fsum(self._exposures), 3)

    @property
    def all_is_safe(self) -> bool:
        """Whether every file is at the server, or was put aside by a person."""
        return self.total == self.files[Fate.SAFE] + self.files[Fate.IGNORED] - self.unacknowledged

    def add(self, entry: Entry) -> None:
        """Take one file version into account."""
        fate = fate_of(entry.state)
        proven = not (self.strict and entry.unproven and fate is Fate.SAFE)
        if proven:
            self.files[fate] += 1
        if fate is Fate.SAFE:
            self.unproven += entry.unproven
            self.bytes_safe += entry.size if proven else 0
        self.bytes_total += entry.size
        self.watches.add(entry.watch)
        self.names[entry.folder].add(entry.name)
        if fate in (Fate.ERROR, Fate.GONE, Fate.CHANGED):
            self.failures.append(entry)
        elif fate is Fate.IGNORED:
            self.unacknowledged += not entry.acknowledged
        self._add_what_it_shows(entry, fate)
        self._add_times(entry, fate)

    def _add_what_it_shows(self, entry: Entry, fate: Fate) -> None:
        header = entry.header
        for sums, key in (
            (self.by_filter, "FILTER"),
            (self.by_imagetyp, "IMAGETYP"),
            (self.by_object, "OBJECT"),
        ):
            if value := header.get(key):
                sums[value] += 1
        if entry.dataset:
            self.by_dataset[entry.dataset] += 1
        # The exposure of a file that changed is that of the version which was stored.
        if fate is not Fate.CHANGED and _is_light(header.get("IMAGETYP")):
            self._exposures.append(seconds_of(header.get("EXPTIME")))

    def _add_times(self, entry: Entry, fate: Fate) -> None:
        moment = moment_of(entry.header, entry.mtime_ns)
        self.first_at = moment if self.first_at is None else min(self.first_at, moment)
        self.last_at = moment if self.last_at is None else max(self.last_at, moment)
        self.seen.append(entry.seen_at)
        if fate is Fate.SAFE and entry.ended_at is not None:
            self.safe.append(entry.ended_at)
            if entry.state == state.DONE:
                took_s = (entry.ended_at - entry.seen_at).total_seconds()
                self.to_cloud_s.append(max(0.0, took_s))  # a clock that was set back in between


def ledger_of(entries: Iterable[Entry], *, strict: bool = False) -> Ledger:
    """Return the sums of a night's file versions.

    A row that was put aside because another row has its file now (a new name, another watch) is
    left out: the file is counted there.
    """
    ledger = Ledger(strict=strict)
    aside: list[Entry] = []
    taken_over: set[tuple[int, int, int]] = set()
    for entry in entries:
        if entry.state == state.IGNORED and not entry.acknowledged:
            aside.append(entry)
            continue
        taken_over.add(_identity(entry))
        ledger.add(entry)
    for entry in aside:
        if _identity(entry) not in taken_over:
            ledger.add(entry)
    return ledger


def _identity(entry: Entry) -> tuple[int, int, int]:
    """Return what a file keeps under another name."""
    return entry.inode, entry.size, entry.mtime_ns


def why_failed(entry: Entry) -> str | None:
    """Return why a file is not safe, in words."""
    if entry.error:
        return entry.error
    if entry.state == state.CHANGED:
        return _CHANGED_WORDS
    return _GONE_WORDS if entry.state == state.FILE_GONE else None


def _is_light(imagetyp: str | None) -> bool:
    return not imagetyp or imagetyp.strip().lower().startswith(_LIGHT)


def seconds_of(exptime: str | None) -> float:
    """Return an exposure time in seconds; 0 where it is none."""
    try:
        seconds = float((exptime or "0").strip().upper().replace("D", "E"))
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def quantile(sorted_values: Sequence[float], part: float) -> float | None:
    """Return the smallest value that so much of all does not exceed (nearest rank); None of none."""
    if not sorted_values:
        return None
    return sorted_values[max(0, math.ceil(part * len(sorted_values)) - 1)]
