"""`oort doctor` asked from outside, and its remedies run as somebody at the keyboard would.

found = ask(home)
trouble = found.one("keys", "problem")
mend(home, trouble)
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from oort.cli.main import COMMANDS, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.daemon import Home

_PROGRAMS: Final = {
    "arcsecond",
    "chmod",
    "du",
    "echo",
    "loginctl",
    "lsblk",
    "mkdir",
    "mv",
    "oort",
    "ping",
    "pip",
    "printf",
    "python3",
    "sort",
    "sudo",
    "tail",
    "touch",
    "ulimit",
    "unset",
    "${EDITOR:-vi}",
}


@dataclass(frozen=True, slots=True)
class Found:
    """What the doctor said, and its exit code."""

    findings: list[dict[str, Any]]
    code: int

    def one(self, check: str, state: str) -> dict[str, Any]:
        """Return the one trouble that a check found; it is in that state, and has a command."""
        troubles = [one for one in self.findings if one["check"] == check and one["remedy"]]
        assert len(troubles) == 1, self.findings
        (trouble,) = troubles
        assert trouble["state"] == state, trouble
        assert_is_command(trouble["remedy"])
        return trouble

    def is_ok(self, check: str) -> bool:
        """Tell whether a check found nothing."""
        states = [one["state"] for one in self.findings if one["check"] == check]
        return states == ["ok"]

    @property
    def troubles(self) -> list[dict[str, Any]]:
        """All that is not ok."""
        return [one for one in self.findings if one["state"] != "ok"]


def ask(
    home: Home, *, under: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Found:
    """Run `oort doctor --json`; what it says has its shape.

    As a process of its own where it is run `under` another program or with more `environment`;
    else in this one, which spares each test the start of Python.
    """
    if under or environment:
        done = subprocess.run(
            [*under, sys.executable, "-m", "oort", "doctor", "--json"],
            env=home.environment | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        return _checked(done.stdout, done.stderr, done.returncode)
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as context,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        for name in ("HOME", "OORT_HOME", "ARCSECOND_CONFIG_DIR"):
            context.setenv(name, home.environment[name])
        code = run(["doctor", "--json"])
    return _checked(out.getvalue(), err.getvalue(), code)


def _checked(out: str, err: str, code: int) -> Found:
    assert err == "", err
    findings = json.loads(out)
    for finding in findings:
        assert list(finding) == ["check", "state", "text", "remedy"]
        assert finding["state"] in ("ok", "warning", "problem")
        assert finding["text"]
        assert (finding["remedy"] is None) == (finding["state"] == "ok")
    has_problem = any(finding["state"] == "problem" for finding in findings)
    assert code == int(has_problem)
    return Found(findings, code)


def assert_is_command(remedy: str) -> None:
    """See that a shell takes a remedy, that its programs are known, and that `oort` has such a command."""
    subprocess.run(["bash", "-n", "-c", remedy], check=True)
    for part in re.split(r" && | \| ", remedy):
        program, *words = part.split()
        assert program in _PROGRAMS, part
        if program == "oort":
            assert words[0] in COMMANDS, part


def mend(home: Home, trouble: Mapping[str, Any]) -> None:
    """Run a remedy in a shell, with this installation's commands in its way."""
    scripts = Path(sys.executable).parent
    environment = home.environment | {"PATH": f"{scripts}:{os.environ['PATH']}"}
    subprocess.run(
        ["bash", "-c", trouble["remedy"]], env=environment, check=True, timeout=60, cwd=home.folder
    )
