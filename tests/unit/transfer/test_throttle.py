from __future__ import annotations

import threading
import time

import pytest

from oort.transfer.throttle import TokenBucket


class Time:
    """A clock that goes on only when somebody waits; `at` happens on the way."""

    def __init__(self) -> None:
        self.now = 100.0
        self.plan: list[tuple[float, object]] = []
        self.stopped = False

    def monotonic(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return self.stopped

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.now += timeout
        while self.plan and self.plan[0][0] <= self.now:
            act = self.plan.pop(0)[1]
            assert callable(act)
            act()
        return self.stopped


def send(bucket: TokenBucket, clock: Time, *, until: float, block: int) -> int:
    sent = 0
    while bucket.take(block, clock) and clock.now <= until:
        sent += block
    return sent


@pytest.mark.parametrize("rate", [50_000.0, 1_000_000.0, 80_000_000.0])
def test_ten_seconds_carry_what_the_rate_says(rate: float) -> None:
    clock = Time()
    bucket = TokenBucket(rate, monotonic=clock.monotonic)
    block = int(rate / 50)
    sent = send(bucket, clock, until=110.0, block=block)
    assert sent == pytest.approx(rate * 10, rel=0.05)


def test_no_rate_never_waits() -> None:
    clock = Time()
    bucket = TokenBucket(None, monotonic=clock.monotonic)
    for _ in range(1000):
        assert bucket.take(1 << 20, clock)
    assert clock.now == 100.0


def test_a_pause_lets_nothing_out_until_it_is_over() -> None:
    clock = Time()
    bucket = TokenBucket(0.0, monotonic=clock.monotonic)
    clock.plan = [(160.0, lambda: bucket.set_rate(None))]
    assert bucket.take(1, clock)
    assert clock.now == pytest.approx(160.0, abs=0.5)


def test_a_new_rate_is_taken_by_who_waits_already() -> None:
    clock = Time()
    bucket = TokenBucket(10.0, monotonic=clock.monotonic)
    clock.plan = [(105.0, lambda: bucket.set_rate(1_000_000.0))]
    assert bucket.take(10_000, clock)  # 1,000 s by the old rate
    assert clock.now == pytest.approx(105.0, abs=0.5)


@pytest.mark.parametrize(("before", "after"), [(1e6, 2e6), (2e6, 5e5), (5e4, 8e7)])
def test_ten_seconds_after_a_change_carry_what_the_new_rate_says(
    before: float, after: float
) -> None:
    """A block of a fiftieth of a second of the slower rate, for whoever waits when it changes."""
    clock = Time()
    bucket = TokenBucket(before, monotonic=clock.monotonic)
    clock.plan = [(105.0, lambda: bucket.set_rate(after))]
    block = int(min(before, after) / 50)
    send(bucket, clock, until=105.2, block=block)
    began = clock.now
    sent = send(bucket, clock, until=began + 10.0, block=block)
    assert sent == pytest.approx(after * 10, rel=0.05)


def test_what_went_out_without_a_limit_is_not_owed_afterwards() -> None:
    clock = Time()
    bucket = TokenBucket(None, monotonic=clock.monotonic)
    bucket.take(1_000_000_000, clock)
    bucket.set_rate(1000.0)
    assert bucket.take(1000, clock)
    assert clock.now == pytest.approx(101.0, abs=0.3)


def test_an_idle_line_saves_nothing_up() -> None:
    clock = Time()
    bucket = TokenBucket(1000.0, monotonic=clock.monotonic)
    clock.now += 3600
    start = clock.now
    assert bucket.take(10_000, clock)
    assert clock.now - start == pytest.approx(10.0, rel=0.05)


def test_a_stop_ends_the_wait_and_gives_the_bytes_back() -> None:
    clock = Time()
    bucket = TokenBucket(1000.0, monotonic=clock.monotonic)

    def stop() -> None:
        clock.stopped = True

    clock.plan = [(101.0, stop)]
    assert not bucket.take(1_000_000, clock)
    clock.stopped = False
    start = clock.now
    assert bucket.take(1000, clock)
    assert clock.now - start <= 1.1


def test_workers_share_one_rate() -> None:
    bucket = TokenBucket(4_000_000.0, monotonic=time.monotonic)
    stop = threading.Event()
    started = time.monotonic()

    def work() -> None:
        for _ in range(25):
            bucket.take(20_000, stop)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 100 blocks of 20 kB at 4 MB/s cannot be through before half a second has passed.
    assert time.monotonic() - started >= 0.4
