"""The files that are sent: valid FITS, each with a content of its own, the same ones each time."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

BLOCK: Final = 2880
MIB: Final = 1024 * 1024
SMALL: Final = 7 * BLOCK
"""Bytes of a small file: 20 kB, as a thumbnail or a guider frame has."""
LARGE: Final = -(-32 * MIB // BLOCK) * BLOCK
"""Bytes of a camera's image."""
FILES_A_FOLDER: Final = 100

_FIRST_NIGHT: Final = datetime(2026, 1, 1, 22, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Corpus:
    """A folder of files."""

    folder: Path
    files: int
    size: int
    """Bytes of each of them."""

    @property
    def bytes(self) -> int:
        """Bytes of all of them."""
        return self.files * self.size


def fill(
    folder: Path, *, files: int, size: int, first: int = 0, per_folder: int = FILES_A_FOLDER
) -> Corpus:
    """Write `files` files of `size` bytes (rounded up to FITS blocks), so many a sub-folder."""
    size = max(2, -(-size // BLOCK)) * BLOCK
    for number in range(first, first + files):
        place = folder / f"set-{number // per_folder:05}"
        if number % per_folder == 0 or number == first:
            place.mkdir(parents=True, exist_ok=True)
        (place / f"frame_{number:07}.fits").write_bytes(frame(number, size))
    return Corpus(folder, files, size)


def frame(number: int, size: int) -> bytes:
    """Return the bytes of a frame: a header, and noise that no other number has."""
    header = _header(number, size - BLOCK)
    noise = random.Random(number).randbytes(min(size - BLOCK, MIB))
    pieces = [header]
    for start in range(0, size - BLOCK, MIB):
        piece = start.to_bytes(8, "big") + noise[8:]
        pieces.append(piece[: size - BLOCK - start])
    return b"".join(pieces)


def _header(number: int, data_bytes: int) -> bytes:
    taken = _FIRST_NIGHT + timedelta(seconds=number)
    cards = [
        f"{'SIMPLE':8}= {'T':>20}",
        f"{'BITPIX':8}= {16:>20}",
        f"{'NAXIS':8}= {1:>20}",
        f"{'NAXIS1':8}= {data_bytes // 2:>20}",
        f"{'OBJECT':8}= 'M31     '",
        f"{'IMAGETYP':8}= 'LIGHT   '",
        f"{'FILTER':8}= 'R       '",
        f"{'EXPTIME':8}= {30.0:>20}",
        f"{'DATE-OBS':8}= '{taken:%Y-%m-%dT%H:%M:%S}'",
        "END",
    ]
    return "".join(f"{card:80}" for card in cards).ljust(BLOCK).encode("ascii")
