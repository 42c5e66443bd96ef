"""The workers of one folder's upload: threads that take its files one by one, as many as is good.

Their number is fixed, or follows the link and the server (`arcsecond.concurrency`). It is looked
at in the thread that called `run`, which also tells how far it is and takes a Ctrl-C.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from arcsecond.concurrency import Concurrency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from arcsecond.concurrency import Tried
    from arcsecond.upload.carrier import Carrier
    from arcsecond.upload.local import LocalFile

TICK_S: Final = 0.1
"""How often the number is looked at, and the caller is told how far it is."""
LEAVE_S: Final = 5.0
"""So long is waited for those who are to stop: one may hang in a dead disk, or look up a name."""

Item = tuple["LocalFile", str]
"""A file, and the path of the one of the same name that comes before it."""


class Crew:
    """`hire` makes a carrier with a connection of its own; `workers` is None for a number that follows.

    The carriers are kept from one `run` to the next. The method `stop`, from any thread, sets the
    two events, which are the carriers' as well.
    """

    def __init__(
        self,
        hire: Callable[[Callable[[int, float, Tried], None]], Carrier],
        workers: int | None,
        *,
        most: int,
        stop: threading.Event,
        end_waits: threading.Event,
    ) -> None:
        self._hire = hire
        self._most = most
        self._stop = stop
        self._end_waits = end_waits
        self._ended = threading.Event()
        self.stop_soon = False
        """Set it to have `run` stop at its next look: a signal's handler may, it takes no lock."""
        self._lock = threading.Lock()  # guards everything below
        self._following: Concurrency | None = None
        if workers is None:
            self._following = Concurrency(time.monotonic())
            workers = self._following.count
        self._count = workers
        self._carriers: list[Carrier] = []
        self._free: list[Carrier] = []
        self._items: Iterator[Item] = iter(())
        self._is_dry = False
        self._defect: BaseException | None = None

    def run(
        self,
        items: Iterator[Item],
        bring: Callable[[Carrier, Item], None],
        watcher: Callable[[], None] | None,
    ) -> None:
        """Let the workers bring the items, until there are no more or it is stopped.

        Stopped, it may leave workers behind that hang. Raises what `bring` raises,
        KeyboardInterrupt, and ArcsecondError of `hire`; what is in hand was cut then.
        """
        self._items, self._is_dry = items, False
        self._ended.clear()
        try:
            while self._man(bring):
                self._ended.wait(TICK_S)
                if self.stop_soon:
                    self.stop()
                    self._ended.wait(LEAVE_S)
                    return
                self._follow()
                if watcher is not None:
                    watcher()
        except BaseException:
            self.stop()
            self._ended.wait(LEAVE_S)
            raise
        if self._defect is not None:
            raise self._defect

    def stop(self) -> None:
        """Cut what is in hand and begin nothing more; returns at once."""
        self._stop.set()
        self._end_waits.set()
        for carrier in self.carriers:
            carrier.cancel()

    def let_end(self) -> None:
        """Begin nothing more; what is in hand goes on, what waits to be tried again does not."""
        self._is_dry = True
        self._end_waits.set()

    @property
    def carriers(self) -> list[Carrier]:
        """All carriers so far."""
        with self._lock:
            return list(self._carriers)

    def _man(self, bring: Callable[[Carrier, Item], None]) -> bool:
        """Have as many at work as there should be; tell whether there are any."""
        with self._lock:
            at_work = len(self._carriers) - len(self._free)
            missing = 0 if self._is_over else min(self._count, self._most) - at_work
            for _ in range(missing):
                if not self._free:
                    self._free.append(self._hire(self._note))
                    self._carriers.append(self._free[-1])
                carrier = self._free.pop()
                # Not waited for at the end of the process: it may hang where nobody can cut it.
                threading.Thread(
                    target=self._work, args=(carrier, bring), name="upload", daemon=True
                ).start()
            return at_work + max(missing, 0) > 0

    @property
    def _is_over(self) -> bool:
        return self._is_dry or self._stop.is_set()

    def _work(self, carrier: Carrier, bring: Callable[[Carrier, Item], None]) -> None:
        try:
            while (item := self._next(carrier)) is not None:
                bring(carrier, item)
        except BaseException as defect:  # noqa: BLE001  # raised again by `run`, in its caller's thread
            self._defect, self._is_dry = defect, True
            with self._lock:
                self._leave(carrier)

    def _next(self, carrier: Carrier) -> Item | None:
        """Return what this worker is to bring; None, and it has left, where there is nothing."""
        with self._lock:
            too_many = len(self._carriers) - len(self._free) > self._count
            item = None if self._is_over or too_many else next(self._items, None)
            if item is None:
                self._is_dry = self._is_dry or not too_many
                self._leave(carrier)
            return item

    def _leave(self, carrier: Carrier) -> None:
        self._free.append(carrier)
        if len(self._free) == len(self._carriers):
            self._ended.set()

    def _note(self, size: int, seconds: float, outcome: Tried) -> None:
        if self._following is not None:
            with self._lock:
                self._following.note(size, seconds, outcome)

    def _follow(self) -> None:
        if self._following is None:
            return
        with self._lock:
            sizes = [carrier.size_in_hand for carrier in self._carriers]
            self._count = self._following.steer(
                time.monotonic(),
                moved=sum(carrier.bytes_moved for carrier in self._carriers),
                busy=sum(size > 0 for size in sizes),
                in_hand=sum(sizes),
            )
