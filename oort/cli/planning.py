"""What `oort watch` is about to do to config.toml: values in, a plan and its warnings out."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from oort.cli import output
from oort.errors import OortError
from oort.values import Watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_LONGEST_NAME: Final = 100
_DEFAULT_DATASET: Final = "{folder}"
_MAIN: Final = ("name", "path", "dataset", "telescope", "portal", "api", "username")


@dataclass(frozen=True, slots=True)
class Plan:
    """One watch as it is to be written: a new one, or one that is there with other options."""

    watch: Watch
    before: Watch | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    """The options that somebody typed."""

    @property
    def is_new(self) -> bool:
        """Whether there is no watch of this folder yet."""
        return self.before is None

    @property
    def changes(self) -> dict[str, tuple[object, object]]:
        """The options that will change: old and new."""
        if self.before is None:
            return {}
        old, new = self.before, self.watch
        return {
            entry.name: (getattr(old, entry.name), getattr(new, entry.name))
            for entry in fields(Watch)
            if getattr(old, entry.name) != getattr(new, entry.name)
        }

    def for_user(self, username: str | None) -> Plan:
        """Write down whose account the watch is meant for."""
        return replace(self, watch=replace(self.watch, username=username))


def plans(
    folders: Iterable[Path], given: Mapping[str, Any], watches: Sequence[Watch], api: str
) -> list[Plan]:
    """Return what watching `folders` with the `given` options means, each folder once.

    `api` is the server of a new watch. Raises OortError where a folder cannot be watched.
    """
    found: list[Plan] = []
    for folder in folders:
        planned = _plan(checked_folder(folder), given, watches, api, found)
        if not any(is_same_folder(planned.watch.path, other.watch.path) for other in found):
            found.append(planned)
    return found


def _plan(
    folder: Path,
    given: Mapping[str, Any],
    watches: Sequence[Watch],
    api: str,
    planned: Sequence[Plan],
) -> Plan:
    before = next((watch for watch in watches if is_same_folder(watch.path, folder)), None)
    if before is None:
        taken = {watch.name for watch in watches} | {plan.watch.name for plan in planned}
        name = given.get("name") or unique_name(folder, taken)
        if name in taken:
            raise OortError(
                f'the name "{name}" is taken by another watch', hint="`oort folders` lists them."
            )
        return Plan(Watch(**{"path": folder, "api": api, **given, "name": name}), None, given)
    if given.get("name", before.name) != before.name:
        raise OortError(
            f'{output.words(folder)} is watched as "{before.name}", and a watch keeps its name',
            hint=f'`oort unwatch "{before.name}"` first, then watch it under the new name.',
        )
    return Plan(replace(before, **given), before, given)


def unusual(watch: Watch) -> dict[str, object]:
    """Return the options of a new watch that are not the defaults, but for the main ones."""
    return {
        entry.name: getattr(watch, entry.name)
        for entry in fields(Watch)
        if entry.name not in _MAIN and getattr(watch, entry.name) != entry.default
    }


def shown(key: str, value: object) -> str:
    """Return the value of an option of a watch in words."""
    if value is None:
        from oort.settings import WATCH_FIELDS

        return WATCH_FIELDS[key].default_words.replace("`", "")
    if value == ():
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def checked_folder(folder: Path) -> Path:
    """Return an absolute folder that exists; OortError says what it is otherwise."""
    folder = folder.expanduser().absolute()
    if ".." in folder.parts:
        folder = folder.resolve()
    shown = output.words(folder)
    if not folder.exists():
        raise OortError(f"{shown} does not exist", hint="Create it first, or mount its disk.")
    if not folder.is_dir():
        raise OortError(f"{shown} is no folder", hint="Watch the folder that it lies in.")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise OortError(f"{shown} cannot be read", hint="Oort needs to list it and read its files.")
    return folder


def is_same_folder(one: Path, other: Path) -> bool:
    """Tell whether two paths are one folder; a path that is not there is compared by name."""
    if one == other:
        return True
    try:
        return one.samefile(other)
    except OSError:
        return False


def unique_name(folder: Path, taken: set[str]) -> str:
    """Return a name for a new watch: the folder's own, with a number where it is taken."""
    own = output.words(folder.name).strip()[: _LONGEST_NAME - 10] or "disk"
    name, number = own, 1
    while name in taken:
        number += 1
        name = f"{own}-{number}"
    return name


def warnings_of(planned: Plan, others: Sequence[Watch]) -> list[str]:
    """Return what somebody should know before they say yes."""
    watch = planned.watch
    found = []
    home = Path.home()
    if watch.path == home or watch.path in home.parents:
        is_or_holds = "is" if watch.path == home else "holds"
        found.append(
            f"{output.words(watch.path)} {is_or_holds} your home folder: everything in it that is "
            "not hidden will be sent."
        )
    if watch.portal and "dataset" not in planned.given and watch.dataset == _DEFAULT_DATASET:
        found.append(
            f"Every host that watches a folder named {output.words(watch.path.name)} for the "
            f"portal {watch.portal} shares its datasets; -d names them otherwise."
        )
    for other in others:
        if other.name != watch.name:
            found += _about(watch, other)
    return found


def _about(watch: Watch, other: Watch) -> list[str]:
    """Return what two watches have to do with each other."""
    mine, theirs = watch.path.resolve(), other.path.resolve()
    name = f'the watch "{other.name}"'
    if mine.is_relative_to(theirs):
        return [f"This folder is inside {name}: its files leave that watch and belong to this one."]
    if theirs.is_relative_to(mine):
        return [f"{name[0].upper()}{name[1:]} is inside this folder: its files stay with it."]
    same_names = (watch.api, watch.portal, watch.dataset, watch.path.name) == (
        other.api,
        other.portal,
        _DEFAULT_DATASET,
        other.path.name,
    )
    shared = (
        f"The folder of {name} has the same name: their datasets have the same names, and of two "
        "files with one name only the first is sent; -d tells them apart."
    )
    return [shared] if same_names else []
