"""The beat: what is to be done about once a second, in a thread that waits on the monotonic clock.

It is no job of the scheduler's: a thread for each run, and the scheduler's own round, cost an idle
daemon more than all that is done in it, and a step of the wall clock must not stop who notices it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger("oort.jobs")

STOP_S: Final = 1.0
"""A daemon's end waits so long for a beat that runs just now."""


class Beat:
    """Calls `beat` every `every_s` seconds, and at once when asked; one beat at a time."""

    def __init__(self, beat: Callable[[], None], *, every_s: float) -> None:
        self._beat = beat
        self._every_s = every_s
        self._asked = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beat", daemon=True)

    def start(self) -> None:
        """Start the thread; its first beat comes at once."""
        self._thread.start()

    def soon(self) -> None:
        """Have the next beat at once; from any thread."""
        self._asked.set()

    def stop(self) -> None:
        """End the thread; a beat that hangs is left behind."""
        self._ending.set()
        self._asked.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(STOP_S)

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._asked.clear()
            try:
                self._beat()
            except Exception:
                # What went wrong in one beat may be over at the next.
                log.exception("beat.failed")
            self._asked.wait(self._every_s)
