"""Commands that several checks give. Each is for a shell, with every name quoted."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oort.doctor.case import Case
    from oort.errors import OortError

_NAMES_SHOWN: Final = 20
_PLAIN: Final = re.compile(r"[\w ./,:;=+@%^~()\[\]{}-]", re.ASCII)
_COMMAND: Final = re.compile(r"`((?:arcsecond|oort) [^`]+)`")
_LINE: Final = re.compile(r"^(?P<file>/.+?)(?::|, line )(?P<line>\d+):")

SET_CLOCK: Final = (
    "sudo sntp -sS time.apple.com" if sys.platform == "darwin" else "sudo timedatectl set-ntp true"
)


def quoted(*paths: str | bytes | Path) -> str:
    """Return paths as a shell takes them; of very many only the first ones."""
    names = [os.fsdecode(path) for path in paths[:_NAMES_SHOWN]]
    return " ".join(_quoted(name) for name in names)


def _quoted(name: str) -> str:
    """Return a name as a shell takes it; bytes that are no letters in bash's and zsh's own way."""
    if name.isprintable():
        return shlex.quote(name)
    letters = (chr(byte) for byte in os.fsencode(name))
    text = "".join(
        letter if _PLAIN.fullmatch(letter) else f"\\x{ord(letter):02x}" for letter in letters
    )
    return f"$'{text}'"


def start() -> str:
    """Return the command that starts the daemon: as a service, where one is installed."""
    from oort.doctor.running import installed_service

    service = installed_service()
    return "oort start" if service is None else service.command("start")


def restart(case: Case) -> str:
    """Return the command that ends the daemon that runs, if any, and starts it again."""
    return start() if case.daemon() is None else f"oort stop && {start()}"


def edit(error: OortError, file: Path) -> str:
    """Return the command that opens a file where an error says that it is wrong."""
    found = _LINE.match(error.message)
    at_line = f"+{found['line']} " if found else ""
    return f"${{EDITOR:-vi}} {at_line}{quoted(file)}"


def told_in(hint: str | None) -> str | None:
    """Return the command that a hint gives, None where it gives none that is whole."""
    found = _COMMAND.search(hint or "")
    return found[1] if found else None


def change_watch(path: Path, *options: str) -> str:
    """Return the `oort watch` that changes a watch that is there."""
    return " ".join(["oort watch", quoted(path), *options])


def joined(names: Iterable[str], most: int = 3) -> str:
    """Return some names in words: `a, b, c and 4 more`."""
    found = list(names)
    words = ", ".join(found[:most])
    return f"{words} and {len(found) - most} more" if len(found) > most else words


def are_ours(*places: bytes | Path) -> bool:
    """Tell whether this user owns all of these places, as far as they can be asked."""
    if not hasattr(os, "geteuid"):
        return True
    try:
        return all(os.stat(place).st_uid == os.geteuid() for place in places)  # noqa: PTH116  # bytes
    except OSError:
        return False


def mount_of(place: Path) -> Path:
    """Return where the disk of a place is mounted."""
    real = Path(os.path.realpath(place))
    return next(one for one in (real, *real.parents) if os.path.ismount(one))
