"""How far a verify has come, so that one that was interrupted goes on with the next dataset."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from oort.locations import write_private_file

if TYPE_CHECKING:
    from pathlib import Path

GOOD_FOR: Final = timedelta(hours=24)
"""What was compared longer ago is compared again."""


@dataclass(slots=True)
class Bookmark:
    """The datasets of one watch that are done, with what was found in each; a file, or nothing yet."""

    file: Path
    watch: str
    done: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, watch: str, now: datetime) -> Bookmark:
        """Return where an earlier verify of this watch stopped, or an empty one."""
        file = folder / f"verify-{watch.encode().hex()}.json"
        with suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads(file.read_bytes())
            began_at = datetime.fromisoformat(told["began_at"])
            if timedelta() <= now - began_at <= GOOD_FOR and told["watch"] == watch:
                return cls(file, watch, dict(told["done"]))
        return cls(file, watch)

    def note(self, dataset: str, found: dict[str, Any], now: datetime) -> None:
        """Keep what was found in a dataset; a disk that takes nothing costs only the bookmark."""
        self.done[dataset] = found
        content = {"watch": self.watch, "began_at": now.isoformat(), "done": self.done}
        with suppress(OSError):
            write_private_file(self.file, json.dumps(content).encode())

    def remove(self) -> None:
        """Forget it: the verify has come to its end."""
        with suppress(OSError):
            self.file.unlink(missing_ok=True)
