"""The daemon is killed again and again while files are found, claimed, sent and recorded."""

from __future__ import annotations

import os
import random
import threading
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.files import BLOCK, arrived, make_fits
from tests.support.killing import kill_again_and_again
from tests.support.queue_file import is_sound, rows_of
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

# Another one may be tried: OORT_TEST_SEED=7 python -m pytest tests/faults/test_killed_at_random_moments.py
SEED: Final = int(os.environ.get("OORT_TEST_SEED", "1"))
BLOCKS: Final = (2, 4, 10, 40, 150)
WORKERS: Final = 4
LIFE_S: Final = 1.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "kills"),
    [
        pytest.param(60, 20, id=f"20 kills, seed {SEED}", marks=pytest.mark.timeout(400)),
        pytest.param(500, 200, id="200 kills", marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
    ],
)
def test_killed_at_random_moments(
    home: Home,
    sandbox: Sandbox,
    tmp_path: Path,
    files: int,
    kills: int,
) -> None:
    """However often the daemon is killed, every file is at the server once and whole.

    1. A camera writes files as long as the daemon is being killed, at moments of a seed: while it
       starts, finds files, claims, creates the dataset, sends, tags and records.
    2. The server reads slowly, and answers late, so that many kills come in the middle of it.
    3. In the end each file is there once with its SHA-256, no dataset is there twice, no file was
       received whole more often than it was killed, the queue is sound, and nobody has to help.
    """
    home.configure({"max_attempts": "1000", "workers": str(WORKERS)})
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    sandbox.rule(method="POST", path="/datafiles/$", read_bytes_per_s=600_000, delay_s=0.15)
    home.start()
    camera = _Camera(folder, files, over_s=kills * LIFE_S)
    camera.start()
    done = kill_again_and_again(home, SEED, times=kills, within_s=LIFE_S)
    camera.join()
    sandbox.clear()
    queue = home.folder / "oort" / "oort.db"

    wait_until(
        lambda: sum(row.is_safe for row in rows_of(queue)) >= files,
        timeout_s=60 + files,
        every_s=0.5,
        what=lambda: (
            f"seed {SEED}, killed {done}: "
            f"{[row for row in rows_of(queue) if not row.is_safe]}\n{home.told()}"
        ),
    )
    assert arrived(sandbox.files(), camera.written)
    datasets = [one["name"] for one in sandbox.datasets()]
    assert sorted(datasets) == ["dome", "dome/darks/cold", "dome/lights"]
    posts = sandbox.uploads()
    whole = [post["file"] for post in posts if post["body_complete"]]
    assert len(whole) - len(set(whole)) <= kills
    assert len(posts) - files <= kills * WORKERS
    assert not home.status()["attention"]
    home.wait_for_start()  # the last one may have had nothing left to do
    assert home.stop() == 0
    assert is_sound(queue)


class _Camera(threading.Thread):
    """Writes FITS files, small ones and larger ones, evenly over a time."""

    def __init__(self, folder: Path, count: int, *, over_s: float) -> None:
        super().__init__(name="camera")
        self.written: list[Path] = []
        self._folder = folder
        self._count = count
        self._pause_s = over_s / count

    def run(self) -> None:
        """Write them all."""
        rng = random.Random(f"{SEED} camera")
        pause = threading.Event()
        for number in range(self._count):
            night = self._folder / rng.choice(("", "lights", "darks/cold"))
            size = rng.choice(BLOCKS) * BLOCK
            self.written.append(make_fits(night / f"{number}.fits", size, salt=number))
            pause.wait(self._pause_s)
