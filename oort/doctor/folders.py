"""The watched folders: there, readable, and not in each other's way."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oort.detect.mounts import file_system_type, look_at_root
from oort.doctor import remedies
from oort.doctor.case import DISK_S
from oort.doctor.findings import Answer, Answers, ok, problem, warning
from oort.doctor.patience import TooSlowError, in_time
from oort.policy.naming import is_uuid
from oort.values import printable

if TYPE_CHECKING:
    from oort.doctor.case import Case
    from oort.values import Watch

_FSTAB: Final = Path("/etc/fstab")
_OF_REMOVABLE: Final = ("/media", "/run/media", "/mnt", "/Volumes")
_LIST_DISKS: Final = (
    "diskutil list" if sys.platform == "darwin" else "lsblk -o NAME,LABEL,SIZE,MOUNTPOINT"
)
_SET_BY_THE_FOLDER: Final = ("{folder}", "{watch}")


def watch(case: Case, name: str) -> Answers:
    """Is the folder there, can all of it be read, and has its dataset no other watch's names?"""
    found = case.watch(name)
    path = found.path
    shown = printable(os.fsencode(path))
    if not found.enabled:
        yield ok(f"{shown}: the watch is disabled")
        return
    try:
        in_time(lambda: look_at_root(path), patience_s=DISK_S)
    except TooSlowError as slow:
        place = remedies.quoted(path)
        yield problem(
            f"{shown} does not answer: {slow}; its disk, or the server of its share, is away",
            f"sudo umount -l {place} && sudo mount {place}",
        )
        return
    trouble = _trouble_of_root(path)
    if trouble is not None:
        yield trouble
        return
    answers = [*_unreadable(case, found), *_neighbours(case, found)]
    yield from answers
    if not any(answer.remedy for answer in answers):
        yield ok(f"{shown}: {_how_it_is_watched(case, found)}")


def _trouble_of_root(path: Path) -> Answer | None:
    """Say why a folder whose disk answers cannot be looked at, None where it can."""
    shown, place = printable(os.fsencode(path)), remedies.quoted(path)
    try:
        with os.scandir(os.fsencode(path)):
            return None
    except FileNotFoundError:
        return _missing(path)
    except NotADirectoryError:
        return problem(f"{shown} is no folder", remedies.change_watch(path.parent))
    except PermissionError:
        return problem(f"{shown} cannot be read by you", _let_read(path, [os.fsencode(path)]))
    except OSError as error:
        return problem(
            f"{shown} cannot be read: {error.strerror}",
            f"sudo umount -l {place} && sudo mount {place}",
        )


def _missing(path: Path) -> Answer:
    words = f"{printable(os.fsencode(path))} is not there"
    if _is_in_fstab(path):
        return problem(f"{words}: its disk is not mounted", f"sudo mount {_mount_point(path)}")
    if any(path.is_relative_to(place) for place in _OF_REMOVABLE):
        return problem(f"{words}: its disk is not plugged in, or not mounted", _LIST_DISKS)
    return problem(
        f"{words}: make it again or mount its disk, or end the watch with `oort unwatch`",
        f"mkdir -p {remedies.quoted(path)}",
    )


def _mount_points() -> list[str]:
    """Return where fstab(5) has something mounted, but for the root."""
    try:
        lines = [line.split() for line in _FSTAB.read_text("utf-8", "replace").splitlines()]
    except OSError:
        return []
    places = [words[1].replace("\\040", " ") for words in lines if words[1:] and words[0][0] != "#"]
    return [place for place in places if place.startswith("/") and place != "/"]


def _is_in_fstab(path: Path) -> bool:
    return any(path.is_relative_to(place) for place in _mount_points())


def _mount_point(path: Path) -> str:
    inner = max((one for one in _mount_points() if path.is_relative_to(one)), key=len)
    return shlex.quote(inner)


def _let_read(root: Path, places: list[bytes]) -> str:
    """Return what lets this user read some folders: by the mode of their own, by a list otherwise."""
    if remedies.are_ours(*places):
        return f"chmod u+rX {remedies.quoted(*places)}"
    import getpass

    return f"sudo setfacl -R -m u:{getpass.getuser()}:rX {remedies.quoted(root)}"


def _unreadable(case: Case, watch: Watch) -> Answers:
    tree = case.tree(watch)
    if tree is not None and tree.unreadable:
        names = remedies.joined(printable(place) for place in tree.unreadable)
        yield warning(
            f"cannot be read by you, so nothing in there is sent: {names}",
            _let_read(watch.path, tree.unreadable),
        )


def _how_it_is_watched(case: Case, watch: Watch) -> str:
    tree = case.tree(watch)
    count = "too large to be counted here" if tree is None else _folders(tree.folders)
    if tree is not None and not tree.is_whole:
        count = f"more than {count}"
    if case.on_network(watch.path):
        kind = file_system_type(watch.path) or "a network file system"
        return (
            f"{count}, on {kind}, which gives no events: walked through every "
            f"{case.settings.poll_s:g} s"
        )
    if watch.polling:
        return f"{count}, walked through every {case.settings.poll_s:g} s"
    return f"{count}, on a disk of this machine"


def _folders(count: int) -> str:
    return "1 folder" if count == 1 else f"{count:,} folders"


# -- neighbours -----------------------------------------------------------------------------------


def _neighbours(case: Case, watch: Watch) -> Answers:
    """Find watches of the same folder, and those that would fill one dataset from two folders."""
    for other in case.watches:
        if other.name == watch.name:
            return  # each pair is told once, at the later one
        if _is_same_folder(watch.path, other.path):
            yield warning(
                f'the watch "{other.name}" is of the same folder, by another way',
                f"oort unwatch {shlex.quote(watch.name)}",
            )
        elif _have_one_dataset(watch, other):
            nested = _nested(watch, other)
            yield warning(
                f'the watch "{other.name}" {nested}fills the same dataset ({_dataset_of(watch)}): of two '
                "different files with one name only the first is sent",
                remedies.change_watch(watch.path, "-d", shlex.quote("{watch}/{folder}")),
            )


def _is_same_folder(one: Path, other: Path) -> bool:
    try:
        return in_time(lambda: one.samefile(other), patience_s=DISK_S)
    except (TooSlowError, OSError):
        return False


def _nested(watch: Watch, other: Watch) -> str:
    if watch.path.is_relative_to(other.path):
        return "contains this folder, and "
    return "lies in this folder, and " if other.path.is_relative_to(watch.path) else ""


def _have_one_dataset(one: Watch, other: Watch) -> bool:
    where = (one.api, one.portal) == (other.api, other.portal)
    return where and _dataset_of(one) == _dataset_of(other)


def _dataset_of(watch: Watch) -> str:
    """Return the dataset of files that lie in the watched folder itself, as far as its rule tells."""
    if is_uuid(watch.dataset):
        return watch.dataset.strip().lower()
    folder, name = _SET_BY_THE_FOLDER
    return watch.dataset.replace(folder, watch.path.name).replace(name, watch.name)
