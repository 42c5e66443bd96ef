"""The service under launchd: an agent of the user, or a daemon of the whole machine.

Written by launchd.plist(5) and launchctl(1). It has not been run on a Mac; what its file holds is
checked by plistlib and a table of the keys' types.
"""

from __future__ import annotations

import os
import plistlib
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from oort.errors import OortError
from oort.service.files import remove, template, write
from oort.service.installation import ServiceState

if TYPE_CHECKING:
    from oort.service.installation import Installation

LABEL: Final = "io.arcsecond.oort"
_ANSWERS_S: Final = 120.0
_FULL_DISK_ACCESS: Final = (
    "macOS asks for nothing when a service may not read a folder: allow this Python under System "
    "Settings, Privacy & Security, Full Disk Access, if images lie on another disk, in Documents, "
    "on the Desktop or in Downloads."
)


class Launchd:
    """`system`: for the whole machine, where the service runs as `user`."""

    def __init__(self, *, system: bool, user: str) -> None:
        self._system = system
        self._user = user

    @property
    def file(self) -> Path:
        """Where the property list lies, or would."""
        folder = Path("/Library/LaunchDaemons")
        if not self._system:
            folder = Path.home() / "Library" / "LaunchAgents"
        return folder / f"{LABEL}.plist"

    @property
    def is_installed(self) -> bool:
        """Whether the property list is there."""
        return self.file.exists()

    @property
    def ends_at_logout(self) -> bool:
        """Whether a command would mend that: an agent always ends with its user's session."""
        return False

    @property
    def _domain(self) -> str:
        return "system" if self._system else f"gui/{os.getuid()}"

    @property
    def _target(self) -> str:
        return f"{self._domain}/{LABEL}"

    def install(self, installation: Installation) -> list[str]:
        """Write the property list, and have it loaded at the next login or start."""
        text = template(f"launchd/{LABEL}.plist")
        user = self._user if self._system else None
        write(self.file, plistlib.dumps(filled_in(text, installation, user)).decode())
        try:
            self._ask("enable", self._target)
        except OortError as error:
            raise OortError(
                f"{self.file} is written, but not enabled: {error.message}",
                hint=f"run `launchctl enable {self._target}` where it can be reached",
            ) from error
        return [_FULL_DISK_ACCESS]

    def uninstall(self) -> None:
        """Stop the service, and remove its file."""
        self._ask("bootout", self._target, may_fail=True)
        remove(self.file)

    def start(self) -> None:
        """Load the service where it is not, and start it."""
        if not self.file.exists():
            raise OortError(
                "the service is not installed", hint="install it: `oort service install`"
            )
        self._ask("bootstrap", self._domain, str(self.file), may_fail=True)
        self._ask("kickstart", self._target)

    def stop(self) -> None:
        """End the daemon; its exit 0 keeps it ended until it is started again."""
        self._ask("kill", "SIGTERM", self._target)

    def state(self) -> ServiceState:
        """Return how the service is."""
        if not self.file.exists():
            return ServiceState(installed=False, enabled=False, active=False, words="not installed")
        shown = self._ask("print", self._target, may_fail=True)
        state = re.search(r"(?m)^\s*state = (.+)$", shown)
        pid = re.search(r"(?m)^\s*pid = (\d+)$", shown)
        return ServiceState(
            installed=True,
            enabled=bool(shown),
            active=pid is not None,
            words=state.group(1) if state else "not loaded",
            pid=int(pid.group(1)) if pid else None,
        )

    def _ask(self, *words: str, may_fail: bool = False) -> str:
        """Run launchctl and return what it printed. Raises OortError with its own words."""
        try:
            done = subprocess.run(
                ["launchctl", *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_ANSWERS_S,
                check=False,
            )
        except FileNotFoundError:
            raise OortError("there is no launchctl on this machine") from None
        except subprocess.TimeoutExpired:
            raise OortError(f"`launchctl {' '.join(words)}` does not come to an end") from None
        if done.returncode != 0 and not may_fail:
            why = (done.stderr or done.stdout).strip().splitlines() or ["no reason was given"]
            raise OortError(f"`launchctl {' '.join(words)}` failed: {why[0]}")
        return done.stdout if done.returncode == 0 else ""


def filled_in(text: str, installation: Installation, user: str | None) -> dict[str, Any]:
    """Return the property list with the command, times and environment of this installation.

    `user` is the account of a service of the whole machine, None for one of the user's own.
    """
    job: dict[str, Any] = plistlib.loads(text.encode())
    job["ProgramArguments"] = list(installation.command)
    job["ExitTimeOut"] = installation.stop_timeout_s
    job["EnvironmentVariables"] = {
        "OORT_SERVICE": f"launchd-system:oort@{user}" if user else "launchd-user",
        **installation.environment,
    }
    if user:
        job["UserName"] = user
    return job
