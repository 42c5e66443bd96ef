"""The bandwidth limit as the server sees it."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

from oort.policy.outcome import Stored

if TYPE_CHECKING:
    from tests.support.attempts import Night

RATE = 1_000_000
SECONDS = 2


def test_a_limit_is_kept_in_small_steps(night: Night) -> None:
    night.around.throttle.set_rate(RATE)
    started = time.monotonic()
    outcome = night.bring("a.fits", bytes(RATE * SECONDS)).outcome
    took_s = time.monotonic() - started
    assert isinstance(outcome, Stored)
    assert took_s >= 0.95 * SECONDS
    # A block is small beside what the limit lets through in a second: the rate is kept in each
    # second, not only in the end.
    steps = [after - before for before, after in itertools.pairwise(night.around.progressed)]
    assert max(steps) <= RATE // 4


def test_a_limit_that_is_lifted_lets_the_upload_run(night: Night) -> None:
    night.around.throttle.set_rate(1000)
    seen = []

    def lift(bytes_sent: int) -> None:
        seen.append(bytes_sent)
        night.around.throttle.set_rate(None)

    night.around.progress = lift  # type: ignore[method-assign]  # a point in time, not a behaviour
    started = time.monotonic()
    assert isinstance(night.bring("a.fits", bytes(3_000_000)).outcome, Stored)
    assert time.monotonic() - started < 30  # 50 minutes by the first limit
