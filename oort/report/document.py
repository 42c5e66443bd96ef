"""A night as `oort report --json` has it (contract.md §3)."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from oort.policy.ledger import Fate, quantile, why_failed
from oort.policy.numbering import gaps
from oort.values import iso

if TYPE_CHECKING:
    from collections import Counter

    from oort.policy.ledger import Ledger
    from oort.report.sources import Night


def document_of(night: Night) -> dict[str, Any]:
    """Return the document; its keys are API."""
    ledger = night.ledger
    return {
        "night": night.night.isoformat(),
        "starts_at": iso(night.starts_at),
        "ends_at": iso(night.ends_at),
        "complete": night.is_complete,
        "first_at": iso(ledger.first_at),
        "last_at": iso(ledger.last_at),
        "unknown": night.unknown,
        "files": {
            "total": ledger.total,
            "safe": ledger.files[Fate.SAFE],
            "unproven": ledger.unproven,
            **{fate.value: ledger.files[fate] for fate in Fate if fate is not Fate.SAFE},
        },
        "bytes": {"total": ledger.bytes_total, "safe": ledger.bytes_safe},
        "by_filter": _most_first(ledger.by_filter),
        "by_imagetyp": _most_first(ledger.by_imagetyp),
        "by_object": _most_first(ledger.by_object),
        "by_dataset": _most_first(ledger.by_dataset),
        "exposure_s": ledger.exposure_s,
        "time_to_cloud_s": _times(ledger.to_cloud_s),
        "gaps": _gaps(ledger),
        "failures": [
            {
                "path": entry.path,
                "status": entry.state.status.value,
                "substatus": entry.state.substatus.value,
                "error": why_failed(entry),
            }
            for entry in sorted(ledger.failures, key=lambda entry: entry.path)
        ],
        "warnings": night.warnings,
    }


def _most_first(sums: Counter[str]) -> dict[str, int]:
    return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))


def _times(taken_s: list[float]) -> dict[str, float | None]:
    if not taken_s:
        return {"median": None, "p95": None, "max": None}
    ordered = sorted(taken_s)
    p95 = quantile(ordered, 0.95) or 0.0
    return {"median": round(median(ordered), 3), "p95": round(p95, 3), "max": round(ordered[-1], 3)}


def _gaps(ledger: Ledger) -> list[dict[str, Any]]:
    return [
        {"folder": folder, "after": gap.after, "before": gap.before, "missing": gap.missing}
        for folder in sorted(ledger.names)
        for gap in gaps(ledger.names[folder])
    ]
