"""The token of the monitor: from a file that is its owner's alone, or from the environment."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from oort.errors import OortError

if TYPE_CHECKING:
    from pathlib import Path

SHORT: Final = 16
"""A token of fewer characters is worth a warning: it can be guessed."""

_MOST_BYTES: Final = 4096


def read_token(file: Path | None) -> str | None:
    """Return the token, the file's before that of OORT_MONITOR_TOKEN; None where there is none.

    Raises `OortError` for a file that others may read, and for a token that is empty or no ASCII.
    """
    if file is not None:
        return _checked(_content(file), str(file))
    given = os.environ.get("OORT_MONITOR_TOKEN")
    return _checked(given, "OORT_MONITOR_TOKEN") if given is not None else None


def _content(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
                raise OortError(
                    f"the token file {file} can be read by others (mode {stat.S_IMODE(mode):04o})",
                    hint=f"chmod 600 {file}",
                )
            return opened.read(_MOST_BYTES).decode("ascii")
    except OSError as error:
        raise OortError(f"the token file {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise OortError(f"the token in {file} is no ASCII text") from error


def _checked(text: str, where: str) -> str:
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise OortError(
            f"the token in {where} must be one line of printable ASCII without a space",
            hint="openssl rand -hex 32 makes one",
        )
    return token
