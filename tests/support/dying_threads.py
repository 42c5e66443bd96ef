"""A daemon of which one thread dies, as by an error that nobody foresaw.

    thread = MortalThread(tmp_path, home, "worker-")
    home.start()
    thread.dies()               # as soon as it has something to do

What does it is a `sitecustomize` of the daemon's Python: on SIGUSR1 it raises SystemExit in the
threads whose name, or whose class, begins with that word. An exception that is raised from outside
reaches a thread that waits in the kernel when its wait is over, and not before.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home

_SITE: Final = """
import ctypes, os, signal, threading

def die(number, frame):
    word = os.environ["TEST_DYING_THREAD"]
    hit = []
    for thread in threading.enumerate():
        if thread.name.startswith(word) or type(thread).__name__ == word:
            at = ctypes.c_ulong(thread.ident)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(at, ctypes.py_object(SystemExit))
            hit.append(thread.name)
    with open(os.environ["TEST_DYING_THREAD_TOLD"], "w") as file:
        file.write("\\n".join(hit) + "\\n")

signal.signal(signal.SIGUSR1, die)
"""


class MortalThread:
    """Made before the daemon is started; `word` is how the thread's name begins, or its class."""

    def __init__(self, folder: Path, home: Home, word: str) -> None:
        self._home = home
        self._told = folder / "thread_that_dies"
        site = folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(_SITE)
        home.environment |= {
            "PYTHONPATH": str(site),
            "TEST_DYING_THREAD": word,
            "TEST_DYING_THREAD_TOLD": str(self._told),
        }

    def dies(self) -> None:
        """Let it die at its next step; fails where there is no such thread."""
        self._home.signal(signal.SIGUSR1)
        wait_until(lambda: self._told.exists() and self._told.read_text(), what=self._home.told)
        assert self._told.read_text().strip(), "no thread of that name"
        for name in ("PYTHONPATH", "TEST_DYING_THREAD", "TEST_DYING_THREAD_TOLD"):
            del self._home.environment[name]
