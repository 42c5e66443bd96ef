"""What all attempts of one process share: who creates a dataset, what listings and routes told.

None of it outlives the process: after a restart, or with a restored queue, the server is asked.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from oort.policy.outcome import Interrupted
from oort.remote import CUT, Ended

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from oort.transfer.throttle import StopSignal
    from oort.values import RemoteFile

LISTING_LASTS_S: Final = 600.0
"""So long a bulk listing answers for a dataset before another one is read."""

_LOOK_S: Final = 0.2


class Shared:
    """Guarded by one lock each; any worker may call anything."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self.turns = Turns()
        self.listings = Listings(monotonic)
        self._lock = threading.Lock()
        self._facts: set[Hashable] = set()

    def note(self, *fact: Hashable) -> None:
        """Keep a fact for the life of the process: a route that works, a dataset of our making."""
        with self._lock:
            self._facts.add(fact)

    def forget(self, *fact: Hashable) -> None:
        """Keep it no more."""
        with self._lock:
            self._facts.discard(fact)

    def knows(self, *fact: Hashable) -> bool:
        """Tell whether the fact was noted."""
        with self._lock:
            return fact in self._facts


class Turns:
    """One worker at a time for each key, the others waiting until it is their turn, or time to stop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[Hashable, tuple[threading.Lock, int]] = {}

    @contextmanager
    def of(self, key: Hashable, stop: StopSignal) -> Iterator[None]:
        """Hold the turn of `key` for the time of the block. Raises Ended where `stop` came first."""
        with self._lock:
            turn, users = self._locks.get(key, (threading.Lock(), 0))
            self._locks[key] = (turn, users + 1)
        try:
            while not turn.acquire(timeout=_LOOK_S):
                if stop.is_set():
                    raise Ended(Interrupted(CUT))
            try:
                yield
            finally:
                turn.release()
        finally:
            with self._lock:
                turn, users = self._locks[key]
                if users == 1:
                    del self._locks[key]
                else:
                    self._locks[key] = (turn, users - 1)


class Listings:
    """Datasets that were listed at once, because many of their files are in doubt; by file name."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, dict[str, list[RemoteFile]] | None]] = {}
        self._asked: dict[str, tuple[float, int]] = {}
        self._made_of: dict[str, frozenset[str]] = {}

    def keep(self, dataset: str, files: dict[str, list[RemoteFile]] | None) -> None:
        """Keep a complete listing; None notes that it cannot be had, so that nobody tries soon."""
        with self._lock:
            self._kept[dataset] = (self._monotonic(), files)
            self._asked.pop(dataset, None)
            if files is not None:
                self._made_of[dataset] = frozenset(
                    name for name, found in files.items() if any(one.name != name for one in found)
                )

    def may_be_renamed(self, dataset: str, names: Iterable[str]) -> bool:
        """Tell whether a file of one of the names may lie in the dataset under another one.

        The last complete listing answers, for the life of the process: what was sent since then
        is not in it.
        """
        with self._lock:
            made_of = self._made_of.get(dataset)
            return made_of is None or not made_of.isdisjoint(names)

    def asked(self, dataset: str) -> int:
        """Count one more file of a dataset that is asked for.

        Returns how many there were since its listing, or since a while without any.
        """
        with self._lock:
            _at, before = self._asked.get(dataset, (0.0, 0))
            self._asked[dataset] = (self._monotonic(), before + 1)
            return before + 1

    def cannot_be_had(self, dataset: str) -> bool:
        """Tell whether the dataset's listing was tried in vain, not long ago."""
        with self._lock:
            at, files = self._kept.get(dataset, (float("-inf"), None))
            return files is None and self._monotonic() - at <= LISTING_LASTS_S

    def forget_old(self) -> None:
        """Forget what answers no more."""
        with self._lock:
            now = self._monotonic()
            for dataset, (at, _files) in list(self._kept.items()):
                if now - at > LISTING_LASTS_S:
                    del self._kept[dataset]
            for dataset, (at, _count) in list(self._asked.items()):
                if now - at > LISTING_LASTS_S:
                    del self._asked[dataset]

    def is_due(self, dataset: str) -> bool:
        """Tell whether a listing is to be read: none was, or long ago."""
        with self._lock:
            at, _files = self._kept.get(dataset, (float("-inf"), None))
            return self._monotonic() - at > LISTING_LASTS_S

    def is_empty(self, dataset: str) -> bool:
        """Tell whether the listing that is kept is complete, and has no file."""
        return self.of(dataset) == {}

    def of(self, dataset: str) -> dict[str, list[RemoteFile]] | None:
        """Return the listing that is kept, None where there is none."""
        with self._lock:
            return self._kept.get(dataset, (0.0, None))[1]
