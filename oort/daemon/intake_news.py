"""What `oort status` shows of the detection of one watch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from oort.policy.paths import Verdict
from oort.values import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oort.detect.scanner import Scan

_UNREADABLE_TOLD_MOST: Final = 100
_COUNTED: Final = (Verdict.HIDDEN, Verdict.EMPTY, Verdict.EXCLUDED, Verdict.OUTSIDE)


@dataclass(frozen=True, slots=True)
class IntakeNews:
    """How detection is and what its last scan told; replaced as a whole: any thread may read it."""

    state: str = "scanning"
    """`watching`, `polling`, `missing` or `scanning`."""
    reason: str | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    """By `oort.policy.paths.Verdict`, what the last scan left out."""
    last_scan_at: datetime | None = None
    """When the last scan began that came to its end: what lay there then was seen."""
    whole_scan_at: datetime | None = None
    """The same of the last scan that could look at everything."""
    missed_events: int = 0
    unreadable: tuple[str, ...] = ()
    """Folders and files that the last scan could not look at, with the reason."""

    def as_before(self, told: Mapping[str, Any]) -> IntakeNews:
        """Return the news with what outlives a restart: what lay there at the last whole scan was seen."""
        whole_at = told.get("whole_scan_at")
        return replace(self, whole_scan_at=datetime.fromisoformat(whole_at) if whole_at else None)

    def after_scan(self, scan: Scan, began_at: datetime) -> IntakeNews:
        """Return the news with what a scan told that came to its end."""
        return replace(
            self,
            left_out={verdict.value: scan.left_out[verdict] for verdict in _COUNTED},
            last_scan_at=began_at,
            whole_scan_at=self.whole_scan_at if scan.unreadable else began_at,
            unreadable=tuple(
                f"{printable(rel_path) or '.'}: {reason}"
                for rel_path, reason in scan.unreadable[:_UNREADABLE_TOLD_MOST]
            ),
        )

    def as_it_is(
        self,
        *,
        missing: str | None,
        has_scanned: bool,
        polling: str | None,
        shortfall: str | None,
        missed_events: int,
    ) -> IntakeNews:
        """Return the news with the present state.

        In words: why the folder is not there, why only scans find new files, why events do not
        cover everything; None where that is not so.
        """
        state, reason = "watching", shortfall
        if missing is not None:
            state, reason = "missing", missing
        elif not has_scanned:
            state, reason = "scanning", None
        elif polling is not None:
            state, reason = "polling", polling
        return replace(self, state=state, reason=reason, missed_events=missed_events)
