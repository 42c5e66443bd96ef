"""The dispatcher: takes control files, claims in batches, hands out.

It waits on a monotonic event and is woken as soon as there is something to do; a step of the wall
clock cannot stop it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import structlog

from oort.daemon import control
from oort.daemon.sites import nowhere
from oort.policy.night import night_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from oort.clock import Clock
    from oort.daemon.gate import Gate
    from oort.daemon.workers import Workers
    from oort.queue.store import Queue
    from oort.values import Watch

log = structlog.get_logger("oort.dispatcher")

LOOK_EVERY_S: Final = 0.4
"""How often the control folder is looked at (contract: taken within 0.5 s)."""

HINDERED_S: Final = 5.0
"""Before the next try where nothing may be claimed just now: not all that hinders tells of its end."""

FAILED_WAIT_S: Final = 1.0
PASS_AGAIN_S: Final = 0.5
"""While all workers are busy, so often it is asked whether a small file should pass."""
STOP_S: Final = 1.0
"""A daemon's end waits so long for the dispatcher."""


class Dispatcher:
    """One thread; `watches` gives the enabled watches as config.toml has them now."""

    def __init__(
        self,
        store: Queue,
        workers: Workers,
        gate: Gate,
        clock: Clock,
        *,
        control_folder: Path,
        watches: Callable[[], Sequence[Watch]],
        carry_out: Callable[[control.Request], dict[str, Any]],
        may_claim: Callable[[], bool],
        may_pass: Callable[[], int | None],
        longitude_of: Callable[[str], float | None] = nowhere,
    ) -> None:
        self._store = store
        self._workers = workers
        self._gate = gate
        self._clock = clock
        self._folder = control_folder
        self._watches = watches
        self._carry_out = carry_out
        self._may_claim = may_claim
        self._longitude_of = longitude_of
        self._may_pass = may_pass
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._due_mono: float | None = 0.0
        self.came_round_at = clock.monotonic()
        """When it last had nothing in hand, on the monotonic clock."""
        self._more_waits = False
        """The last claim found as much as there was room for."""
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread: nothing is claimed any more.

        One that waits for a full disk is left behind; the writer's end frees it.
        """
        self._ending.set()
        self._wake.set()
        if self._thread is not threading.current_thread() and self._thread.is_alive():
            self._thread.join(STOP_S)

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """Say that there may be something to do."""
        self._wake.set()

    def _run(self) -> None:
        while not self._ending.is_set():
            self.came_round_at = self._clock.monotonic()
            woken = self._wake.wait(LOOK_EVERY_S)
            if woken:  # who wakes us after the time was over is heard in the next round
                self._wake.clear()
            try:
                asked = self._take_requests()
                if woken or asked or self._is_due():
                    self._dispatch()
            except Exception:
                # The dispatcher must outlive one bad moment of the queue.
                log.exception("dispatcher.failed")
                self._due_mono = self._clock.monotonic() + FAILED_WAIT_S

    def _is_due(self) -> bool:
        return self._due_mono is not None and self._clock.monotonic() >= self._due_mono

    def _take_requests(self) -> bool:
        taken = False
        for request in control.requests_in(self._folder):
            taken = True
            log.info("control.taken", command=request.command)
            control.answer(self._folder, request, control.respond(self._carry_out, request))
        return taken

    def _dispatch(self) -> None:
        """Claim as much as there is room for; remember when to look again."""
        self._due_mono = None
        if self._ending.is_set():
            return
        if not self._may_claim():
            self._due_mono = self._clock.monotonic() + HINDERED_S
            return
        free, waiting, in_vain = self._sort_out()
        largest = self._may_pass()
        room = self._workers.room if largest is None else 0
        is_full = self._claim(free, room) == room
        # With all hands full, what is due waits for a free worker, who wakes us.
        self._note_due_row(in_vain if is_full else free + in_vain)
        if largest is not None:
            self._let_pass(free, largest)
        if is_full:
            self._note_due(PASS_AGAIN_S)
        self._note_trial(waiting)

    def _claim(self, free: Sequence[str], room: int) -> int:
        """Claim for the free workers, tonight's files first; return how many rows there were.

        Where the telescopes of the watches have different nights each of these gets its share,
        and then what the others leave.
        """
        now = self._clock.now()
        # While more waits than there is room for, there is no need to ask whether anything does.
        if not (room and free and (self._more_waits or self._store.waits(free, now))):
            return 0
        by_night: dict[str, list[str]] = {}
        for watch in free:
            by_night.setdefault(self._tonight(watch, now), []).append(watch)
        left = room
        for shares in (len(by_night), 1):
            for n, (tonight, watches) in enumerate(by_night.items()):
                limit = -(-left // max(shares - n, 1))
                if limit > 0 and (len(by_night) == 1 or self._store.waits(watches, now)):
                    left -= self._take(watches, limit, tonight)
            if len(by_night) == 1:
                break
        self._more_waits = left == 0
        return room - left

    def _take(self, watches: Sequence[str], limit: int, tonight: str) -> int:
        taken = self._store.claim(
            watches,
            limit=limit,
            tonight=tonight,
            hands=self._workers.free,
            most_bytes=self._workers.bytes_ahead,
        )
        self._workers.hand_out(taken)
        return len(taken)

    def _let_pass(self, free: Sequence[str], largest: int) -> None:
        """Have small files sent beside the large ones that all workers are busy with."""
        self._workers.set_aside(largest)
        room = self._workers.room_aside
        if room and free and self._store.small_ones_wait(free, largest):
            tonight = self._tonight(free[0], self._clock.now())
            taken = self._store.claim(free, limit=room, tonight=tonight, largest=largest)
            self._workers.hand_out_aside(taken)

    def _tonight(self, watch: str, now: datetime) -> str:
        return night_of(now, self._longitude_of(watch)).isoformat()

    def _sort_out(self) -> tuple[list[str], list[tuple[str, str]], list[str]]:
        """Return the watches whose rows flow, those that wait, and those that have no row to try.

        Tries one row where it is time.
        """
        free: list[str] = []
        waiting: list[tuple[str, str]] = []
        in_vain: list[str] = []
        for watch in self._watches():
            allowance = self._gate.allowance(watch.name, watch.api)
            if allowance.free:
                free.append(watch.name)
            elif allowance.trial:
                if not self._try_one(watch):
                    in_vain.append(watch.name)
            else:
                waiting.append((watch.name, watch.api))
        return free, waiting, in_vain

    def _try_one(self, watch: Watch) -> bool:
        """Hand out one row to find out whether a trouble is over; tell whether there was one."""
        now = self._clock.now()
        if not self._store.waits([watch.name], now):
            return False  # the next news, or the first row that has waited its time, look again
        tonight = self._tonight(watch.name, now)
        taken = self._store.claim([watch.name], limit=1, tonight=tonight)
        if taken:
            self._gate.begin_trial(watch.name, watch.api, taken[0].id)
            self._workers.hand_out(taken)
        return bool(taken)

    def _note_due_row(self, free: Sequence[str]) -> None:
        """Remember when the next row has waited its time."""
        due_at = self._store.next_due_at(free) if free else None
        if due_at is not None:
            due_s = (due_at - self._clock.now()).total_seconds()
            if due_s > 0:  # what is due already waits for a free worker, who wakes us
                self._note_due(due_s)

    def _note_trial(self, waiting: Sequence[tuple[str, str]]) -> None:
        """Remember when the next link or watch has waited its time."""
        trial_s = self._gate.next_try_in_s(waiting)
        if trial_s is not None:
            self._note_due(trial_s)

    def _note_due(self, in_s: float) -> None:
        """Look again so much later, unless that is to be done earlier."""
        at_mono = self._clock.monotonic() + max(LOOK_EVERY_S, in_s)
        self._due_mono = at_mono if self._due_mono is None else min(self._due_mono, at_mono)
