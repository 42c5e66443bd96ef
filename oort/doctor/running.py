"""The daemon, the service that runs it, and how much this system lets it open."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import oort
from oort.doctor import remedies
from oort.doctor.findings import Answers, ok, problem, warning
from oort.errors import OortError
from oort.service import manager

if TYPE_CHECKING:
    from oort.doctor.case import Case
    from oort.service.installation import Manager, ServiceState

_MOST_WORKERS: Final = 32
"""What `workers = "auto"` may come to."""

_FILES_A_WORKER: Final = 6
"""The file, two connections, and the queue's file with its log and index where it asks."""

_FILES_BESIDE: Final = 128
"""Python's own, the log, the queue, the observers, and what a scan walks through."""


@dataclass(frozen=True, slots=True)
class InstalledService:
    """A service of ours whose file is there."""

    manager: Manager
    is_system: bool

    def command(self, word: str) -> str:
        """Return the `oort service` command that does so."""
        if self.is_system:
            return f"sudo oort service {word} --system"
        return f"oort service {word}"

    def state(self) -> ServiceState:
        """Return how it is. Raises OortError where the manager cannot be reached."""
        return self.manager.state()


def installed_service() -> InstalledService | None:
    """Return the service that is installed for this user, theirs before the machine's."""
    for is_system in (False, True):
        try:
            found = manager(system=is_system)
        except (
            OortError
        ):  # no manager that we know, or an account that no service can be named after
            continue
        if found.is_installed:
            return InstalledService(found, is_system)
    return None


def daemon(case: Case) -> Answers:
    """Does the daemon run, as this version, and as the service where one is installed?"""
    holder = case.daemon()
    if holder is None:
        yield problem("the daemon is not running: nothing is sent", remedies.start())
        return
    service = installed_service()
    well = True
    if holder.trouble:
        well = False
        yield problem(f"the daemon cannot write its queue: {holder.trouble}", "oort logs")
    if holder.version and holder.version != oort.__version__:
        well = False
        yield warning(
            f"the daemon (pid {holder.pid}) runs as version {holder.version}, installed is "
            f"{oort.__version__}",
            remedies.restart(case),
        )
    if service is not None and not holder.service:
        well = False
        yield warning(
            f"the daemon (pid {holder.pid}) runs in a foreground, and not as the service that is "
            "installed: it ends with its terminal",
            f"oort stop && {service.command('start')}",
        )
    if well:
        how = "as a service" if holder.service else "in a foreground"
        yield ok(f"the daemon runs {how} (pid {holder.pid}), as version {holder.version}")


def service(case: Case) -> Answers:
    """Is the service well: not failed, started by itself, and there when nobody is logged in?"""
    installed = installed_service()
    if installed is None:
        yield ok("no service is installed: `oort service install` has the daemon start by itself")
        return
    file = installed.manager.file
    try:
        state = installed.state()
    except OortError as error:
        hint = f"loginctl enable-linger {_user()}" if sys.platform == "linux" else "oort logs"
        yield warning(f"{file} is installed, and its manager does not answer: {error}", hint)
        return
    well = True
    if state.words.startswith("failed"):
        well = False
        yield problem(
            f"the service has failed ({state.words}); `oort logs` says why",
            installed.command("start"),
        )
    elif not state.active and case.daemon() is None:
        well = False
        yield problem(f"the service is {state.words}", installed.command("start"))
    if not state.enabled:
        well = False
        yield warning(
            "the service does not start by itself after a restart of this computer",
            installed.command("install"),
        )
    if installed.manager.ends_at_logout:
        well = False
        yield warning(
            "the service ends when you log out, and starts when you log in",
            f"loginctl enable-linger {_user()}",
        )
    if well:
        yield ok(f"{file} is installed, {state.words}, and starts by itself")


def _user() -> str:
    import getpass

    try:
        return remedies.quoted(getpass.getuser())
    except (KeyError, OSError):
        return "$USER"


def limits(case: Case) -> Answers:
    """May the daemon open as many files as its workers need?"""
    limit = _limit_of(case)
    if limit is None:
        yield ok("this system tells no limit of open files")
        return
    workers = case.settings.workers
    count = workers if isinstance(workers, int) else _MOST_WORKERS
    needed = _FILES_BESIDE + _FILES_A_WORKER * count
    if limit < needed:
        yield warning(
            f"the daemon may open {limit} files at a time, {count} workers may need {needed}",
            _raise_limit(case, max(1024, needed)),
        )
    else:
        yield ok(f"the daemon may open {limit} files at a time, and needs at most {needed}")


def _raise_limit(case: Case, files: int) -> str:
    installed = installed_service()
    if installed is None:
        return f"ulimit -n {files} && {remedies.restart(case)}"
    folder = remedies.quoted(f"{installed.manager.file}.d")
    sudo = "sudo " if installed.is_system else ""
    return (
        f"{sudo}mkdir -p {folder} && printf '[Service]\\nLimitNOFILE={files}\\n' | "
        f"{sudo}tee {folder}/files.conf && {remedies.restart(case)}"
    )


def _limit_of(case: Case) -> int | None:
    """Return how many files the daemon may open; without one, what it would inherit from here."""
    holder = case.daemon()
    told = _told_by_kernel(holder.pid) if holder is not None else None
    if told is not None:
        return told
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def _told_by_kernel(pid: int) -> int | None:
    """Read another process's limit (proc_pid_limits(5)); None where it is not told, or there is none."""
    try:
        lines = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    soft = next((line.split()[3] for line in lines if line.startswith("Max open files")), "")
    return int(soft) if soft.isdigit() else None
