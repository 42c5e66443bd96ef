"""What `oort status --json` tells, as far as the display shows it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class InHand:
    """An upload that is being sent."""

    name: str
    size: int
    bytes_sent: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The daemon, the link and the queue at one moment."""

    running: bool = False
    pid: int | None = None
    link: str = "not known yet"
    reason: str | None = None
    by_status: tuple[tuple[str, int], ...] = ()
    pending: int = 0
    in_hand: tuple[InHand, ...] = ()

    @property
    def queue(self) -> str:
        """The counts that are not zero, in words."""
        words = ", ".join(f"{count} {status}" for status, count in self.by_status if count)
        return words or "empty"


def read(document: str) -> Snapshot:
    """Return what the JSON document of `oort status --json` says."""
    status: Mapping[str, Any] = json.loads(document)
    daemon, link, queue = status["daemon"], status["link"], status["queue"]
    return Snapshot(
        running=daemon["running"],
        pid=daemon["pid"],
        link=link["state"],
        reason=link["reason"],
        by_status=tuple(queue["by_status"].items()),
        pending=queue["pending_files"],
        in_hand=tuple(
            InHand(PurePath(row["path"]).name, row["size"], row["bytes_sent"])
            for row in status["active"]
        ),
    )


def newest_cause(document: str) -> str:
    """Return what `oort status PATH --json` tells last of a file: the cause of its newest state."""
    return str(json.loads(document)["history"][-1]["cause"])
