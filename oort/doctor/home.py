"""config.toml, whose queue it is that is looked at, and what others may do with our own files."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oort.doctor import remedies
from oort.doctor.findings import Answers, ok, problem, warning
from oort.settings.reading import DATABASE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oort.doctor.case import Case

_KEPT_VARIABLES: Final = ("OORT_HOME", "ARCSECOND_CONFIG_DIR")


def config(case: Case) -> Answers:
    """Can config.toml be used, and does it name a folder to watch?"""
    file = case.locations.config_file
    error = case.settings_error
    if error is not None:
        yield problem(error.message + (f" ({error.hint})" if error.hint else ""), _mend(case, file))
    elif not file.exists():
        yield warning(f"there is no {file} yet: no folder is watched", "oort watch FOLDER")
    elif not case.watches:
        yield warning(f"{file} has no watch that is enabled: nothing is sent", "oort watch FOLDER")
    else:
        names = remedies.joined(watch.name for watch in case.watches)
        yield ok(f"{file} can be read; watched: {names}")


def _mend(case: Case, file: Path) -> str:
    assert case.settings_error is not None  # noqa: S101  # for mypy
    if case.settings_error.message.startswith(DATABASE_VARIABLE):
        return f"unset {DATABASE_VARIABLE}"
    if file.exists() and not os.access(file, os.R_OK):
        return f"chmod u+r {remedies.quoted(file)}"
    return remedies.edit(case.settings_error, file)


def user(case: Case) -> Answers:
    """Is it the queue's own user who asks?"""
    if os.name != "posix":
        yield ok("this system tells no owner of a file")
        return
    asking, owner = os.geteuid(), _owner(case)
    typed_by = os.environ.get("SUDO_USER")
    if owner is not None and owner != asking:
        name = _name_of(owner)
        yield warning(
            f"you ask as {_name_of(asking)}, and the queue in {case.locations.state_folder} is "
            f"{name}'s: what is said of rights and limits holds for you, not for its daemon",
            _as_user(name),
        )
    elif asking == 0 and typed_by not in (None, "root"):
        yield warning(
            "you ask as root, so this is root's own Oort that is looked at",
            _as_user(str(typed_by)),
        )
    else:
        yield ok(f"you ask as {_name_of(asking)}, whose queue it is")


def _owner(case: Case) -> int | None:
    """Return the user of the queue: the one whose folder it is in; None where there is none yet."""
    locations = case.locations
    places = [case.database.file, locations.lock_file, locations.config_file]
    for place in (locations.state_folder, *places):
        if place is not None and place.exists():
            return place.stat().st_uid
    return None


def _name_of(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _as_user(name: str) -> str:
    who = f"'#{name.removeprefix('user ')}'" if name.startswith("user ") else name
    kept = [f"{key}={os.environ[key]}" for key in _KEPT_VARIABLES if os.environ.get(key)]
    variables = f"env {remedies.quoted(*kept)} " if kept else ""
    return f"sudo -u {who} {variables}oort doctor"


def permissions(case: Case) -> Answers:
    """Are our own folders and files ours, writable, and closed to others?"""
    if os.name != "posix":
        yield ok("this system keeps the rights of files in its own way")
        return
    places = list(_own_places(case))
    if not places:
        yield ok(f"nothing is there yet; {case.locations.state_folder} will be made")
        return
    answers = [*_of_strangers(places), *_not_writable(places), *_open(places)]
    yield from answers
    if not answers:
        folders = (case.locations.config_folder, case.locations.state_folder)
        where = " and ".join(dict.fromkeys(map(str, folders)))
        yield ok(f"what Oort keeps is its owner's alone, in {where}")


def _own_places(case: Case) -> Iterator[Path]:
    """Yield the folders and files of ours that are there, the folders first."""
    locations, file = case.locations, case.database.file
    named = [locations.config_folder, locations.state_folder, locations.config_file]
    named += [locations.last_good_config, locations.lock_file]
    if file is not None:
        named += [file, *(file.with_name(f"{file.name}{end}") for end in ("-wal", "-shm"))]
    for folder in (locations.control_folder, locations.logs_folder, locations.backups_folder):
        named.append(folder)
        if folder.is_dir() and os.access(folder, os.R_OK | os.X_OK):
            named += folder.iterdir()
    for place in dict.fromkeys(named):
        if place != Path.home() and os.path.exists(place):  # noqa: PTH110  # False also where it may not be asked
            yield place


def _of_strangers(places: list[Path]) -> Answers:
    """Find what somebody else made in a folder of ours: `sudo oort`, for one."""
    owners = {place: place.stat().st_uid for place in places}
    owner = owners[places[0]]
    strange = [place for place, uid in owners.items() if uid != owner]
    if strange:
        name = _name_of(owner)
        whose = _name_of(owners[strange[0]])
        yield problem(
            f"{remedies.joined(map(str, strange))}: {whose}'s, in a folder of {name}'s",
            f"sudo chown {name} {remedies.quoted(*strange)}",
        )


def _not_writable(places: list[Path]) -> Answers:
    read_only = [place for place in places if place.is_dir() and _is_read_only(place)]
    if read_only:
        yield problem(
            f"the disk of {remedies.joined(map(str, read_only))} is read-only: nothing is sent",
            f"sudo mount -o remount,rw {remedies.quoted(remedies.mount_of(read_only[0]))}",
        )
        return
    refused = [place for place in places if not os.access(place, _needed(place))]
    if not refused:
        return
    words = f"{remedies.joined(map(str, refused))}: cannot be written by {_name_of(os.geteuid())}"
    if all(place.stat().st_uid == os.geteuid() for place in refused):
        yield problem(words, f"chmod u+rwX {remedies.quoted(*refused)}")
    else:
        who = _name_of(os.geteuid())
        yield problem(words, f"sudo chown {who} {remedies.quoted(*refused)}")


def _needed(place: Path) -> int:
    return os.R_OK | os.W_OK | (os.X_OK if place.is_dir() else 0)


def _is_read_only(folder: Path) -> bool:
    """Tell whether a disk takes nothing: by its flags, or by what it says to who wants to write."""
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return True
    try:
        os.close(os.open(folder / "oort.lock", os.O_WRONLY))
    except OSError as error:
        return error.errno == errno.EROFS
    return False


def _open(places: list[Path]) -> Answers:
    """Find what group and others may read or write: names of files, addresses, what was sent."""
    found = [
        place
        for place in places
        if not place.is_symlink() and stat.S_IMODE(place.stat().st_mode) & 0o077
    ]
    if found:
        yield warning(
            f"{remedies.joined(map(str, found))}: open to others on this computer",
            f"chmod go-rwx {remedies.quoted(*found)}",
        )
