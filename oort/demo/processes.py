"""The processes of the night: started in a home of their own, and ended whatever happens.

Every command is run as a user's would be, by this interpreter, with nothing inherited that could
lead it to the user's own watches, keys or database.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from oort.errors import OortError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_COMMAND_LIMIT_S: Final = 30.0
_END_LIMIT_S: Final = 10.0
_OURS: Final = ("OORT_", "ARCSECOND_")
_SERVICE_MANAGERS: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


def environment(home: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return `inherited` without anything that names another home, and with this one."""
    kept = {
        name: value
        for name, value in inherited.items()
        if not name.startswith(_OURS) and name not in _SERVICE_MANAGERS
    }
    return {
        **kept,
        "OORT_HOME": str(home / "oort"),
        "ARCSECOND_CONFIG_DIR": str(home / "arcsecond"),
        "PYTHONUNBUFFERED": "1",
        "NO_COLOR": "1",
    }


class Processes:
    """What the night has started; `close` ends it all, the newest first."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._environment = environment(home, os.environ)
        self._started: list[subprocess.Popen[bytes]] = []

    def run(self, *words: str, answer: str = "") -> str:
        """Run `python -m` with these words to its end and return what it printed.

        `answer` is its stdin: secrets go there, where no process list shows them. Raises
        OortError with the command's own words when it fails.
        """
        try:
            done = subprocess.run(
                self._argv(words),
                input=answer,
                capture_output=True,
                encoding="utf-8",
                errors="backslashreplace",
                cwd=self._home,
                env=self._environment,
                timeout=_COMMAND_LIMIT_S,
                check=False,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            raise OortError(
                f"`{' '.join(words)}` did not end within {_COMMAND_LIMIT_S:.0f} s"
            ) from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise OortError(f"`{' '.join(words)}` ended with exit {done.returncode}: {said}")
        return done.stdout

    def start(self, *words: str, output: Path) -> subprocess.Popen[bytes]:
        """Start `python -m` with these words; what it prints is added to the file `output`."""
        with output.open("ab") as file:
            process = subprocess.Popen(
                self._argv(words),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=self._home,
                env=self._environment,
                # Ctrl-C is for the night, which ends its processes in order.
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def close(self) -> None:
        """End what still runs: politely first, then by force."""
        for process in reversed(self._started):
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(_END_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._started.clear()

    @staticmethod
    def _argv(words: tuple[str, ...]) -> list[str]:
        # -P: the home holds folders named `oort` and `arcsecond`, which are no packages.
        return [sys.executable, "-P", "-m", *words]
