"""A client, a link and a server in virtual time: how many uploads at a time would be how fast.

Events in a heap, all chance from one seed: the same run each time, on any machine. A worker takes
a file, computes (one at a time: Python's lock), sends (all share the link), and waits for the
answer of a server that may have few places, slow down, or refuse.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from arcsecond.concurrency import Concurrency, Tried

if TYPE_CHECKING:
    from collections.abc import Callable

TICK_S: Final = 0.1
"""How often `arcsecond upload` looks at the number of workers."""
DAEMON_TICK_S: Final = 0.05
"""How often the daemon does, while uploads end."""
FIXED: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)

KB: Final = 1000
MB: Final = 1000 * KB


@dataclass(frozen=True)
class World:
    """What lies between the first byte and the answer."""

    size: Callable[[random.Random], int] = lambda _: 20 * KB
    latency_s: float = 0.05
    """How long an answer takes once the last byte is there; half of it and up to half more by chance."""
    bytes_per_s: float = 100 * MB
    """Of the link, shared by all."""
    each_bytes_per_s: float = 100 * MB
    """Of one connection."""
    buffer_bytes: int = 256 * KB
    """So much of a body leaves at once, into the kernel."""
    places: int | None = None
    """So many are worked on at a time, the others wait."""
    slows_at: int | None = None
    """With so many at a time an answer takes twice as long, with double the number five times."""
    refuses_over: int | None = None
    """503 where so many are there already."""
    refusal_chance: float = 0.0
    """503 by chance."""
    computing_s: float = 0.0
    """What a file costs the client, one after the other..."""
    crowding: float = 0.0
    """...and so much more of it with each further worker."""


class Number(Protocol):
    """What says how many there should be."""

    count: int

    def note(self, size: int, seconds: float, outcome: Tried) -> None:
        """Take note of an attempt."""

    def steer(self, now_s: float, *, moved: int, busy: int, in_hand: int) -> int:
        """Return how many there should be."""


class Fixed:
    """Always the same number."""

    def __init__(self, count: int) -> None:
        self.count = count

    def note(self, size: int, seconds: float, outcome: Tried) -> None:
        """Make nothing of it."""

    def steer(self, now_s: float, *, moved: int, busy: int, in_hand: int) -> int:  # noqa: ARG002
        """Return the number."""
        return self.count


@dataclass
class _Worker:
    index: int
    is_connected: bool = False
    size: int = 0
    tries: int = 0
    began_s: float = 0.0
    ends_at: float = 0.0  # of the link's service, while the body goes out


@dataclass
class Run:
    """One upload of many files; `until` lets time pass."""

    world: World
    number: Number
    seed: int = 1
    tick_s: float = TICK_S
    demand: Callable[[float], int] = lambda _: 10**9
    """How many files there are to take up to a time."""
    now_s: float = 0.0
    taken: int = 0
    counts: list[tuple[float, int]] = field(default_factory=list)
    """The number from each time on."""
    finished: list[tuple[float, int, float]] = field(default_factory=list)
    """Of each file when it was there, its bytes, and how long it took with all its tries."""

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._idle: list[_Worker] = []
        self._workers: dict[int, _Worker] = {}
        self._busy: dict[int, _Worker] = {}
        self._computing: deque[tuple[float, Callable[[], None]]] = deque()
        self._sending: list[tuple[float, int, _Worker]] = []
        self._service = 0.0
        self._service_at_s = 0.0
        self._moved_before = 0
        self._version = 0
        self._at_server = 0
        self._queue: deque[Callable[[], None]] = deque()
        self._tick()

    # -- what tests ask --------------------------------------------------------------------------

    def until(self, *, files: int | None = None, seconds: float | None = None) -> Run:
        """Let time pass until so many files are there, or that time has come."""
        while (files is None or len(self.finished) < files) and (
            seconds is None or self.now_s < seconds
        ):
            self.now_s, _, event = heapq.heappop(self._events)
            event()
        return self

    def rate(self, *, after_s: float) -> float:
        """Return bytes a second since then."""
        return sum(size for at_s, size, _ in self.finished if at_s > after_s) / (
            self.now_s - after_s
        )

    def changes(self, *, after_s: float = 0.0) -> int:
        """Return how often the number changed since then."""
        return sum(at_s > after_s for at_s, _ in self.counts[1:])

    def first_at(self, count: int) -> float:
        """Return when there were to be so many for the first time."""
        return next((at_s for at_s, n in self.counts if n >= count), float("inf"))

    # -- the clock -------------------------------------------------------------------------------

    def _after(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now_s + seconds, next(self._order), event))

    def _tick(self) -> None:
        in_hand = sum(worker.size for worker in self._busy.values())
        count = self.number.steer(
            self.now_s, moved=self._moved(), busy=len(self._busy), in_hand=in_hand
        )
        if not self.counts or self.counts[-1][1] != count:
            self.counts.append((self.now_s, count))
        for index in range(count):
            if index not in self._workers:
                self._workers[index] = _Worker(index)
                self._begin(self._workers[index])
        idle, self._idle = self._idle, []
        for worker in idle:
            self._begin(worker)
        self._after(self.tick_s, self._tick)

    # -- one file --------------------------------------------------------------------------------

    def _begin(self, worker: _Worker) -> None:
        if worker.index >= self.number.count:
            self._workers.pop(worker.index)
            return
        if self.taken >= self.demand(self.now_s):
            self._idle.append(worker)
            return
        self.taken += 1
        self._busy[worker.index] = worker
        worker.size, worker.tries = max(1, self.world.size(self._rng)), 0
        self._try(worker)

    def _try(self, worker: _Worker) -> None:
        worker.began_s = self.now_s
        connecting_s = 0.0 if worker.is_connected else 2 * min(self.world.latency_s, 0.3)
        worker.is_connected = True
        self._after(connecting_s, lambda: self._compute(worker))

    def _compute(self, worker: _Worker) -> None:
        world = self.world
        cost_s = world.computing_s * (1 + world.crowding * (len(self._busy) - 1))
        self._computing.append((cost_s, lambda: self._send(worker)))
        if len(self._computing) == 1:
            self._after(cost_s, self._computed)

    def _computed(self) -> None:
        _, go_on = self._computing.popleft()
        go_on()
        if self._computing:
            self._after(self._computing[0][0], self._computed)

    def _send(self, worker: _Worker) -> None:
        self._serve()
        worker.ends_at = self._service + worker.size
        heapq.heappush(self._sending, (worker.ends_at, next(self._order), worker))
        self._plan()

    def _speed(self) -> float:
        return min(self.world.each_bytes_per_s, self.world.bytes_per_s / max(1, len(self._sending)))

    def _serve(self) -> None:
        """Bring forward what each sender has got of the link."""
        self._service += self._speed() * (self.now_s - self._service_at_s)
        self._service_at_s = self.now_s

    def _plan(self) -> None:
        self._version += 1
        if self._sending:
            version = self._version
            wait_s = max(0.0, self._sending[0][0] - self._service) / self._speed()
            self._after(wait_s, lambda: self._sent(version))

    def _sent(self, version: int) -> None:
        if version != self._version:
            return
        self._serve()
        ends_at, _, worker = heapq.heappop(self._sending)
        self._service = max(self._service, ends_at)
        self._moved_before += worker.size
        self._plan()
        self._arrive(worker)

    def _moved(self) -> int:
        self._serve()
        going = (
            min(w.size, w.size - (ends_at - self._service) + self.world.buffer_bytes)
            for ends_at, _, w in self._sending
        )
        return self._moved_before + int(sum(going))

    def _arrive(self, worker: _Worker) -> None:
        world = self.world
        is_full = world.refuses_over is not None and self._at_server >= world.refuses_over
        if is_full or self._rng.random() < world.refusal_chance:
            self._after(0.5 * world.latency_s, lambda: self._answer(worker, Tried.OVERLOADED))
        elif world.places is not None and self._at_server >= world.places:
            self._queue.append(lambda: self._work(worker))
        else:
            self._work(worker)

    def _work(self, worker: _Worker) -> None:
        self._at_server += 1
        seconds = self.world.latency_s * self._rng.uniform(0.5, 1.5)
        if self.world.slows_at is not None:
            seconds *= 1 + (self._at_server / self.world.slows_at) ** 2
        self._after(seconds, lambda: self._worked(worker))

    def _worked(self, worker: _Worker) -> None:
        self._at_server -= 1
        if self._queue:
            self._queue.popleft()()
        self._answer(worker, Tried.DONE)

    def _answer(self, worker: _Worker, outcome: Tried) -> None:
        took_s = self.now_s - worker.began_s
        self.number.note(worker.size, took_s, outcome)
        if outcome is Tried.OVERLOADED:
            wait_s = 2**worker.tries * self._rng.uniform(1.0, 1.25)
            worker.tries += 1
            self._after(wait_s, lambda: self._try(worker))
            return
        self.finished.append((self.now_s, worker.size, took_s))
        self._busy.pop(worker.index)
        self._begin(worker)


def best_fixed(world: World, *, files: int, seed: int = 1) -> tuple[float, int]:
    """Return the rate of the best fixed number in bytes a second, and the number."""
    rates = []
    for count in FIXED:
        run = Run(world, Fixed(count), seed).until(files=files // 4)
        began_s = run.now_s
        run.until(files=files)
        rates.append((run.rate(after_s=began_s), count))
    return max(rates)


def sizes(*weighted: tuple[int, float]) -> Callable[[random.Random], int]:
    """Return sizes by chance: of each so large a part."""
    values, weights = zip(*weighted, strict=True)
    return lambda rng: rng.choices(values, weights)[0]


def auto() -> Concurrency:
    """Return the number that follows."""
    return Concurrency(0.0)
