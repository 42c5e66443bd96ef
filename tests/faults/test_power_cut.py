"""The power fails at any moment of a daemon's life."""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.files import arrived, make_fits
from tests.support.power_cut import OPTIONS, Recording
from tests.support.queue_file import FileRow, is_sound, rows_of, take_in
from tests.support.syscalls import needs_strace, under_strace
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

SEED: Final = 1
COUNT: Final = 5
HEAD: Final = 32
FRAME: Final = 24 + 4096
"""A log is a head and pages, each with a head of its own (sqlite.org/fileformat.html)."""


@pytest.mark.slow
@pytest.mark.linux
@pytest.mark.timeout(300)
def test_what_was_sent_or_shown_outlives_a_power_cut(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Whatever the daemon has told the server, or a reader of its queue, is on the disk by then.

    1. A life of a daemon is recorded, call by call: it makes its queue, sends five files, ends.
       Each sync is made slow, so that what does not wait for it comes before it.
    2. As soon as a reader of the queue sees one file more as safe, the daemon gets a mark (SIGCONT).
    3. For each moment between two calls the queue is put together as a disk may have it after a
       cut then: what was synced, and any part of what was written since, torn ones too.
    4. Each of these opens and is sound; a file whose first byte had gone out is known as one that
       may be stored; as many files are safe as a reader had seen.
    """
    needs_strace()
    folder = tmp_path / "dome"
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(COUNT)]
    home.watch(folder)
    queue = home.folder / "oort" / "oort.db"
    record = tmp_path / "record"
    slow = ("-e", "inject=fdatasync:delay_enter=40ms")
    home.start(under=under_strace(record, *OPTIONS, *slow))
    _mark_what_is_safe(home, queue)
    assert home.stop() == 0
    assert arrived(sandbox.files(), files)

    rng = random.Random(SEED)
    recording = Recording(record, queue.parent)
    sent: set[str] = set()
    seen = moments = 0
    for event in recording.play():
        if event.kind == "sent":
            sent |= {file.name for file in files if f'"{file.name}"'.encode() in event.data}
        elif event.kind == "signal":
            seen += event.name == "SIGCONT"
        for chance in (rng,) if event.kind == "write" else (None, rng):
            moments += 1
            image = tmp_path / "image"
            recording.leave(image, chance)
            rows = _opened(image / "oort.db")
            known = {row.path for row in rows if row.is_safe or row.may_be_stored}
            assert sent <= known, (event, rows)
            assert sum(row.is_safe for row in rows) >= seen, (event, rows)
            shutil.rmtree(image)
    assert (len(sent), seen) == (COUNT, COUNT)
    assert moments > 100  # else the record was not understood


@pytest.mark.nightly
@pytest.mark.slow
def test_log_of_the_queue_cut_anywhere(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Whatever is missing at the end of the queue's log, the queue opens, and no file is there twice.

    1. Files are sent; the daemon is killed, so that its log (-wal) holds what was done.
    2. The log is cut to each of many lengths, at the ends of its pages and within them: the queue
       opens each time, sound.
    3. Daemons go on with a log that was cut in its first page, in its middle and by a byte: each
       file is at the server once, whole, and nobody has to help.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(COUNT)]
    home.watch(folder)
    home.start()
    home.wait_for(OK=COUNT)
    home.kill()
    state = home.folder / "oort"
    left = tmp_path / "left"
    shutil.copytree(state, left)
    log = (left / "oort.db-wal").read_bytes()
    assert len(log) > 10 * FRAME
    rng = random.Random(SEED)
    ends = range(HEAD, len(log), FRAME)
    for length in {0, 1, *ends[:: len(ends) // 20], *rng.sample(range(len(log)), 20)}:
        image = tmp_path / "image"
        image.mkdir()
        shutil.copy(left / "oort.db", image)
        (image / "oort.db-wal").write_bytes(log[:length])
        _opened(image / "oort.db")
        shutil.rmtree(image)

    for length in (HEAD + FRAME // 2, len(log) // 2, len(log) - 1):
        shutil.rmtree(state)
        shutil.copytree(left, state)
        os.truncate(state / "oort.db-wal", length)
        home.start()
        wait_until(
            lambda: sum(row.is_safe for row in rows_of(state / "oort.db")) == COUNT,
            timeout_s=60,
            every_s=0.1,
            what=home.told,
        )
        assert arrived(sandbox.files(), files), length
        assert not home.status()["attention"]
        assert home.stop() == 0


def _mark_what_is_safe(home: Home, queue: Path) -> None:
    assert home.daemon is not None
    seen = 0

    def count() -> int:
        return sum(row.is_safe for row in rows_of(queue))

    while seen < COUNT:
        safe = wait_until(lambda shown=seen: _safe_if_more(queue, shown), every_s=0.001)
        for _ in range(safe - seen):
            os.kill(home.daemon.pid, signal.SIGCONT)
            threading.Event().wait(0.02)  # two of the same that come at once are one
        seen = safe


def _safe_if_more(queue: Path, shown: int) -> int:
    """Return how many files are safe, 0 where they are no more than were shown."""
    safe = sum(row.is_safe for row in rows_of(queue))
    return safe if safe > shown else 0


def _opened(queue: Path) -> list[FileRow]:
    """Open a queue as the next start does, and look at it."""
    if not queue.exists():
        return []
    take_in(queue)
    assert is_sound(queue)
    return rows_of(queue)
