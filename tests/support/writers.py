"""Programs that take their time over a file: each is a generator that writes a piece and yields.

    for _ in grown(path, content):
        …                       # the file is not finished, and must not go out
    …                           # now it is, with exactly `content`

Between two pieces such a program has its file in whatever state its kind leaves it: open, closed,
mapped, of its final size or not.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    Writer = Iterator[None]

PIECES = 4
BEFORE_REOPENING_S = 0.1
"""Less than the 0.2 s for which a closed file that is whole must be quiet by default."""


def pieces_of(content: bytes, count: int = PIECES) -> Iterator[tuple[int, bytes]]:
    """Yield the content in so many pieces, each with its place."""
    step = -(-len(content) // count)
    for at in range(0, len(content), step):
        yield at, content[at : at + step]


def grown(path: Path, content: bytes) -> Writer:
    """Write from front to back with the file held open."""
    with path.open("wb") as file:
        for _, piece in pieces_of(content):
            file.write(piece)
            file.flush()
            yield


def grown_then_headed(path: Path, content: bytes) -> Writer:
    """The same, close, and right afterwards write the first block anew by another handle."""
    with path.open("wb") as file:
        draft = content[: 4 * 80] + b"DRAFT   =                    T".ljust(80) + content[5 * 80 :]
        for _, piece in pieces_of(draft):
            file.write(piece)
            file.flush()
            yield
    time.sleep(BEFORE_REOPENING_S)
    with path.open("r+b") as file:
        yield
        file.write(content[:2880])


def preallocated(path: Path, content: bytes) -> Writer:
    """Reserve the whole size with fallocate(2), then fill it with the file held open."""
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, len(content))
        yield from _filled(file, content)


def sized(path: Path, content: bytes) -> Writer:
    """Set the whole size with ftruncate(2), then fill it with the file held open."""
    with path.open("wb") as file:
        file.truncate(len(content))
        yield from _filled(file, content)


def _filled(file: BinaryIO, content: bytes) -> Writer:
    for at, piece in pieces_of(content):
        file.seek(at)
        file.write(piece)
        file.flush()
        yield


def sized_then_closed_after_each_piece(path: Path, content: bytes) -> Writer:
    """Set the whole size, then open, fill and close again and again."""
    with path.open("wb") as file:
        file.truncate(len(content))
    for at, piece in pieces_of(content):
        with path.open("r+b") as file:
            file.seek(at)
            file.write(piece)
        if at + len(piece) < len(content):
            yield


def mapped(path: Path, content: bytes) -> Writer:
    """Write zeros of the whole size, map them, close the file, and write through the map."""
    with path.open("w+b") as file:
        file.write(content[:2880] + bytes(len(content) - 2880))
        file.flush()
        view = mmap.mmap(file.fileno(), len(content))
    for at, piece in pieces_of(content):
        view[at : at + len(piece)] = piece
        yield
    view.close()


def take_turns(writers: Iterable[Writer], *, pause_s: float) -> Iterator[None]:
    """Have each writer write its next piece, wait, yield, and so on until all are done."""
    running = list(writers)
    while running:
        running = [one for one in running if next(one, _DONE) is None]
        if running:
            time.sleep(pause_s)
            yield


_DONE = object()


def write_at_rate(
    file: BinaryIO, content: bytes, *, bytes_per_s: int, pause_every: int, pause_s: float
) -> Iterator[None]:
    """Write at a rate, in tenths of a second; yield after each pause."""
    step = bytes_per_s // 10
    for number, at in enumerate(range(0, len(content), step)):
        if number and number * step % pause_every < step:
            time.sleep(pause_s)
            yield
        file.write(content[at : at + step])
        file.flush()
        time.sleep(0.1)


@contextlib.contextmanager
def appending(path: Path, *, every_s: float = 0.05) -> Iterator[None]:
    """Have a thread open, append to and close a file again and again, for the time of the block."""
    ending = threading.Event()

    def append() -> None:
        while not ending.wait(every_s):
            with path.open("ab") as file:
                file.write(b"2026-11-28 20:00:00 the mount is tracking\n")

    thread = threading.Thread(target=append, name="appending")
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
