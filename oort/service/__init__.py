"""Oort as a service of systemd or launchd: installed, started, stopped, asked, removed.

The files that are installed are those of `systemd/` and `launchd/`, with the command of this
installation filled in. Nothing here is used by the daemon: it is told by its environment.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from oort.errors import OortError
from oort.service.installation import Installation as Installation
from oort.service.installation import ServiceState as ServiceState
from oort.service.launchd import Launchd
from oort.service.systemd import Systemd

if TYPE_CHECKING:
    from oort.service.installation import Manager

VARIABLE: Final = "OORT_SERVICE"
"""Set by our own unit files: by which manager, and for whom, the daemon is run."""


def manager(*, system: bool, user: str | None = None, platform: str = sys.platform) -> Manager:
    """Return this platform's service manager, of the user or of the whole machine.

    `user` is the account that a service of the whole machine runs as. Raises OortError where there
    is none that Oort knows.
    """
    if platform == "darwin":
        return Launchd(system=system, user=user or _invoking_user())
    if platform.startswith("linux"):
        return Systemd(system=system, user=user or _invoking_user())
    raise OortError(
        f"Oort has no service for {platform} yet",
        hint="run `oort start` by the system's own means, for one the Task Scheduler",
    )


def manager_of(service: str, *, platform: str = sys.platform) -> Manager | None:
    """Return the manager that runs a daemon, by what its unit told it; None: no manager of ours."""
    kind, _, unit = service.partition(":")
    user = unit.partition("@")[2].removesuffix(".service") or None
    if kind in ("systemd-user", "systemd-system") and platform.startswith("linux"):
        return Systemd(system=kind == "systemd-system", user=user or _invoking_user())
    if kind in ("launchd-user", "launchd-system") and platform == "darwin":
        return Launchd(system=kind == "launchd-system", user=user or _invoking_user())
    return None


def _invoking_user() -> str:
    """Return who asks: behind `sudo` the user who typed it."""
    import getpass

    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # an account without a name, in a container for one
        return str(os.getuid()) if hasattr(os, "getuid") else "oort"
