"""`oort service` under a real systemd of a user.

1. Installed: the unit has this installation's command and home, is enabled, and verifies.
2. Started: it returns when the daemon is READY; files are sent; STATUS is in words.
3. Killed with kill -9: started again, by itself.
4. Stopped by SIGSTOP: the watchdog ends it, and it is started again.
5. Stopped by `oort stop` and by the service's stop: exit 0, and it stays stopped.
6. Uninstalled: nothing is left.
7. The key as a credential (LoadCredential).
8. No manager to be reached: the file is written, one clear line, exit 1.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.files import make_fits
from tests.support.user_manager import UserManager, can_be_had, user_manager
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.linux, pytest.mark.slow]

_UNIT = "oort.service"


@pytest.fixture
def manager(home: Home, tmp_path: Path) -> Iterator[UserManager]:
    """Run a manager for the user of `home`."""
    if not can_be_had():
        pytest.skip("needs root, systemd and dbus-daemon")
    with user_manager(home.environment, tmp_path / "systemd.log") as running:
        yield running


def oort(manager: UserManager, *words: str, check: bool = True) -> str:
    done = manager.run([sys.executable, "-m", "oort", *words], check=check)
    return done.stdout + done.stderr


def installed_unit(home: Home) -> Path:
    return home.folder / ".config" / "systemd" / "user" / _UNIT


def pid_of(manager: UserManager) -> int:
    return int(manager.show(_UNIT, "MainPID")["MainPID"])


def is_active(manager: UserManager) -> bool:
    return manager.show(_UNIT, "ActiveState")["ActiveState"] == "active"


def started(manager: UserManager) -> int:
    oort(manager, "service", "install")
    oort(manager, "service", "start")
    assert is_active(manager)
    return pid_of(manager)


def short_watchdog(home: Home) -> None:
    """Shorten the waits of the installed unit, as somebody may who edits a drop-in."""
    drop_in = installed_unit(home).with_name(f"{_UNIT}.d") / "short.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nWatchdogSec=3\nRestartSec=0.2\n")


def test_install_writes_the_units_file_with_this_home(home: Home, manager: UserManager) -> None:
    said = oort(manager, "service", "install")
    assert "oort service start" in said
    assert "loginctl enable-linger" in said
    unit = installed_unit(home).read_text()
    assert f"Environment=OORT_HOME={home.folder}/oort\n" in unit
    assert f"Environment=ARCSECOND_CONFIG_DIR={home.folder}/arcsecond\n" in unit
    assert re.search(r"(?m)^ExecStart=/\S+ start$", unit)
    assert "TimeoutStopSec=12\n" in unit  # stop_grace_s is 2 here
    assert manager.show(_UNIT, "UnitFileState")["UnitFileState"] == "enabled"
    verified = manager.run(["systemd-analyze", "--user", "verify", installed_unit(home)])
    assert verified.stderr == ""
    oort(manager, "service", "install")  # twice does no harm
    assert installed_unit(home).read_text() == unit


def test_it_runs_sends_and_is_stopped(
    home: Home, manager: UserManager, sandbox: Sandbox, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    make_fits(images / "a.fits")
    home.watch(images)
    started(manager)
    home.wait_for(OK=1)
    assert [file["name"] for file in sandbox.files()] == ["a.fits"]
    wait_until(
        lambda: "in hand" in manager.show(_UNIT, "StatusText")["StatusText"],
        timeout_s=20,
        what=lambda: str(manager.show(_UNIT, "StatusText")),
    )
    assert "active (running)" in oort(manager, "service", "status")
    assert oort(manager, "stop") == "The service is stopped.\n"
    shown = manager.show(_UNIT, "ActiveState", "Result", "ExecMainStatus")
    assert shown == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}
    oort(manager, "service", "start")
    oort(manager, "stop", "--timeout", "1")  # past the manager: exit 0 is no failure either
    wait_until(lambda: not is_active(manager), timeout_s=20, what=lambda: "it is active")
    assert manager.show(_UNIT, "Result")["Result"] == "success"


def test_a_killed_daemon_is_started_again(manager: UserManager) -> None:
    pid = started(manager)
    manager.run(["kill", "-9", str(pid)])
    wait_until(
        lambda: is_active(manager) and pid_of(manager) not in (0, pid),
        timeout_s=40,
        what=lambda: str(manager.show(_UNIT, "ActiveState", "MainPID")),
    )
    oort(manager, "service", "stop")
    assert not is_active(manager)


def test_the_watchdog_ends_a_daemon_that_stands_still(home: Home, manager: UserManager) -> None:
    short_watchdog(home)
    pid = started(manager)
    manager.run(["kill", "-STOP", str(pid)])
    wait_until(
        lambda: is_active(manager) and pid_of(manager) not in (0, pid),
        timeout_s=60,
        what=lambda: str(manager.show(_UNIT, "ActiveState", "MainPID", "Result")),
    )


def test_a_daemon_that_works_is_left_alone_by_the_watchdog(
    home: Home, manager: UserManager
) -> None:
    short_watchdog(home)
    pid = started(manager)
    beats: set[str] = set()

    def has_beaten() -> bool:
        shown = manager.show(_UNIT, "WatchdogTimestampMonotonic")
        beats.add(shown["WatchdogTimestampMonotonic"])
        return len(beats) > 4

    wait_until(has_beaten, timeout_s=40, what=lambda: str(beats))
    assert pid_of(manager) == pid
    assert manager.show(_UNIT, "NRestarts")["NRestarts"] == "0"


def test_uninstall_leaves_nothing(home: Home, manager: UserManager) -> None:
    started(manager)
    oort(manager, "service", "uninstall")
    units = home.folder / ".config" / "systemd" / "user"
    assert [path for path in units.rglob("*") if not path.is_dir()] == []
    shown = manager.show(_UNIT, "LoadState", "ActiveState")
    assert shown == {"LoadState": "not-found", "ActiveState": "inactive"}
    assert "not installed" in oort(manager, "service", "status")
    oort(manager, "service", "uninstall")  # twice does no harm


def test_a_key_as_a_credential(
    home: Home, manager: UserManager, sandbox: Sandbox, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    make_fits(images / "a.fits")
    home.watch(images)
    oort(manager, "service", "install")
    keys = home.folder / "arcsecond" / "config.ini"
    credential = tmp_path / "root-only" / "config.ini"
    credential.parent.mkdir(mode=0o700)
    keys.rename(credential)
    drop_in = installed_unit(home).with_name(f"{_UNIT}.d") / "key.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(
        f"[Service]\nLoadCredential=config.ini:{credential}\nEnvironment=ARCSECOND_CONFIG_DIR=%d\n"
    )
    manager.run(["systemctl", "--user", "daemon-reload"])
    oort(manager, "service", "start")
    home.wait_for(OK=1)
    assert len(sandbox.files()) == 1
    assert not keys.exists()


def test_a_daemon_in_the_foreground_is_named(home: Home, manager: UserManager) -> None:
    home.start()
    oort(manager, "service", "install")
    done = manager.run([sys.executable, "-m", "oort", "service", "start"], check=False)
    assert done.returncode == 1
    assert "not as a service" in done.stderr


def test_without_a_manager_the_file_is_written(home: Home, tmp_path: Path) -> None:
    home.environment["XDG_RUNTIME_DIR"] = str(tmp_path / "no-such-folder")
    home.environment.pop("DBUS_SESSION_BUS_ADDRESS", None)
    done = home.run("oort", "service", "install", check=False)
    assert done.returncode == 1
    first, hint = done.stderr.splitlines()
    assert first.startswith("Error: ")
    assert "is written, but not enabled" in first
    assert "systemctl --user" in hint
    assert installed_unit(home).exists()
    done = home.run("oort", "service", "uninstall", check=False)
    assert done.returncode == 1
    assert not installed_unit(home).exists()


def test_the_units_verify_and_are_hardened(tmp_path: Path) -> None:
    checkout = Path(__file__).parents[2]
    system = tmp_path / "oort@acq.service"
    text = (checkout / "systemd" / "system" / "oort@.service").read_text()
    system.write_text(text.replace("/usr/local/bin/oort", "/bin/true"))
    user = tmp_path / "oort.service"
    text = (checkout / "systemd" / "oort.service").read_text()
    user.write_text(text.replace("%h/.local/bin/oort", "/bin/true"))
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    for unit in (system, user):
        done = subprocess.run(
            ["systemd-analyze", "verify", unit],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
    # 20 is an exposure of 2.0 (systemd-analyze(1)).
    subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", system],
        check=True,
        capture_output=True,
        env=environment,
    )
