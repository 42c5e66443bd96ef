"""The tools that Oort is compared with: what they are called, how they are run, whether they are here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests

from benchmarks.sink import DATASET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that uploads a folder."""

    name: str
    command: Callable[[str, Path, Path], list[str | Path]]
    """Of the server's address, the folder, and a place for files of its own."""
    program: str | None = None
    """What has to be installed; None where Python is enough."""

    @property
    def missing(self) -> str | None:
        """What is missing to run it."""
        if self.program is None or shutil.which(self.program):
            return None
        return f"{self.program} is not installed"


def requests_threads(threads: int) -> Peer:
    """Bare `requests`, with so many threads."""
    return Peer(
        f"requests, {threads} threads",
        lambda url, folder, _: [
            *(sys.executable, "-m", "benchmarks.plain_requests"),
            *(url, folder, str(threads)),
        ],
    )


def curl(connections: int) -> Peer:
    """One curl with so many connections."""

    def command(url: str, folder: Path, place: Path) -> list[str | Path]:
        config = place / "curl.cfg"
        config.write_text("\nnext\n".join(_curl_block(url, path) for path in _files(folder)))
        most = str(connections)
        parallel = ["--parallel", "--parallel-immediate", "--parallel-max", most]
        return ["curl", "--silent", *parallel, "--config", config]

    return Peer(f"curl -Z, {connections} connections", command, "curl")


def rclone(transfers: int) -> Peer:
    """Run rclone with so many transfers, to what it takes for an S3 store."""
    return Peer(
        f"rclone, {transfers} transfers",
        lambda url, folder, _: [
            *("rclone", "copy", folder, ":s3:null/x", "--config", "", "--s3-endpoint", url),
            *("--s3-provider", "Other", "--s3-access-key-id", "k", "--s3-secret-access-key", "s"),
            *("--s3-force-path-style", "--s3-no-check-bucket", "--s3-no-head"),
            *("--s3-upload-cutoff", "5Gi", "--s3-disable-checksum"),
            *("--no-check-dest", "--ignore-checksum"),
            *("--transfers", str(transfers), "--checkers", str(transfers)),
        ],
        "rclone",
    )


def versions() -> dict[str, str]:
    """Return which versions of the peers are here."""
    found = {"requests": requests.__version__}
    for program in ("curl", "rclone"):
        if shutil.which(program):
            told = subprocess.run(
                [program, "--version"], capture_output=True, text=True, check=False
            ).stdout
            number = re.search(r"\d+\.\d+\S*", told)
            found[program] = number[0] if number else "unknown"
        else:
            found[program] = "not installed"
    return found


def _files(folder: Path) -> list[str]:
    return [f"{place}/{name}" for place, _, names in os.walk(folder) for name in names]


def _curl_block(url: str, path: str) -> str:
    return "\n".join(
        [
            f'url = "{url}/datafiles/"',
            f'form = "dataset={DATASET}"',
            f'form = "file=@{path};type=application/octet-stream"',
            'header = "X-Arcsecond-API-Authorization: Key bench"',
            'header = "Expect:"',
            'output = "/dev/null"',
            "fail",
        ]
    )
