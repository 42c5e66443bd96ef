"""A whole bad night in a minute: everything that can go wrong does, at once."""

from __future__ import annotations

import os
import signal
import sqlite3
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.campaign import Cameras, Trouble
from tests.support.nights import all_there_once, drained, needs_nobody, sent_whole_once

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

# `make campaign SEED=4,5,6` tries others.
SEEDS: Final = [int(seed) for seed in os.environ.get("OORT_TEST_SEEDS", "1,2,3").split(",")]

FILES: Final = 600
OVER_S: Final = 60.0
WRITERS: Final = 6
KILLS_S: Final = (4.0, 6.0)
SETTLE_S: Final = 1.0


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", SEEDS)
def test_bad_night(home: Home, sandbox: Sandbox, tmp_path: Path, seed: int) -> None:
    """Every file is at the server once, whole, after a night of kills, cuts and refusals.

    1. Six cameras write six hundred files of all kinds within a minute.
    2. The server's mood changes every second; the daemon is killed, or ended, every five.
    3. The trouble ends: every file is safe, once and whole; no other file ever was at the server,
       no dataset is there twice, and nothing needs a person. What the server had taken was not
       sent to its end again, but for what a kill left on its way.
    """
    print(f"seed {seed}")  # noqa: T201  # shown with a failure
    folder = tmp_path / "dome"
    folder.mkdir()
    home.configure({"max_attempts": "1000", "settle_s": str(SETTLE_S)})
    home.watch(folder)
    home.start()
    cameras = Cameras(folder, seed, files=FILES, over_s=OVER_S, threads=WRITERS)
    with Trouble(home, sandbox, seed, kills_s=KILLS_S) as trouble:
        cameras.start()
        cameras.join()
    assert set(trouble.codes) <= {0, -signal.SIGTERM, -signal.SIGKILL}, home.told()
    assert len(trouble.codes) > OVER_S / KILLS_S[1] / 2
    assert len(cameras.written) >= FILES

    rows = drained(home, len(cameras.written), lambda: f"seed {seed}: {trouble.said}")

    needs_nobody(rows, cameras, settle_s=SETTLE_S)
    all_there_once(sandbox, cameras)
    sent_whole_once(sandbox, kills=len(trouble.codes))
    assert not home.status()["attention"]
    assert home.stop() == 0
    with sqlite3.connect(f"file:{home.folder / 'oort' / 'oort.db'}?mode=ro", uri=True) as queue:
        assert queue.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
