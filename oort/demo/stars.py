"""Pixels of an invented sky: what a cooled 16-bit camera would read out, frame after frame.

The star field is painted once; an exposure is that field shifted a little, as guiding does, under
fresh noise. Whole frames are added as one big integer with 16 bits a pixel, which is a thousand
times faster than pixel by pixel and needs no numpy. That works as long as no sum leaves its 16
bits: `FULL_WELL` and the noise's range see to it.
"""

from __future__ import annotations

import math
import sys
from array import array
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random

FULL_WELL: Final = 60_000
"""The brightest that a star gets, in counts: noise on top of it still fits 16 bits."""

BIAS_LEVEL: Final = 400
SKY_LEVEL: Final = 900
FLAT_LEVEL: Final = 24_000

_BYTES_PER_PIXEL: Final = 2
_NOISE_MEAN, _NOISE_SIGMA, _NOISE_MAX = 100.0, 15.0, 1_000
_NOISE_POOL: Final = 1 << 15
_STAR_SIGMA: Final = 1.7
_STAR_REACH: Final = 7
"""Pixels from the centre to the edge of the square that a star is painted in."""


class Sky:
    """A star field of `width` x `height` pixels; the same `rng` seed paints the same sky."""

    def __init__(self, width: int, height: int, rng: random.Random) -> None:
        self.width = width
        self.height = height
        self._rng = rng
        self._pool = _noise_pool(rng)
        self._field = self._paint()
        # FITS keeps unsigned 16 bits as signed ones with BZERO 32768: the top bit turned over.
        self._signed = int.from_bytes(b"\x80\x00" * (width * height))

    def light(self) -> bytes:
        """Return one exposure of the stars, as FITS wants its pixels."""
        shift = self._rng.randrange(-4, 5) * self.width + self._rng.randrange(-4, 5)
        cut = shift * _BYTES_PER_PIXEL % len(self._field)
        return self._read_out(self._field[cut:] + self._field[:cut])

    def bias(self) -> bytes:
        """Return a frame of no duration: the electronics' level and noise alone."""
        return self._read_out(_level(BIAS_LEVEL) * (self.width * self.height))

    def flat(self) -> bytes:
        """Return an evenly lit frame that darkens towards its upper and lower edge."""
        rows = (
            _level(round(FLAT_LEVEL * (1.0 - 0.3 * (2.0 * row / self.height - 1.0) ** 2)))
            * self.width
            for row in range(self.height)
        )
        return self._read_out(b"".join(rows))

    def _read_out(self, signal: bytes) -> bytes:
        total = int.from_bytes(signal) + int.from_bytes(self._noise())
        return (total ^ self._signed).to_bytes(len(signal))

    def _noise(self) -> bytes:
        row_bytes = self.width * _BYTES_PER_PIXEL
        pool = self._pool * (1 + row_bytes // len(self._pool))
        last = (len(pool) - row_bytes) // _BYTES_PER_PIXEL
        starts = (self._rng.randint(0, last) * _BYTES_PER_PIXEL for _ in range(self.height))
        return b"".join(pool[start : start + row_bytes] for start in starts)

    def _paint(self) -> bytes:
        field = array("H", [SKY_LEVEL]) * (self.width * self.height)
        for _ in range(max(20, self.width * self.height // 4_000)):
            self._paint_star(
                field,
                self._rng.uniform(0, self.width),
                self._rng.uniform(0, self.height),
                min(300.0 * self._rng.paretovariate(0.8), float(FULL_WELL)),
            )
        return _big_endian(field)

    def _paint_star(self, field: array[int], x: float, y: float, peak: float) -> None:
        columns = range(max(0, int(x) - _STAR_REACH), min(self.width, int(x) + _STAR_REACH))
        for row in range(max(0, int(y) - _STAR_REACH), min(self.height, int(y) + _STAR_REACH)):
            for column in columns:
                distance2 = (column - x) ** 2 + (row - y) ** 2
                light = peak * math.exp(-distance2 / (2.0 * _STAR_SIGMA**2))
                at = row * self.width + column
                field[at] = min(FULL_WELL, field[at] + int(light))


def _noise_pool(rng: random.Random) -> bytes:
    values = (round(rng.gauss(_NOISE_MEAN, _NOISE_SIGMA)) for _ in range(_NOISE_POOL))
    return _big_endian(array("H", (min(_NOISE_MAX, max(0, value)) for value in values)))


def _level(counts: int) -> bytes:
    return counts.to_bytes(_BYTES_PER_PIXEL)


def _big_endian(values: array[int]) -> bytes:
    if sys.byteorder == "little":
        values.byteswap()
    return values.tobytes()
