"""The files of `systemd/` and `launchd/`, wherever this installation has them; writing them."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from oort.errors import OortError

_WITH_THE_PACKAGE: Final = Path(__file__).parent / "shipped"
_IN_THE_CHECKOUT: Final = Path(__file__).parents[2]


def template(name: str) -> str:
    """Return the text of `systemd/…` or `launchd/…`: from the wheel, or from the checkout."""
    for folder in (_WITH_THE_PACKAGE, _IN_THE_CHECKOUT):
        file = folder / name
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise OortError(
        f"this installation of Oort lacks its file {name}",
        hint="install it again: `pip install --force-reinstall arcsecond`",
    )


def write(file: Path, text: str) -> bool:
    """Replace a file as a whole, readable by all; tell whether it had to be changed.

    Raises OortError that names what to do where that is not allowed.
    """
    try:
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            return False
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        try:
            aside.write_text(text, encoding="utf-8")
            aside.chmod(0o644)
            aside.replace(file)
        finally:
            with suppress(FileNotFoundError):
                aside.unlink()
    except OSError as error:
        raise _refusal(file, error, "written") from error
    return True


def remove(file: Path) -> None:
    """Remove a file that may be missing. Raises OortError."""
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise _refusal(file, error, "removed") from error


def _refusal(file: Path, error: OSError, what: str) -> OortError:
    hint = "use `sudo`" if isinstance(error, PermissionError) else None
    return OortError(f"{file} cannot be {what}: {error.strerror or error}", hint=hint)
