"""`oort service --system` on a machine that a real systemd has booted: the hardened unit sends files.

1. Installed for an account, enabled for the next boot, started: a file arrives, the account's
   commands see the daemon.
2. `oort stop` by that account, which may not ask systemd: the daemon ends, and no failure is seen.
3. Uninstalled: no file of it is left, the queue is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.booted_machine import Machine, booted_machine, can_be_had
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.linux, pytest.mark.slow, pytest.mark.nightly]

_USER = "www-data"
_UNIT = f"oort@{_USER}.service"
_STATE = f"/var/lib/oort/{_USER}"
_ITS_OWN = {
    "HOME": _STATE,
    "OORT_HOME": _STATE,
    "ARCSECOND_CONFIG_DIR": f"{_STATE}/arcsecond",
}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    if not can_be_had():
        pytest.skip("needs root and systemd-nspawn (package systemd-container)")
    with booted_machine(tmp_path / "console") as booted:
        yield booted


def python(*words: str) -> list[str]:
    return [sys.executable, "-m", *words]


def test_the_hardened_unit_sends_files(machine: Machine) -> None:
    argv = python("arcsecond.sandbox", "--json", "--storage", "/run/sandbox")
    serving = subprocess.Popen(machine.argv(argv), stdout=subprocess.PIPE)
    assert serving.stdout is not None
    server = json.loads(serving.stdout.readline())
    try:
        machine.run(["install", "--directory", "--mode=700", f"--owner={_USER}", _STATE])
        machine.run(["install", "--directory", f"--owner={_USER}", "/srv/images"])
        machine.run_as(_USER, python("arcsecond", "api", "add", "sandbox", server["url"]), _ITS_OWN)
        login = ["login", "--api", "sandbox", "--username", server["username"], "--type", "upload"]
        machine.run_as(
            _USER,
            python("arcsecond", *login, "--key", "-"),
            _ITS_OWN,
            stdin=server["upload_key"] + "\n",
        )
        machine.run_as(
            _USER, python("oort", "watch", "/srv/images", "--api", "sandbox", "-y"), _ITS_OWN
        )
        for_it = ["--system", "--user", _USER]
        assert "sudo -u" in machine.run(python("oort", "service", "install", *for_it)).stdout
        machine.run(python("oort", "service", "start", *for_it))
        machine.run(["sh", "-c", "echo light > /srv/images/a.txt"])
        wait_until(
            lambda: "The file is safe" in machine.run_as(_USER, python("oort", "status"), _ITS_OWN),
            timeout_s=60,
            what=lambda: machine.run(["systemctl", "status", _UNIT], check=False).stdout,
        )
        enabled = machine.run(["systemctl", "is-enabled", _UNIT]).stdout
        assert enabled == "enabled\n"
        machine.run_as(_USER, python("oort", "stop"), _ITS_OWN)
        wait_until(
            lambda: (
                "inactive" in machine.run(["systemctl", "is-active", _UNIT], check=False).stdout
            ),
            timeout_s=30,
            what=lambda: machine.run(["systemctl", "status", _UNIT], check=False).stdout,
        )
        shown = machine.run(["systemctl", "show", "-p", "Result,NRestarts", _UNIT]).stdout
        assert sorted(shown.split()) == ["NRestarts=0", "Result=success"]
        machine.run(python("oort", "service", "uninstall", *for_it))
        left = machine.run(["find", "/etc/systemd/system", "-name", "oort*"]).stdout
        assert left == ""
        machine.run(["test", "-f", f"{_STATE}/oort.db"])
    finally:
        serving.kill()
        serving.wait()
        serving.stdout.close()
