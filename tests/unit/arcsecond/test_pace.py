"""An answer that comes slowly is waited for; one that trickles is given up."""

from __future__ import annotations

import io

import pytest

from arcsecond.pace import LEAST_BYTES_PER_S, PATIENCE, Paced, TrickleError

READ_S = 2.0


class Trickle(io.RawIOBase):
    """Gives `size` bytes each `every_s` of a clock that only it moves."""

    def __init__(self, *, size: int, every_s: float) -> None:
        super().__init__()
        self.now = 100.0
        self._size = size
        self._every_s = every_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        self.now += self._every_s
        buffer[: self._size] = b"x" * self._size
        return self._size

    def monotonic(self) -> float:
        return self.now


def read_for(source: Trickle, seconds: float) -> int:
    """Read until so much time has passed; return how many bytes came."""
    paced = Paced(source, READ_S, source.monotonic)
    buffer = bytearray(65536)
    count = 0
    while source.now < 100.0 + seconds:
        count += paced.readinto(buffer) or 0
    return count


def test_a_trickle_is_given_up_when_patience_is_over() -> None:
    source = Trickle(size=1, every_s=READ_S / 2)

    with pytest.raises(TrickleError, match="only 21 bytes"):
        read_for(source, 10 * PATIENCE * READ_S)

    assert source.now == pytest.approx(100.0 + PATIENCE * READ_S, abs=READ_S)


def test_a_slow_answer_within_the_patience_is_read() -> None:
    assert read_for(Trickle(size=1, every_s=1.0), PATIENCE * READ_S) == PATIENCE * READ_S


def test_a_long_answer_at_the_least_pace_is_read_however_long_it_takes() -> None:
    size = int(LEAST_BYTES_PER_S)
    assert read_for(Trickle(size=size, every_s=1.0), 3600.0) == 3600 * size


def test_closing_closes_the_source() -> None:
    source = Trickle(size=1, every_s=1.0)
    Paced(source, READ_S).close()

    assert source.closed
