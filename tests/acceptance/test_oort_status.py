"""`oort status` and `oort uploads` as people and scripts see them, without a daemon."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from oort.locations import locate
from oort.settings import add_watch
from oort.values import Watch
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.daemon import Home


def oort(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "oort", *words],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "dome"
    made.mkdir()
    add_watch(locate().config_file, Watch("dome", made))
    return made


def test_without_a_queue_everything_answers_and_creates_nothing(folder: Path) -> None:
    before = sorted(locate().state_folder.iterdir())

    status = oort("status")
    document = json.loads(oort("status", "--json").stdout)

    assert (
        "No file has been seen yet.\nDaemon: not running; `oort start` starts it.\n"
        == (status.stdout[: status.stdout.index("\nWATCH")])
    )
    assert not document["daemon"]["running"]
    assert [str(folder)] == [watch["path"] for watch in document["watches"]]
    assert [] == json.loads(oort("uploads", "--json").stdout)
    assert ["dome"] == [watch["name"] for watch in json.loads(oort("folders", "--json").stdout)]
    assert before == sorted(locate().state_folder.iterdir())


def test_status_of_a_name_that_is_no_utf8(folder: Path) -> None:
    name = folder / os.fsdecode(b"bad\xff.tmp")
    name.write_bytes(b"x")

    shown, document = oort("status", name), json.loads(oort("status", name, "--json").stdout)

    assert "bad\\xff.tmp\nSkipped: ignored\n" in shown.stdout
    assert f"{folder}/bad\\xff.tmp" == document["path"]
    assert document["id"] is None


def test_no_colour_in_a_pipe(folder: Path) -> None:
    assert folder.name in oort("status").stdout
    assert "\x1b" not in oort("status").stdout + oort("folders").stdout + oort("nope").stderr


@pytest.mark.parametrize("age", ["90m", "2h", "3d", "2026-11-22", "2026-11-22T21:00:00Z"])
def test_since_takes_moments_and_ages(age: str) -> None:
    assert 0 == oort("uploads", "--since", age).returncode


@pytest.mark.parametrize(
    "words",
    [
        ("--since", "yesterday"),
        ("--since", "99999999999d"),
        ("--night", "22.11.2026"),
        ("--status", "Lost"),
        ("--limit", "-1"),
    ],
)
def test_what_cannot_be_asked_is_wrong_usage(words: tuple[str, str]) -> None:
    assert 2 == oort("uploads", *words).returncode


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *words: str, **environment: str) -> None:
        import pty

        self._ours, theirs = pty.openpty()
        os.set_blocking(self._ours, False)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "oort", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", **environment},
        )
        os.close(theirs)
        self.shown = b""

    def shows(self, text: bytes) -> bool:
        """Tell whether `text` was written so far."""
        with contextlib.suppress(OSError):  # nothing new, or the command has ended
            self.shown += os.read(self._ours, 1 << 16)
        return text in self.shown

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminal(request: pytest.FixtureRequest) -> Callable[..., Terminal]:
    def start(*words: str, **environment: str) -> Terminal:
        made = Terminal(*words, **environment)
        request.addfinalizer(made.close)
        return made

    return start


@pytest.mark.linux
def test_the_live_display_follows_and_ends_with_ctrl_c(
    folder: Path, terminal: Callable[..., Terminal]
) -> None:
    live = terminal("status", "--live")
    wait_until(lambda: live.shows(b"No file has been seen yet."), what=lambda: str(live.shown))

    add_watch(locate().config_file, Watch("second", folder.parent))
    wait_until(lambda: live.shows(b"second"), what=lambda: str(live.shown))
    live.process.send_signal(signal.SIGINT)

    assert 0 == live.process.wait(timeout=20)
    live.shows(b"")
    assert b"Traceback" not in live.shown
    assert live.shown.rstrip().endswith(b"\x1b[?25h")  # the cursor is back


@pytest.mark.linux
@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_is_for_terminals_and_can_be_turned_off(
    folder: Path,
    terminal: Callable[..., Terminal],
    environment: dict[str, Any],
    coloured: bool,
) -> None:
    shown = terminal("status", folder.parent / "nowhere", **environment)
    wait_until(lambda: shown.shows(b"nowhere does not exist"), what=lambda: str(shown.shown))

    assert coloured == (b"\x1b[31m" in shown.shown)


def test_a_broken_config_is_a_warning_while_the_daemon_runs(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    config = home.folder / "oort" / "config.toml"

    config.write_text(config.read_text() + "\nnonsense = 1\n")

    wait_until(lambda: home.status()["daemon"]["warnings"], what=home.told)
    line = config.read_text().splitlines().index("nonsense = 1") + 1
    assert f'Warning: {config}:{line}: unknown key "nonsense" in [[watch]]' in home.oort("status")
    assert ["dome"] == [watch["name"] for watch in home.json("folders")]
    home.oort("stop")
