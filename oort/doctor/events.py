"""The kernel's limits of events (inotify) against the folders that are watched.

A limit that is used up stops nothing: folders without an event are scanned. But a file is then
found by the next scan, and not at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from oort.doctor.findings import Answers, ok, warning

if TYPE_CHECKING:
    from oort.doctor.case import Case
    from oort.values import Watch

_OF_THE_MACHINE: Final = Path("/proc/sys/fs/inotify")
_OF_THE_NAMESPACE: Final = Path("/proc/sys/user")
"""Limits of the same, for the users of a container (namespaces(7)); the lower one holds."""

_LEAST_WATCHES: Final = 524_288
_LEAST_INSTANCES: Final = 1024
_PROC: Final = Path("/proc")


class InUse(NamedTuple):
    """What processes of this user hold of it, as far as the kernel shows them."""

    watches: int = 0
    instances: int = 0


def events(case: Case) -> Answers:
    """Are there enough inotify watches and instances for every watched folder?"""
    if sys.platform != "linux":
        yield ok("this system has no limit of events that could be raised")
        return
    heard = [watch for watch in case.watches if not watch.polling and _gives_events(case, watch)]
    needed = sum(tree.folders for watch in heard if (tree := case.tree(watch)) is not None)
    holder = case.daemon()
    others = _in_use(without=holder.pid if holder is not None else 0)
    answers = [*_watches(needed, others.watches), *_instances(len(heard), others.instances)]
    yield from answers
    if not answers:
        yield ok(
            f"{needed:,} of {_limit('watches')[1]:,} inotify watches are needed here, and "
            f"{others.watches:,} are in use by other programs of this user"
        )


def _gives_events(case: Case, watch: Watch) -> bool:
    return not case.on_network(watch.path)


def _watches(needed: int, others: int) -> Answers:
    key, limit = _limit("watches")
    if needed + others > limit:
        yield warning(
            f"{needed:,} folders are watched, {others:,} inotify watches are in use by other "
            f"programs of this user, and {key} allows {limit:,}: what is left without one is "
            "found by scans only",
            _raise(key, max(_LEAST_WATCHES, _rounded(2 * (needed + others)))),
        )


def _instances(needed: int, others: int) -> Answers:
    key, limit = _limit("instances")
    if needed + others > limit:
        yield warning(
            f"{needed:,} watches want an inotify instance each, {others:,} are in use by other "
            f"programs of this user, and {key} allows {limit:,}: a watch without one is scanned "
            "again and again",
            _raise(key, max(_LEAST_INSTANCES, _rounded(2 * (needed + others)))),
        )


def _limit(of: str) -> tuple[str, int]:
    """Return the lower of the two limits, with the name that sysctl(8) has for it."""
    machine = _number(_OF_THE_MACHINE / f"max_user_{of}")
    namespace = _number(_OF_THE_NAMESPACE / f"max_inotify_{of}")
    if namespace < machine:
        return f"user.max_inotify_{of}", namespace
    return f"fs.inotify.max_user_{of}", machine


def _number(file: Path) -> int:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return sys.maxsize


def _rounded(count: int) -> int:
    return 1 << count.bit_length()


def _raise(key: str, value: int) -> str:
    """Return the command that raises a limit now, and after every start of the machine."""
    file = "/etc/sysctl.d/60-oort.conf"
    return f"echo {key}={value} | sudo tee -a {file} && sudo sysctl -p {file}"


def _in_use(*, without: int) -> InUse:
    """Count what this user's processes hold (proc_pid_fdinfo(5)), but for one."""
    watches = instances = 0
    for process in _PROC.iterdir():
        if not process.name.isdigit() or int(process.name) == without:
            continue
        try:
            if process.stat().st_uid != os.geteuid():
                continue
            for fd in (process / "fd").iterdir():
                if os.readlink(fd) == "anon_inode:inotify":  # noqa: PTH115  # no path
                    instances += 1
                    told = (process / "fdinfo" / fd.name).read_bytes()
                    watches += told.count(b"inotify wd:")
        except OSError:  # it has just ended, or is not shown to us
            continue
    return InUse(watches, instances)
