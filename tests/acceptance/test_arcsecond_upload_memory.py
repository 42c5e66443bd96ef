"""What `arcsecond upload` needs of memory: not the file's size, and little for each file of many."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from arcsecond.tags import sha256_tag
from arcsecond.upload.context import UploadContext
from arcsecond.upload.index import RemoteIndex
from arcsecond.upload.plan import make_plan
from arcsecond.upload.walker import walk_folder_and_upload
from tests.support.client import log_in, write_files
from tests.support.discarding import Discarding

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

ARCSECOND = str(Path(sys.executable).with_name("arcsecond"))
MIB = 1024 * 1024


LAUNCHER = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""
"""Starts the command from a small process: until execve(2) a child counts its parent's memory."""


def peak_of(*arguments: str) -> int:
    """Run the command; return the most bytes of memory that it had (getrusage(2): KiB on Linux)."""
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, ARCSECOND, "upload", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout) * 1024


@pytest.mark.slow
def test_a_file_larger_than_the_memory_it_gets_is_sent(sandbox: Sandbox, tmp_path: Path) -> None:
    """A sparse file of 512 MiB, hashed and sent, within a fifth of that."""
    folder = write_files(tmp_path / "M31", {"large.fits": ""})
    os.truncate(folder / "large.fits", 512 * MIB)
    with Discarding(sandbox.url) as server:
        log_in(sandbox, at=server.url)
        peak = peak_of(str(folder), "-d", "M31", "-y")
        assert server.sizes == [512 * MIB]
    assert peak < 100 * MIB


def test_a_listing_of_many_costs_what_is_known_of_each_file(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """100,000 files in one bare array of 51 MB: parsed whole, they take 260 MiB."""
    folder = write_files(tmp_path / "M31", {"M31_L_00007.fits": "x"})
    dataset = sandbox.create_dataset("M31")
    listing = json.dumps([data_file(number, dataset) for number in range(100_000)]).encode()
    with Discarding(sandbox.url, listing=listing) as server:
        log_in(sandbox, at=server.url)
        peak = peak_of(str(folder), "-d", dataset, "-y")
        assert server.sizes == []  # it was found in the listing
    assert peak < 110 * MIB


def data_file(number: int, dataset: str) -> dict[str, object]:
    """Return a data file of one byte as a server lists it."""
    return {
        "pk": number,
        "name": f"M31_L_{number:05}.fits",
        "dataset": dataset,
        "size": 1,
        "file": f"https://files.example.org/{dataset}/M31_L_{number:05}.fits",
        "tags": [
            sha256_tag(hashlib.sha256(b"x").hexdigest()),
            "oort|machine|dome-pc-1",
            "oort|folder|/home/observer/nights/M31",
        ],
        "creation_date": "2026-03-01T21:14:03.123456Z",
        "last_update": "2026-03-01T21:14:03.123456Z",
        "is_raw": True,
        "observation": None,
        "target_name": None,
    }


def test_a_file_of_many_costs_a_name(tmp_path: Path) -> None:
    """The names are kept, to tell doubles and renamed ones; nothing else grows with the folder."""
    names = [f"night 12/M31_L_{n:05}.fits" for n in range(10_000)]
    folder = write_files(tmp_path / "M31", dict.fromkeys(names, "x"))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        plan = make_plan(folder, RemoteIndex(), lambda _: None)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert plan.files == len(names)
    assert (after - before) / len(names) < 200


def test_a_failure_keeps_its_words_and_not_the_blocks_it_was_met_with(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "M31", {f"{n}.fits": "x" * n for n in range(1, 5)})
    sandbox.rule(method="POST", path="/datasets/", status=400)
    context = UploadContext(log_in(sandbox), dataset_uuid_or_name="M31")
    report = walk_folder_and_upload(context, folder)
    assert report.failures
    for failure in report.failures:
        assert str(failure.error)
        assert failure.error.__traceback__ is None
        assert failure.error.__context__ is None
