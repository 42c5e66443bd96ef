"""`arcsecond upload` as it is looked at and interrupted: at terminals of two widths, and by signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from arcsecond.config import KeyType, Secret, store_key
from tests.support.client import API, log_in, stored, write_files
from tests.support.proxy import Proxy
from tests.support.terminal import at_a_terminal, colours_of, lines_of
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

ARCSECOND = str(Path(sys.executable).with_name("arcsecond"))
SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@pytest.fixture
def account(sandbox: Sandbox) -> Sandbox:
    """A sandbox that the command is logged in to."""
    log_in(sandbox)
    return sandbox


def start(folder: Path) -> subprocess.Popen[str]:
    """Start the command, which will ask before it uploads."""
    return subprocess.Popen(
        [ARCSECOND, "upload", str(folder), "-d", "M31"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_the_question(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    shown = ""
    while not shown.endswith("Upload? [y/N]: "):
        letter = process.stderr.read(1)
        assert letter, f"it ended: {shown}"
        shown += letter


@pytest.mark.parametrize("columns", [80, 40])
def test_the_bar_has_files_bytes_rate_and_time_left_and_fits(
    account: Sandbox, tmp_path: Path, columns: int
) -> None:
    files = {f"{n}.fits": os.urandom(100_000) for n in range(12)}
    folder = write_files(tmp_path / "M31", files)
    code, shown = at_a_terminal(
        [ARCSECOND, "upload", str(folder), "-d", "M31", "-y", "--bwlimit", "512k"], columns=columns
    )
    assert code == 0, shown
    assert len(stored(account)) == 12
    _, _, live = shown.partition("Bandwidth")
    live, cursor_is_back, _ = live.rpartition("\x1b[?25h")
    assert cursor_is_back
    drawn = lines_of(live)[1:]
    assert max(map(len, drawn)) <= columns
    for words in ("of 12 files", "of 1.1 MB", "KB/s, ", " s left", " %"):
        assert any(words in line for line in drawn), words
    assert colours_of(live)


@pytest.mark.parametrize("columns", [80, 40])
def test_the_bar_says_why_nothing_moves(account: Sandbox, tmp_path: Path, columns: int) -> None:
    access_key = Secret(account.access_key)  # which this command does not send
    store_key(API, username=account.username, key_type=KeyType.ACCESS, key=access_key)
    words = f"Busy: {account.access_key}."
    account.rule(method="POST", path="/datafiles/$", status=503, body={"detail": words}, times=1)
    folder = write_files(tmp_path / "M31", {"a.fits": os.urandom(100_000)})
    code, shown = at_a_terminal(
        [ARCSECOND, "upload", str(folder), "-d", "M31", "-y"], columns=columns
    )
    assert code == 0, shown
    assert stored(account) == {"a.fits": 100_000}
    reasons = {line for line in lines_of(shown) if line.startswith("Trying again: ")}
    whole = "Trying again: the server did not take it: Busy: …."
    assert reasons == {whole if columns == 80 else whole[: columns - 1] + "…"}


def test_no_colour_where_none_is_wanted(account: Sandbox, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "M31", {"a.fits": os.urandom(300_000)})
    code, shown = at_a_terminal(
        [ARCSECOND, "upload", str(folder), "-d", "M31", "-y", "--bwlimit", "300k"],
        environment={"NO_COLOR": "1"},
    )
    assert code == 0, shown
    assert stored(account) == {"a.fits": 300_000}
    assert any("of 1 file," in line for line in lines_of(shown))
    assert colours_of(shown) == []


def test_what_is_seen_of_a_large_folder_is_counted_while_it_is_looked_at(
    account: Sandbox, tmp_path: Path
) -> None:
    folder = write_files(tmp_path / "M31", {f"{n}.fits": "x" for n in range(20_000)})
    _, shown = at_a_terminal(
        [ARCSECOND, "upload", str(folder), "-d", "M31"], [("Upload? [y/N]: ", "n")]
    )
    counted = {
        line for line in lines_of(shown) if "Comparing the folder with the dataset: " in line
    }
    assert len(counted) > 1
    assert account.uploads() == []


@SIGNALS
def test_a_signal_at_the_question_changes_nothing(
    account: Sandbox, tmp_path: Path, number: signal.Signals
) -> None:
    process = start(write_files(tmp_path / "M31", {"a.fits": "x"}))
    wait_for_the_question(process)
    process.send_signal(number)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in complaints
    assert account.uploads() == []


@SIGNALS
def test_a_second_signal_ends_it_though_a_worker_cannot_be_cut(
    account: Sandbox, tmp_path: Path, number: signal.Signals
) -> None:
    """
    1. The server is asked through a proxy, which then lets callers wait.
    2. The question is answered with yes: the workers wait for a connection.
    3. The first signal has it wait for them, the second one does not: nothing more is said.
    """
    with Proxy(account.port) as proxy:
        log_in(account, at=proxy.url)
        process = start(write_files(tmp_path / "M31", {"a.fits": "x"}))
        wait_for_the_question(process)
        proxy.cut()
        proxy.never_accept()
        assert process.stdin is not None
        process.stdin.write("y\n")
        process.stdin.flush()
        wait_until(lambda: waits_for_connection(process.pid, proxy.port))

        def is_over() -> bool:
            process.send_signal(number)
            return process.poll() is not None

        wait_until(is_over)
        shown, complaints = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "status" not in shown
    assert "Traceback" not in complaints
    assert "Error" not in complaints


def waits_for_connection(pid: int, port: int) -> bool:
    """Tell whether a process knocks at that port (proc(5): SYN_SENT is 02)."""
    rows = (line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:])
    knocking = {row[9] for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "02"}
    held = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    return any(f"socket:[{inode}]" in held for inode in knocking)
