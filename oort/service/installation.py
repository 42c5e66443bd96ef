"""What a service is made of, whatever the manager: the command, its environment, its state."""

from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

STOP_MARGIN_S: Final = 10.0
"""What a daemon may take beyond `stop_grace_s`: cutting connections, closing the queue."""

KEPT_VARIABLES: Final = ("OORT_HOME", "ARCSECOND_CONFIG_DIR")
"""Written into the service where they are set: else it would work in another home than its commands."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What is filled into the files of `systemd/` and `launchd/`."""

    command: tuple[str, ...]
    """The absolute command line that runs the daemon."""
    stop_timeout_s: int
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def here(cls, *, stop_grace_s: float) -> Installation:
        """Return what this installation of Oort, asked with this environment, runs as."""
        kept = {
            name: str(Path(value).expanduser().absolute())
            for name in KEPT_VARIABLES
            if (value := os.environ.get(name))
        }
        return cls(
            command=(*_own_command(), "start"),
            stop_timeout_s=round(stop_grace_s + STOP_MARGIN_S),
            environment=kept,
        )


def _own_command() -> tuple[str, ...]:
    script = Path(sysconfig.get_path("scripts")) / "oort"
    if script.is_file() and os.access(script, os.X_OK):
        return (str(script),)
    return (sys.executable, "-m", "oort")


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What the manager says of the service."""

    installed: bool
    enabled: bool
    """It is started by itself: at a login, or when the machine starts."""
    active: bool
    words: str
    """The manager's own word for how it is: `active (running)`."""
    pid: int | None = None
    told: str | None = None
    """What the daemon told the manager last."""


class Manager(Protocol):
    """A service manager: systemd or launchd, of one user or of the whole machine."""

    @property
    def file(self) -> Path:
        """Where the service's file lies, or would."""
        ...

    @property
    def is_installed(self) -> bool:
        """Whether the files of `install` are there, whatever the manager knows of them."""
        ...

    @property
    def ends_at_logout(self) -> bool:
        """Whether the service runs only while its user is logged in, and that can be changed."""
        ...

    def install(self, installation: Installation) -> list[str]:
        """Write the file and enable the service; return what else is to be done, in words.

        A second time does no harm. Raises OortError where the file is written but the manager
        cannot be reached, or where it cannot be written.
        """
        ...

    def uninstall(self) -> None:
        """Stop the service and remove all that `install` made. Raises OortError."""
        ...

    def start(self) -> None:
        """Start the service; returns when the daemon is ready. Raises OortError."""
        ...

    def stop(self) -> None:
        """Stop the service; returns when the daemon is gone. Raises OortError."""
        ...

    def state(self) -> ServiceState:
        """Return how the service is. Raises OortError where the manager cannot be reached."""
        ...
