"""Files as cameras leave them: real FITS from astropy's own tests, and quickly made ones."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BLOCK = 2880


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fits_bytes(size: int = 4 * BLOCK, *, salt: int = 0, **cards: str) -> bytes:
    """Return a valid FITS file of `size` bytes (whole blocks, at least two), each salt another."""
    pixels = size - BLOCK
    lines = [
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    1",
        f"NAXIS1  = {pixels:20d}",
        f"SALT    = {salt:20d}",
        *(f"{key:<8}= '{value}'" for key, value in cards.items()),
        "END",
    ]
    header = "".join(f"{line:<80}" for line in lines).ljust(BLOCK)
    assert len(header) == BLOCK
    return header.encode() + hashlib.sha256(str(salt).encode()).digest() * (pixels // 32)


def make_fits(path: Path, size: int = 4 * BLOCK, *, salt: int = 0, **cards: str) -> Path:
    """Write such a file; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(fits_bytes(size, salt=salt, **cards))
    return path


def astropy_fits() -> list[Path]:
    """Return the FITS files that astropy ships for its own tests."""
    import astropy.io.fits.tests as shipped

    folder = Path(str(shipped.__file__)).parent / "data"
    return sorted(path for path in folder.iterdir() if path.suffix in (".fits", ".fit", ".gz"))


def arrived(stored: Sequence[dict[str, Any]], files: Iterable[Path]) -> bool:
    """Tell whether the server has each of `files` exactly once, with its bytes."""
    wanted = sorted((path.name, sha256_of(path)) for path in files)
    return sorted((one["name"], one["sha256"]) for one in stored) == wanted


def overflow_in(folder: Path) -> None:
    """Make and close more files than the kernel keeps events, none of them one to send (inotify(7)).

    Each has two events, twice what is needed: a process that was told to stop reads on for a while.
    """
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for n in range(most):
        (folder / f"{n}.tmp").touch()
