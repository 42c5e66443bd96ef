"""A real `systemd --user`, in mount and process namespaces of its own, for commands to talk to.

    with user_manager(folder) as manager:
        manager.run(["systemctl", "--user", "start", "oort"])

It takes what a login would give it: a runtime folder, a session bus, and a cgroup in each of the
two hierarchies that systemd uses. Nothing of it is left when the block ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_HIERARCHIES = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/systemd"))
_ONE_HIERARCHY = Path("/sys/fs/cgroup")
_SYSTEMD = Path("/lib/systemd/systemd")

_WORLD = """
set -e
mount --make-rshared /            # among its own namespaces: credentials are mounted in one of them
mount -t tmpfs tmpfs /run/systemd
mkdir -p /run/systemd/system      # by this systemd knows that it is on a machine of its own
mkdir -p /run/user
mount -t tmpfs tmpfs /run/user
mkdir -m 700 /run/user/0
for group in $GROUPS_OF_IT; do echo $$ > $group/cgroup.procs; done
export XDG_RUNTIME_DIR=/run/user/0 DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/0/bus
dbus-daemon --session --address=$DBUS_SESSION_BUS_ADDRESS --nofork --nopidfile &
/lib/systemd/systemd --user &
wait
"""


class UserManager:
    """The namespaces of one manager, as somebody outside sees them."""

    def __init__(self, leader: int, environment: Mapping[str, str]) -> None:
        self._leader = leader
        self.environment = dict(environment)

    def run(
        self, argv: Sequence[str | os.PathLike[str]], *, check: bool = True, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside; its output is text."""
        done = subprocess.run(
            ["nsenter", f"--target={self._leader}", "--mount", "--pid", *argv],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            **options,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{argv} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Return properties of a unit as `systemctl show` has them."""
        argv = ["systemctl", "--user", "show", "--property", ",".join(names), unit]
        lines = self.run(argv).stdout.splitlines()
        return dict(line.partition("=")[::2] for line in lines)


def can_be_had() -> bool:
    """Tell whether this machine can run one: root, systemd, a session bus, namespaces."""
    programs = all(shutil.which(name) for name in ("unshare", "nsenter", "dbus-daemon"))
    return programs and _SYSTEMD.exists() and os.geteuid() == 0 and bool(_hierarchies())


def _hierarchies() -> list[Path]:
    legacy = [folder for folder in _HIERARCHIES if folder.is_dir()]
    if legacy:
        return legacy
    return [_ONE_HIERARCHY] if (_ONE_HIERARCHY / "cgroup.procs").exists() else []


@contextlib.contextmanager
def user_manager(environment: Mapping[str, str], log: Path) -> Iterator[UserManager]:
    """Run a manager with this environment (HOME is its user's); what it says goes to `log`."""
    groups = [folder / f"oort-test-{os.getpid()}-{id(log)}" for folder in _hierarchies()]
    for group in groups:
        group.mkdir()
    inside = {
        **environment,
        "XDG_RUNTIME_DIR": "/run/user/0",
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/0/bus",
    }
    argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    argv += ["--propagation", "private", "bash", "-c", _WORLD]
    with log.open("wb") as said:
        process = subprocess.Popen(
            argv,
            env={**environment, "GROUPS_OF_IT": " ".join(map(str, groups))},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        wait_until(lambda: bool(_children(process.pid)), timeout_s=20, what=lambda: "no child")
        manager = UserManager(_children(process.pid)[0], inside)
        wait_until(
            lambda: (
                manager.run(["systemctl", "--user", "is-system-running"], check=False).stdout
                in ("running\n", "degraded\n")
            ),
            timeout_s=30,
            what=lambda: log.read_text(errors="replace"),
        )
        yield manager
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        for group in groups:
            _remove(group)


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _remove(group: Path) -> None:
    """Remove a cgroup with those below it, once their processes are gone."""

    def is_gone() -> bool:
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
        return not group.exists()

    wait_until(is_gone, timeout_s=20, what=lambda: f"{group} is still in use")
