"""What `retry` and `skip` have in common: which files are meant, and what was refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from oort.detect.mounts import real_of
from oort.errors import OortError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oort.values import Watch


def which(typed: Sequence[str], watches: Sequence[Watch]) -> dict[str, Any]:
    """Return the IDs and the absolute paths among what was typed; digits alone are an ID."""
    return {
        "ids": [int(text) for text in typed if _is_id(text)],
        "paths": [as_watched(text, watches) for text in typed if not _is_id(text)],
    }


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit()


def as_watched(path: str, watches: Sequence[Watch]) -> str:
    """Return the absolute path by which a watch knows a file, whichever links led to it."""
    absolute, real = os.path.abspath(path), os.path.realpath(path)  # noqa: PTH100  # bytes that are no UTF-8 and links as typed must survive
    for watch in watches:
        if _below(absolute, str(watch.path)) is not None:
            return absolute
    for watch in watches:
        rest = _below(real, os.fsdecode(real_of(watch.path)))
        if rest is not None:
            return str(watch.path / rest)
    return absolute


def _below(path: str, folder: str) -> str | None:
    """Return the rest of `path` below `folder`, None where it does not lie there."""
    start = folder.rstrip(os.sep) + os.sep
    return path[len(start) :] if path.startswith(start) else None


def give(command: str, typed: Sequence[str], **arguments: object) -> int:
    """Have it carried out; return how many rows moved. Raises OortError for what was refused."""
    from oort.cli import options
    from oort.daemon import control

    here = options.here(last_good=True)
    asked = {**which(typed, here.settings.watches), **arguments}
    told = control.ask(here.locations, command, asked)
    moved, refused = int(told.get("moved", 0)), list(told.get("refused", []))
    if not refused:
        return moved
    done = f"; {moved} done" if moved else ""
    raise OortError("; ".join(refused) + done, hint="`oort status PATH` explains a file.")
