"""A home folder of its own for each run, and the daemon in it: as a user sets it up, by commands."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final

from benchmarks.sink import DATASET

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_KEY: Final = "0b10ad00000000000000000000000001"
_STOP_S: Final = 30.0
QUICK_SETTLE: Final = {"settle_s": "0.1"}
"""So that a run times the pipeline, not the wait for files that are quiet anyway."""


class Home:
    """`build` is the folder with the commands `oort` and `arcsecond` that are measured."""

    def __init__(self, folder: Path, build: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.build = build
        self.daemon: subprocess.Popen[bytes] | None = None
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "OORT_HOME": str(folder / "oort"),
            "ARCSECOND_CONFIG_DIR": str(folder / "arcsecond"),
        }

    def __enter__(self) -> Home:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, program: str, *words: str | Path) -> str:
        """Run `oort` or `arcsecond`; return what it said. Raises CalledProcessError."""
        done = subprocess.run(
            [self.build / program, *words],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def log_in(self, url: str) -> None:
        """Make the server known, and the key."""
        self.run("arcsecond", "api", "add", "bench", url)
        self.run("arcsecond", "api", "use", "bench")
        self.run("arcsecond", "login", "--username", "bench", "--upload_key", _KEY)

    def set(self, settings: Mapping[str, str]) -> None:
        """Change settings of config.toml."""
        for key, value in settings.items():
            self.run("oort", "config", "set", key, value)

    def watch(self, folder: Path, *options: str) -> None:
        """Watch a folder; its files go into the one dataset."""
        self.run("oort", "watch", folder, "-d", DATASET, "-y", *options)

    def start(self) -> int:
        """Start the daemon; return its process id at once."""
        with (self.folder / "daemon.log").open("ab") as log:
            self.daemon = subprocess.Popen(
                [self.build / "oort", "start"],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self.daemon.pid

    def status(self) -> dict[str, Any]:
        """Return `oort status --json`."""
        document: dict[str, Any] = json.loads(self.run("oort", "status", "--json"))
        return document

    def wait_until_watching(self, *, timeout_s: float = 60.0) -> None:
        """Wait until the daemon runs, and has scanned each of its folders once."""
        deadline = time.monotonic() + timeout_s
        while True:
            status = self.status()
            watches = status["watches"]
            is_there = status["daemon"]["running"] and watches
            if is_there and all(watch["last_scan_at"] for watch in watches):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"not watching after {timeout_s:.0f} s: {watches}")
            time.sleep(0.2)

    def stored(self) -> int:
        """Return how many files the queue says are stored."""
        return int(self.status()["queue"]["by_status"]["OK"])

    def wait_for_ok(self, files: int, *, timeout_s: float = 30.0) -> None:
        """Wait until the queue says of so many files that they are stored. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while (stored := self.stored()) < files:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{stored} of {files} files are OK in the queue")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the daemon as a service manager does. Raises RuntimeError where it does not end well."""
        if self.daemon is None:
            return
        daemon, self.daemon = self.daemon, None
        daemon.send_signal(signal.SIGTERM)
        try:
            code = daemon.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
            raise
        if code:
            log = (self.folder / "daemon.log").read_text(errors="replace")
            raise RuntimeError(f"the daemon ended with {code}: {log[-2000:]}")
