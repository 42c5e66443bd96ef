"""What docs/json-output.md says of a document, and what a document has: to hold one to the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection

PAGE: Final = Path(__file__).parents[2] / "docs" / "json-output.md"


def fields_of(document: Any, *, by_name: Collection[str], above: str = "") -> set[str]:
    """Return the names of all fields, `files.safe` or `gaps[].folder`.

    Objects named in `by_name` have keys that are not ours, but somebody's words: they are one field.
    """
    if isinstance(document, list):
        return {name for one in document for name in fields_of(one, by_name=by_name, above=above)}
    found: set[str] = set()
    for key, value in document.items():
        name = f"{above}{key}"
        if isinstance(value, dict) and key not in by_name:
            found |= fields_of(value, by_name=by_name, above=f"{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found |= fields_of(value, by_name=by_name, above=f"{name}[].")
        else:
            found.add(name)
    return found


def documented(chapter: str) -> set[str]:
    """Return the fields that a chapter of the page names."""
    text = PAGE.read_text(encoding="utf-8").partition(f"## `{chapter}`\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
