"""The table of docs/compatibility.md: read, and written anew where that is asked for."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TYPE_CHECKING

from tests.compat.published import ACTIONS, CLIENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
_BEGIN, _END = "<!-- measured: make compat -->\n", "<!-- end -->\n"


def rows(text: str) -> dict[str, str]:
    """Return the lines of the table by the client that they are about."""
    _, _, after = text.partition(_BEGIN)
    table, _, _ = after.partition(_END)
    lines = table.splitlines()[2:]
    return {line.strip("| ").split(" | ")[0]: line for line in lines if line.startswith("| ")}


def row(name: str, results: Mapping[str, bool | None]) -> str:
    """Return the line of a client; None is what it has no command for."""
    words = {True: "yes", False: "**no**", None: "-"}
    return f"| {' | '.join([name, *(words[results[action]] for action in ACTIONS)])} |"


def write_row(name: str, line: str) -> None:
    """Put a line into the page in place of the one that is there."""
    with PAGE.open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read()
        before, begin, after = text.partition(_BEGIN)
        _, end, rest = after.partition(_END)
        known = rows(text) | {name: line}
        lines = [*head(), *(known[client.name] for client in CLIENTS if client.name in known)]
        file.seek(0)
        file.truncate()
        file.write(before + begin + "\n".join(lines) + "\n" + end + rest)


def head() -> list[str]:
    """Return the first two lines of the table."""
    return [f"| {' | '.join(['client', *ACTIONS])} |", "|" + "---|" * (len(ACTIONS) + 1)]
