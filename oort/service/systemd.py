"""The service under systemd: a unit of the user's manager, or an instance of the machine's.

For one user the unit file itself is filled in. For the whole machine the template `oort@.service`
stays as it is, and what differs from user to user goes into the instance's drop-in.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oort.errors import OortError
from oort.service.files import remove, template, write
from oort.service.installation import ServiceState

if TYPE_CHECKING:
    from oort.service.installation import Installation

_ANSWERS_S: Final = 20 * 60.0
"""Longer than a unit of ours may take to start: systemctl waits for READY."""
_UNREACHABLE: Final = ("Failed to connect to", "has not been booted with systemd")
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""Names that stand in an instance's as they are: the unit says `User=%i` (systemd.unit(5))."""
_LINGER: Final = Path("/var/lib/systemd/linger")


class Systemd:
    """`system`: the whole machine's manager, where the service runs as `user`."""

    def __init__(self, *, system: bool, user: str) -> None:
        if system and not _USER.fullmatch(user):
            raise OortError(f"a service cannot be named after the account {user!r}")
        self._system = system
        self._user = user

    @property
    def unit(self) -> str:
        """The unit's name."""
        return f"oort@{self._user}.service" if self._system else "oort.service"

    @property
    def file(self) -> Path:
        """Where the unit file lies, or would."""
        if self._system:
            return Path("/etc/systemd/system/oort@.service")
        return _user_units() / "oort.service"

    @property
    def is_installed(self) -> bool:
        """Whether the unit's file is there, and of the machine's template this instance, too."""
        return self.file.exists() and (not self._system or self._drop_in.exists())

    @property
    def ends_at_logout(self) -> bool:
        """Whether nobody said yet that this user's services stay (loginctl(1), "enable-linger")."""
        return not self._system and not (_LINGER / self._user).exists()

    @property
    def _drop_in(self) -> Path:
        return self.file.parent / f"{self.unit}.d" / "oort.conf"

    def install(self, installation: Installation) -> list[str]:
        """Write the unit and enable it; return what else is to be done."""
        if self._system:
            changed = write(self.file, template("systemd/system/oort@.service"))
            changed |= write(self._drop_in, drop_in(installation))
        else:
            changed = write(self.file, filled_in(template("systemd/oort.service"), installation))
        try:
            self._ask("daemon-reload")
            self._ask("enable", self.unit)
        except OortError as error:
            raise OortError(
                f"{self.file} is written, but not enabled: {error.message}",
                hint=f"run `{self._words('daemon-reload')}` and "
                f"`{self._words('enable', '--now', self.unit)}` where it can be reached",
            ) from error
        return self._what_else(changed=changed, installation=installation)

    def _what_else(self, *, changed: bool, installation: Installation) -> list[str]:
        told = []
        if changed and self.state().active:
            told.append(
                "It runs with its old file: `oort service stop`, then `oort service start`."
            )
        if self.ends_at_logout:
            told.append(
                "It ends when you log out, and starts when you log in. To have it run always: "
                f"`loginctl enable-linger {self._user}`."
            )
        if self._system and "OORT_HOME" not in installation.environment:
            home = f"/var/lib/oort/{self._user}"
            told.append(
                "Its queue, settings and keys are apart from yours. Commands find them with "
                f"`sudo -u {self._user} env OORT_HOME={home} "
                f"ARCSECOND_CONFIG_DIR={home}/arcsecond oort …`."
            )
        return told

    def uninstall(self) -> None:
        """Stop and disable the unit, and remove its files."""
        unreached: OortError | None = None
        if self.file.exists() or self._drop_in.exists():
            try:
                self._ask("disable", "--now", self.unit)
            except OortError as error:
                unreached = error
        self._remove_files()
        try:
            self._ask("daemon-reload")
            self._ask("reset-failed", self.unit, may_fail=True)
        except OortError as error:
            unreached = unreached or error
        if unreached is not None:
            raise OortError(
                f"the files of {self.unit} are removed, but systemd does not know it: "
                f"{unreached.message}",
                hint=f"where it runs still, `oort stop` ends it; then `{self._words('daemon-reload')}`",
            )

    def _remove_files(self) -> None:
        remove(self._drop_in)
        if self._drop_in.parent.is_dir() and not any(self._drop_in.parent.iterdir()):
            self._drop_in.parent.rmdir()
        for wants in self.file.parent.glob(f"*.wants/{self.unit}"):
            remove(wants)
            if not any(wants.parent.iterdir()):
                wants.parent.rmdir()
        if not self._system or not any(self.file.parent.glob("oort@*.service.d")):
            remove(self.file)

    def start(self) -> None:
        """Start the unit; systemctl returns when the daemon says READY."""
        self._require_file()
        self._ask("start", self.unit)

    def stop(self) -> None:
        """Stop the unit; systemctl returns when the daemon is gone."""
        self._ask("stop", self.unit)

    def state(self) -> ServiceState:
        """Return how the unit is."""
        if not self.file.exists():
            return ServiceState(installed=False, enabled=False, active=False, words="not installed")
        names = "ActiveState,SubState,UnitFileState,MainPID,StatusText"
        shown = dict(
            line.partition("=")[::2]
            for line in self._ask("show", "--property", names, self.unit).splitlines()
        )
        active = shown.get("ActiveState", "unknown")
        pid = int(shown.get("MainPID") or 0)
        return ServiceState(
            installed=True,
            enabled=shown.get("UnitFileState") == "enabled",
            active=active in ("active", "reloading"),
            words=f"{active} ({shown.get('SubState', '')})",
            pid=pid or None,
            told=shown.get("StatusText") or None,
        )

    def _require_file(self) -> None:
        if not self.file.exists():
            system = " --system" if self._system else ""
            raise OortError(
                "the service is not installed", hint=f"install it: `oort service install{system}`"
            )

    # -- systemctl -------------------------------------------------------------------------------

    def _argv(self, *words: str) -> list[str]:
        return ["systemctl", *([] if self._system else ["--user"]), *words]

    def _words(self, *words: str) -> str:
        return " ".join(self._argv(*words))

    def _ask(self, *words: str, may_fail: bool = False) -> str:
        """Run systemctl and return what it printed. Raises OortError with its own words."""
        argv = self._argv("--no-ask-password", "--no-pager", *words)
        try:
            done = subprocess.run(
                argv,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_ANSWERS_S,
                check=False,
            )
        except FileNotFoundError:
            raise OortError(
                "there is no systemctl on this machine", hint="run `oort start` by other means"
            ) from None
        except subprocess.TimeoutExpired:
            raise OortError(f"`{self._words(*words)}` does not come to an end") from None
        if done.returncode != 0 and not may_fail:
            raise self._refused(words, done.stderr)
        return done.stdout

    def _refused(self, words: tuple[str, ...], said: str) -> OortError:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        why = lines[0] if lines else "no reason was given"
        if any(known in said for known in _UNREACHABLE):
            whose = "this machine" if self._system else "this user"
            return OortError(f"the systemd of {whose} cannot be reached: {why}")
        hint = "use `sudo`" if self._system and "ccess denied" in said else None
        if words[0] == "start":
            hint = hint or "`oort logs` says why; so does `oort start` in the foreground"
        return OortError(f"`{self._words(*words)}` failed: {why}", hint=hint)


def filled_in(unit: str, installation: Installation) -> str:
    """Return the unit of one user with the command, times and environment of this installation."""
    unit = _with(unit, "ExecStart", _command(installation))
    unit = _with(unit, "TimeoutStopSec", str(installation.stop_timeout_s))
    own = re.search(r"(?m)^Environment=OORT_SERVICE=.*\n", unit)
    if own is None:
        raise AssertionError("the unit says no OORT_SERVICE")
    return unit[: own.end()] + _variables(installation) + unit[own.end() :]


def drop_in(installation: Installation) -> str:
    """Return what an instance of the machine's template has of its own."""
    writable = ""
    if "OORT_HOME" in installation.environment:
        # With ProtectSystem=strict nothing else may be written.
        writable = f"ReadWritePaths=-{_quoted(installation.environment['OORT_HOME'])}\n"
    return (
        "# Written by `oort service install --system`.\n"
        "[Service]\n"
        f"ExecStart=\nExecStart={_command(installation)}\n"
        f"TimeoutStopSec={installation.stop_timeout_s}\n"
        f"{_variables(installation)}{writable}"
    )


def _with(unit: str, key: str, value: str) -> str:
    filled, count = re.subn(rf"(?m)^{key}=.*$", lambda _: f"{key}={value}", unit)
    if count != 1:
        raise AssertionError(f"the unit has {count} lines of {key}")
    return filled


def _command(installation: Installation) -> str:
    # systemd.service(5), "COMMAND LINES": `$` is a variable's, unless it is doubled; in the path of
    # the program itself it is a letter as any other (systemd 252).
    program, *arguments = installation.command
    return " ".join([_quoted(program), *(_quoted(word).replace("$", "$$") for word in arguments)])


def _variables(installation: Installation) -> str:
    return "".join(
        f"Environment={_quoted(f'{name}={value}')}\n"
        for name, value in installation.environment.items()
    )


def _quoted(word: str) -> str:
    """Return a word as systemd.syntax(7) takes it: specifiers doubled, quoted where it must be."""
    word = word.replace("%", "%%")
    if re.fullmatch(r"[\w@%+=:,./-]+", word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _user_units() -> Path:
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "systemd" / "user"


def _environment() -> dict[str, str]:
    """Return the environment in which the user's manager is found, also over ssh and by `su`."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    if hasattr(os, "getuid"):
        environment.setdefault("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    return environment
