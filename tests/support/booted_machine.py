"""A machine of its own, booted by a real systemd: this one's /usr, an empty /etc and /var.

    with booted_machine(folder / "log") as machine:
        machine.run(["systemctl", "is-system-running"])

It shares nothing that is written with this machine, and ends with the block.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CHECKOUT = Path(__file__).parents[2]


class Machine:
    """The machine as somebody sees it who is root on the one that it runs on."""

    def __init__(self, init: int) -> None:
        self._init = init

    def argv(self, words: Sequence[str]) -> list[str]:
        """Return the command line that runs a command inside."""
        return ["nsenter", f"--target={self._init}", "--all", *words]

    def run(
        self, words: Sequence[str], *, check: bool = True, stdin: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside as root, with these variables; its output is text."""
        done = subprocess.run(
            self.argv(words),
            env={"PATH": os.environ["PATH"], "HOME": "/root", "LC_ALL": "C.UTF-8", **variables},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done

    def run_as(
        self, user: str, words: Sequence[str], environment: Mapping[str, str], stdin: str = ""
    ) -> str:
        """Run a command inside as another user; return its output."""
        who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        return self.run([*who, *words], stdin=stdin, **environment).stdout


def can_be_had() -> bool:
    """Tell whether this machine can boot another: root, systemd-nspawn, nsenter."""
    return os.geteuid() == 0 and all(shutil.which(name) for name in ("systemd-nspawn", "nsenter"))


@contextlib.contextmanager
def booted_machine(log: Path) -> Iterator[Machine]:
    """Boot it; what its console says goes to `log`."""
    interpreter = Path(sys.base_prefix)
    argv = ["systemd-nspawn", "--directory=/", "--volatile=yes", "--boot", "--register=no"]
    argv += ["--keep-unit", "--console=pipe", "--private-network"]
    argv += [f"--bind-ro={path}" for path in (CHECKOUT, interpreter, "/etc/passwd", "/etc/group")]
    with log.open("wb") as said:
        process = subprocess.Popen(
            [*argv, "systemd.unit=multi-user.target"],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        machine = wait_until(
            lambda: _booted(process.pid),
            timeout_s=60,
            what=lambda: f"no systemd inside: {log.read_text(errors='replace')}",
        )
        for folder in (*interpreter.parents, *CHECKOUT.parents):
            machine.run(
                ["chmod", "a+rx", str(folder)]
            )  # else only root reaches what is bound there
        yield machine
    finally:
        for child in _children(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        process.wait(30)


def _booted(nspawn: int) -> Machine | None:
    """Return the machine whose init answers; its container has another first child for a moment."""
    for init in _children(nspawn):
        machine = Machine(init)
        asked = machine.run(["systemctl", "is-system-running"], check=False).stdout.strip()
        if asked in ("starting", "running", "degraded"):
            return machine
    return None


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
