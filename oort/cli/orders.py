"""What `retry` and `skip` have in common: which files are meant, and what was refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from oort.errors import OortError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def which(files: Iterable[Path]) -> dict[str, Any]:
    """Return the IDs and the absolute paths among what was typed; digits alone are an ID."""
    typed = [str(file) for file in files]
    ids = [int(text) for text in typed if text.isascii() and text.isdigit()]
    paths = [os.path.abspath(text) for text in typed if not (text.isascii() and text.isdigit())]  # noqa: PTH100  # keeps links and bytes as typed
    return {"ids": ids, "paths": paths}


def give(command: str, arguments: dict[str, Any]) -> int:
    """Have it carried out; return how many rows moved. Raises OortError for what was refused."""
    from oort.daemon import control
    from oort.locations import locate

    told = control.ask(locate(), command, arguments)
    moved, refused = int(told.get("moved", 0)), list(told.get("refused", []))
    if not refused:
        return moved
    done = f"; {moved} done" if moved else ""
    raise OortError("; ".join(refused) + done, hint="`oort status PATH` explains a file.")
