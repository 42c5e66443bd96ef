"""docs/json-output.md names every field of the documents, and no other."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from oort.doctor import Finding, State
from oort.policy import state
from oort.policy.ledger import Entry, ledger_of
from oort.report import Night, document_of

PAGE = Path(__file__).parents[2] / "docs" / "json-output.md"
EVENING = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)
NAMED = {"by_filter", "by_imagetyp", "by_object", "by_dataset"}
"""Their keys are not ours, but what headers say."""


def fields_of(document: dict[str, Any], above: str = "") -> set[str]:
    found: set[str] = set()
    for key, value in document.items():
        name = f"{above}{key}"
        if isinstance(value, dict) and key not in NAMED:
            found |= fields_of(value, f"{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found |= fields_of(value[0], f"{name}[].")
        else:
            found.add(name)
    return found


def documented(chapter: str) -> set[str]:
    text = PAGE.read_text(encoding="utf-8").partition(f"## `{chapter}`\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def entry(name: str, now_in: state.State) -> Entry:
    return Entry(
        "dome",
        "/data",
        name,
        2880,
        0,
        0,
        now_in,
        None,
        acknowledged=False,
        unproven=False,
        dataset="M31",
        header={},
        seen_at=EVENING,
        ended_at=EVENING,
    )


def test_every_field_of_the_night_report_is_documented() -> None:
    ledger = ledger_of([entry("a_1.fits", state.DONE), entry("a_3.fits", state.FAILED)])
    document = document_of(Night(date(2026, 11, 22), EVENING, EVENING, ledger))

    assert fields_of(document) == documented("oort report --json")


def test_every_field_of_a_finding_is_documented() -> None:
    finding = Finding("keys", State.OK, "all is well", None)

    assert documented("oort doctor --json") == set(finding.document())
