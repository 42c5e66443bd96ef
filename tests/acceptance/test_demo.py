"""`oort demo` as a process: the night ends in a proof, an honest one, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ARRIVED = "All 10 files are at the server, once each, byte for byte"
INTERRUPTED = 130


class Demo:
    """A running `oort demo --fast`, with its temporary homes where the test can see them."""

    def __init__(self, temporary: Path, *options: str) -> None:
        self.temporary = temporary
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "oort", "demo", "--fast", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            env={**os.environ, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"},
        )
        self._reader = threading.Thread(target=self._read, name="reader")
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.lines.extend(iter(self._process.stdout.readline, ""))

    @property
    def output(self) -> str:
        return "".join(self.lines)

    @property
    def homes(self) -> list[Path]:
        return list(self.temporary.glob("oort-demo-*"))

    @property
    def pids(self) -> list[int]:
        return [int(pid) for pid in re.findall(r"\bpid (\d+)", self.output)]

    def wait_for(self, words: str) -> None:
        wait_until(lambda: words in self.output, timeout_s=120, what=lambda: self.output)

    def interrupt(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        """Wait for the end and return the exit code."""
        code = self._process.wait(200)
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self.end()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    started: list[Demo] = []

    def _start(*options: str) -> Demo:
        started.append(Demo(temporary, *options))
        return started[-1]

    yield _start
    for demo in started:
        demo.kill()


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def assert_nothing_is_left(demo: Demo) -> None:
    assert demo.homes == []
    assert demo.pids
    assert [pid for pid in demo.pids if is_alive(pid)] == []


def test_every_file_of_a_fast_night_arrives_in_spite_of_outage_and_kill(
    start: Callable[..., Demo],
) -> None:
    demo = start()

    assert demo.end() == 0, demo.output
    assert ARRIVED in demo.output
    assert "cut for 3 s" in demo.output
    assert re.search(r"kill -9: [\d,]+ bytes of .* had arrived", demo.output)
    assert "ended with exit 0" in demo.output
    assert len(re.findall(r"\d s safe$", demo.output, re.MULTILINE)) == 10
    _, proof, report = demo.output.rpartition(ARRIVED)
    assert proof
    assert re.search(r"\nThe night of \d{4}-\d\d-\d\d is .*10 files", report)
    assert "MB safe\n" in report
    assert_nothing_is_left(demo)


def test_a_file_that_differs_at_the_server_is_found(start: Callable[..., Demo]) -> None:
    demo = start()
    wait_until(lambda: stored(demo), timeout_s=60, what=lambda: demo.output)
    victim = stored(demo)[0]
    content = bytearray(victim.read_bytes())
    content[5000] ^= 1
    victim.write_bytes(content)

    assert demo.end() == 1, demo.output
    assert f"{victim.name}: differs" in demo.output
    assert "Error: 1 of 10 files are not safe" in demo.output
    assert_nothing_is_left(demo)


def stored(demo: Demo) -> list[Path]:
    return [path for home in demo.homes for path in home.glob("server/files/*/*.fits")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_night_leaves_nothing_behind(
    start: Callable[..., Demo], number: signal.Signals
) -> None:
    demo = start()
    demo.wait_for("cut for")

    demo.interrupt(number)

    assert demo.end() == INTERRUPTED, demo.output
    assert "Traceback" not in demo.output
    assert_nothing_is_left(demo)


@pytest.mark.nightly
def test_a_kept_home_is_named_and_holds_files_and_logs(start: Callable[..., Demo]) -> None:
    demo = start("--keep", "--exposures", "1")

    assert demo.end() == 0, demo.output
    (home,) = demo.homes
    assert demo.output.rstrip().endswith(f"Kept: {home}")
    assert len(list(home.glob("images/*/*.fits"))) == 5
    assert (home / "daemon.log").stat().st_size > 0
