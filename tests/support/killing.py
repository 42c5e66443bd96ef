"""A daemon that is killed again and again at moments of a seed, and started again each time."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.support.daemon import Home


IN_ITS_START: Final = 0.3
"""This share of the kills may come before the daemon says that it runs."""


def kill_again_and_again(home: Home, seed: int, *, times: int, within_s: float) -> list[str]:
    """Kill a running daemon so often, and start it each time; return what was done, in order.

    The last one is left running. What a seed decides is the moment: so long after the daemon's
    process, or its work, began. What it does then is up to the machine.
    """
    rng = random.Random(f"{seed} kills")
    pause = threading.Event()
    done: list[str] = []
    for _ in range(times):
        runs = rng.random() > IN_ITS_START
        if runs:
            home.wait_for_start()
        after_s = rng.uniform(0, within_s)
        pause.wait(after_s)
        assert home.daemon is not None
        assert home.daemon.poll() is None, f"it ended by itself: {home.told()}"
        home.kill()
        done.append(f"{after_s:.3f} s after its {'work' if runs else 'process'} began")
        home.start(wait=False)
    return done
