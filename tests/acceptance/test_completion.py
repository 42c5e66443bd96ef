"""Completion in real shells, set up by the lines of docs/completion.md."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from arcsecond.config import add_api, config_file

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
PAGE = Path(__file__).parents[2] / "docs" / "completion.md"
SHELLS = ("bash", "zsh", "fish")

CASES = (
    ("arcsecond data", {"datasets", "datafiles", "datapackages"}),
    ("arcsecond datasets ", {"create", "delete", "list", "read", "update"}),
    ("arcsecond datasets --f", {"--filter"}),
    ("arcsecond --api do", {"dome", "dorado"}),
    ("arcsecond telescopes --api do", {"dome", "dorado"}),
    ("arcsecond api use ", {"cloud", "dome", "dorado"}),
    ("arcsecond api remove ", {"dome", "dorado"}),
    ("arcsecond api u", {"use"}),
    ("arcsecond login --type ", {"access", "upload"}),
    ("oort re", {"report", "resume", "retry"}),
    ("oort unwatch ", {"north", "south"}),
    ("oort uploads --watch ", {"north", "south"}),
    ("oort watch --api do", {"dome", "dorado"}),
    ("oort config set retry_", {"retry_base_s", "retry_max_s"}),
)
"""What is typed before <TAB>, and what is offered."""


@pytest.fixture(autouse=True)
def known_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Register servers and watches, and put the commands on the PATH."""
    add_api("dome", "https://dome.example.org")
    add_api("dorado", "https://dorado.example.org")
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    for name in ("north", "south"):
        (tmp_path / name).mkdir()
        done = subprocess.run(
            ["oort", "watch", tmp_path / name, "--api", "dome", "--offline", "-y"],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def lines_for(shell: str) -> str:
    """Return what the page has people write for a shell."""
    found = re.search(rf"```{shell}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def asked_of_the_command(typed: str) -> set[str]:
    """Return what the command itself offers, as the scripts of all shells ask it."""
    words = typed.split()
    count = len(words) if typed.endswith(" ") else len(words) - 1
    asking = {
        "COMP_WORDS": typed,
        "COMP_CWORD": str(count),
        f"_{words[0].upper()}_COMPLETE": "bash_complete",
    }
    done = subprocess.run(
        [words[0]], env=os.environ | asking, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return {
        line.removeprefix("plain,")
        for line in done.stdout.splitlines()
        if line.startswith("plain,")
    }


@pytest.mark.parametrize(("typed", "offered"), CASES)
def test_what_a_command_offers(typed: str, offered: set[str]) -> None:
    assert asked_of_the_command(typed) == offered


def test_a_name_with_a_blank_stays_one_word_in_bash(tmp_path: Path) -> None:
    done = subprocess.run(
        ["oort", "watch", tmp_path, "--name", "dome A", "--api", "dome", "--offline", "-y"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    assert asked_of_the_command("oort unwatch d") == {"'dome A'"}


def test_folders_are_left_to_the_shell() -> None:
    for typed in ("arcsecond upload /tm", "oort watch /tm", "oort unwatch /tm"):
        words = typed.split()
        asking = {
            "COMP_WORDS": typed,
            "COMP_CWORD": str(len(words) - 1),
            f"_{words[0].upper()}_COMPLETE": "bash_complete",
        }
        done = subprocess.run(
            [words[0]], env=os.environ | asking, capture_output=True, text=True, check=True
        )
        assert done.stdout == "dir,/tm\n"


def test_a_broken_file_offers_nothing_and_says_nothing() -> None:
    config_file().write_text("no INI\n")
    Path(os.environ["OORT_HOME"], "config.toml").write_text("no TOML\n")

    for typed in ("arcsecond --api ", "oort watch --api ", "oort uploads --watch "):
        assert asked_of_the_command(typed) == set()


# --- the shells themselves ----------------------------------------------------------------------


class Terminal:
    """A shell at a terminal of its own, wide enough for whatever it offers."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        ours, theirs = os.openpty()
        self._process = subprocess.Popen(
            argv,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=os.environ | {"TERM": "dumb", "COLUMNS": "200", "LINES": "50"} | environment,
            start_new_session=True,
        )
        os.close(theirs)
        self._ours = ours

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def read_until(self, pattern: str, timeout_s: float = 60) -> str:
        """Return what was shown until it matches; the rest of it is not lost to a later call."""
        shown = ""
        until = time.monotonic() + timeout_s
        while not re.search(pattern, shown, re.DOTALL):
            if not select.select([self._ours], [], [], max(0.0, until - time.monotonic()))[0]:
                raise AssertionError(f"{pattern!r} was not shown: {shown!r}")
            shown += os.read(self._ours, 4096).decode("utf-8", "replace")
        return shown

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


@contextlib.contextmanager
def running(argv: list[str], environment: dict[str, str]) -> Iterator[Terminal]:
    terminal = Terminal(argv, environment)
    try:
        yield terminal
    finally:
        terminal.close()


def need(shell: str) -> str:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"needs {shell}")
    return path


def assert_completes(shell: Terminal) -> None:
    """Type each case and <TAB>, see that all of it is offered, and clear the line."""
    shell.read_until("ready> ")
    for number, (typed, offered) in enumerate(CASES):
        shell.type(f"{typed}\t")
        shell.read_until(
            "".join(rf"(?=.*(?<![\w.]){re.escape(name)}(?![\w.]))" for name in offered)
        )
        # What is shown of this case ends here: the next one does not see it.
        shell.type(f"\x15echo done''{number}.\r")
        shell.read_until(rf"done{number}\..*ready> ")


@pytest.mark.slow
def test_bash_completes(tmp_path: Path) -> None:
    rc = tmp_path / "bashrc"
    rc.write_text(
        f"{lines_for('bash')}PS1='ready> '\nbind 'set show-all-if-ambiguous on'\n"
        "bind 'set page-completions off'\nbind 'set enable-bracketed-paste off'\n"
    )
    with running([need("bash"), "--rcfile", str(rc), "--noprofile", "-i"], {}) as bash:
        assert_completes(bash)


@pytest.mark.slow
def test_zsh_completes(tmp_path: Path) -> None:
    (tmp_path / ".zshrc").write_text(
        f"{lines_for('zsh')}PS1='ready> '\nunsetopt beep list_ambiguous\n"
    )
    home = {"ZDOTDIR": str(tmp_path), "HOME": str(tmp_path)}
    with running([need("zsh"), "-d", "-i"], home) as zsh:
        assert_completes(zsh)


@pytest.mark.slow
def test_fish_completes(tmp_path: Path) -> None:
    fish = need("fish")
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config")}
    subprocess.run([fish, "-c", lines_for("fish")], env=os.environ | home, check=True)
    for typed, offered in CASES:
        done = subprocess.run(
            [fish, "-c", f"complete -C '{typed}'"],
            env=os.environ | home,
            capture_output=True,
            text=True,
            check=True,
        )
        assert {line.split("\t")[0] for line in done.stdout.splitlines()} == offered
