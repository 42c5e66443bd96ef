"""How nights are named where no telescope tells its longitude. A hint, never a trouble."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oort.doctor import remedies
from oort.doctor.findings import Answers, ok

if TYPE_CHECKING:
    from oort.doctor.case import Case

_LOCALTIME: Final = Path("/etc/localtime")
_ZONES: Final = "zoneinfo/"


def night(case: Case) -> Answers:
    """By what are nights named: a telescope's longitude, or this computer's time zone?"""
    without = [watch.name for watch in case.watches if watch.telescope is None]
    if case.watches and not without:
        yield ok("every watch has a telescope, whose longitude names its nights where it is known")
        return
    zone = _zone()
    whose = f" of {remedies.joined(without)}" if without else ""
    if zone is None:
        yield ok(
            f"the nights{whose} run from noon to noon UTC: this computer has no time zone "
            "(`sudo timedatectl set-timezone ZONE`), and no telescope tells a longitude "
            "(`oort watch FOLDER -t TELESCOPE`)"
        )
    else:
        yield ok(
            f"the nights{whose} are named by this computer's time zone, {zone}; a telescope's "
            "longitude goes before it (`oort watch FOLDER -t TELESCOPE`)"
        )


def _zone() -> str | None:
    """Return the time zone by its name, None where nobody has set one."""
    set_by = os.environ.get("TZ")
    if set_by:
        return set_by.removeprefix(":")
    try:
        return os.path.realpath(_LOCALTIME, strict=True).partition(_ZONES)[2] or "of /etc/localtime"
    except OSError:
        return None
