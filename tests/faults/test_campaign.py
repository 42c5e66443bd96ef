"""A whole bad night in half a minute: everything that can go wrong does, at once."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.campaign import Cameras, Trouble
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

# Others may be tried: OORT_TEST_SEEDS=2,3,4 python -m pytest tests/faults/test_campaign.py
SEEDS = [int(seed) for seed in os.environ.get("OORT_TEST_SEEDS", "1").split(",")]

COUNT = 70
"""Folders count as one, and have three files each."""
OVER_S = 10.0
EVERY_S = (2.5, 4.5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_bad_night(home: Home, sandbox: Sandbox, tmp_path: Path, seed: int) -> None:
    """Every file is at the server once, whole, after a night of kills, cuts and refusals.

    1. Four cameras write about a hundred files of several kinds within some fifteen seconds.
    2. The server's mood changes every second; the daemon is killed, or ended, every three or four.
    3. The trouble ends: within a minute every file is safe, once and whole, and nothing is in Error.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.configure({"max_attempts": "100"})
    home.watch(folder)
    home.start()
    cameras = Cameras(folder, seed, count=COUNT, over_s=OVER_S, threads=4)
    with Trouble(home, sandbox, seed, every_s=EVERY_S) as trouble:
        cameras.start()
        cameras.join()
    assert trouble.codes <= {0, -signal.SIGTERM, -signal.SIGKILL}, home.told()

    rows: list[dict[str, Any]] = []

    def settled() -> bool:
        rows[:] = home.json("uploads", "--limit", "1000")
        return len(rows) >= len(cameras.written) and not [
            row for row in rows if row["status"] not in ("OK", "Skipped", "Error")
        ]

    wait_until(
        settled,
        timeout_s=60,
        every_s=0.5,
        what=lambda: (
            f"{len(rows)} of {len(cameras.written)}: {_open(rows)}\n"
            f"seed {seed}: {trouble.said}\n{home.told()}"
        ),
    )
    late = {row["path"] for row in rows if row["substatus"] == "changed after upload"}
    assert not [(row["path"], row["error"]) for row in rows if row["status"] == "Error"]
    assert not [
        row
        for row in rows
        if row["status"] == "Skipped"
        and row["substatus"] not in ("changed after upload", "already synced")
    ]
    assert all("rewritten" in path for path in late)
    stored = Counter(file["sha256"] for file in sandbox.files())
    assert stored.total() == len(cameras.written), _differences(cameras, sandbox)
    for path, versions in cameras.written.items():
        assert sum(stored[version] for version in versions) == 1, (path, sandbox.files())
    datasets = Counter(dataset["name"] for dataset in _datasets(sandbox))
    assert set(datasets.values()) == {1}, datasets
    assert home.stop() == 0
    with sqlite3.connect(f"file:{home.folder / 'oort' / 'oort.db'}?mode=ro", uri=True) as queue:
        assert queue.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _open(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["status"] not in ("OK", "Skipped", "Error")]


def _differences(cameras: Cameras, sandbox: Sandbox) -> object:
    wanted = {version for versions in cameras.written.values() for version in versions}
    files = sandbox.files()
    there = Counter(file["sha256"] for file in files)
    return (
        [path for path, versions in cameras.written.items() if not versions & set(there)],
        [file for file in files if there[file["sha256"]] > 1 or file["sha256"] not in wanted],
    )


def _datasets(sandbox: Sandbox) -> list[dict[str, Any]]:
    found = sandbox.get("/datasets/?page_size=1000").json()
    return list(found["results"] if isinstance(found, dict) else found)
