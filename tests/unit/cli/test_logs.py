"""`oort logs`: the end of the log, and what is added to it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from oort.cli.main import run
from oort.locations import locate, make_private_folder
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def file() -> Path:
    return make_private_folder(locate().logs_folder) / "oort.log"


def test_the_last_lines_are_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_bytes(b"".join(b"line %d caf\xe9\n" % number for number in range(100)))

    assert 0 == run(["logs", "-n", "2"])
    assert "line 98 caf\\xe9\nline 99 caf\\xe9\n" == capsys.readouterr().out
    assert 0 == run(["logs"])
    assert 50 == capsys.readouterr().out.count("\n")
    assert 0 == run(["logs", "-n", "0"])
    assert "" == capsys.readouterr().out


def test_without_a_log_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run(["logs"])
    assert "There is no log yet" in capsys.readouterr().out


@pytest.fixture
def follower(file: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "oort", "logs", "-f", "-n", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        lines.extend(line.rstrip("\n") for line in process.stdout)

    reader = threading.Thread(target=read)
    reader.start()
    yield process, lines
    process.kill()
    process.wait()
    reader.join()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    assert file.exists()


def test_what_is_added_is_shown_also_after_a_new_log_was_begun(
    file: Path, follower: tuple[subprocess.Popen[str], list[str]]
) -> None:
    process, lines = follower
    with file.open("a") as log:
        log.write("one\n")
    wait_until(lambda: lines == ["one"], what=lambda: str(lines))

    with file.open("a") as log:
        log.write("two\nhal")
        log.flush()
        wait_until(lambda: lines == ["one", "two"], what=lambda: str(lines))
        log.write("f\n")
    wait_until(lambda: lines == ["one", "two", "half"], what=lambda: str(lines))
    file.rename(file.with_suffix(".log.1"))
    file.write_text("three\n")
    wait_until(lambda: lines[3:] == ["three"], what=lambda: str(lines))

    process.send_signal(signal.SIGINT)
    assert 0 == process.wait(timeout=20)
    assert process.stderr is not None
    assert "" == process.stderr.read()
