"""Waiting for something to become true, instead of sleeping and hoping."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def wait_until(
    predicate: Callable[[], T],
    *,
    timeout_s: float = 20.0,
    every_s: float = 0.02,
    what: str | Callable[[], str] = "it never became true",
) -> T:
    """Return the first true value of `predicate`; fail with `what` after `timeout_s` seconds.

    A look that costs something, a process perhaps, is followed by a rest of twice that: others
    wait on this machine too.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        began = time.monotonic()
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(what() if callable(what) else what)
        time.sleep(max(every_s, 2 * (time.monotonic() - began)))
