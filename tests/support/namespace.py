"""A network namespace with one cable to this one: a daemon behind a link that is really down.

    with Cable() as cable:
        home.start(wait=False, under=cable.under(tmp_path))
        cable.plug_in(home.daemon.pid)
        cable.pull(); cable.lose_names()
        cable.mend()

Needs root, and `ip` and `nsenter`. The far end of the cable has the address `HOST`, and inside the
namespace the name `NAME` stands for it as long as names are found.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NAME = "arcsecond.test"


def why_not() -> str | None:
    """Return what is missing here, None for nothing."""
    for command in ("ip", "unshare", "nsenter"):
        if shutil.which(command) is None:
            return f"needs the command {command}"
    if os.geteuid() != 0:
        return "needs root, for a network namespace"
    made = subprocess.run(["unshare", "--net", "--mount", "true"], check=False, capture_output=True)
    return None if made.returncode == 0 else "needs a kernel that allows network namespaces"


class Cable:
    """A pair of network interfaces, one of which goes into the namespace of a process."""

    def __init__(self) -> None:
        mark = secrets.token_hex(3)
        self._near, self._far = f"oo{mark}a", f"oo{mark}b"
        number = secrets.randbelow(64) * 4
        self.host = f"10.213.{secrets.randbelow(256)}.{number + 1}"
        self._inside = f"{self.host.rpartition('.')[0]}.{number + 2}"
        self._pid = 0
        self._hosts: Path | None = None

    def __enter__(self) -> Cable:
        _ip("link", "add", self._near, "type", "veth", "peer", "name", self._far)
        _ip("address", "add", f"{self.host}/30", "dev", self._near)
        _ip("link", "set", self._near, "up")
        return self

    def __exit__(self, *_: object) -> None:
        _ip("link", "delete", self._near, check=False)

    def under(self, folder: Path) -> list[str]:
        """Return the words that start a process in a namespace without any network yet."""
        self._hosts = folder / "hosts"
        self._hosts.write_text(f"{self.host} {NAME}\n")
        servers = folder / "resolv.conf"
        servers.write_text(f"nameserver {self.host}\noptions timeout:1 attempts:1\n")
        script = (
            f"mount --bind {self._hosts} /etc/hosts; mount --bind {servers} /etc/resolv.conf; "
            'exec "$@"'
        )
        return ["unshare", "--net", "--mount", "sh", "-c", script, "sh"]

    def plug_in(self, pid: int) -> None:
        """Put the far end into the namespace of a process, and bring it up."""
        self._pid = pid
        _ip("link", "set", self._far, "netns", str(pid))
        for words in (
            ("link", "set", "lo", "up"),
            ("address", "add", f"{self._inside}/30", "dev", self._far),
            ("link", "set", self._far, "up"),
        ):
            subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", *words], check=True)

    def pull(self) -> None:
        """Take the near end down: what is sent from within goes nowhere."""
        _ip("link", "set", self._near, "down")

    def lose_names(self) -> None:
        """Have no name found, inside; the name server answers to nobody."""
        assert self._hosts is not None
        self._hosts.write_text("")

    def mend(self) -> None:
        """Bring the cable and the name back."""
        assert self._hosts is not None
        self._hosts.write_text(f"{self.host} {NAME}\n")
        _ip("link", "set", self._near, "up")


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=not check)
