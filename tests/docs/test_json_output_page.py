"""docs/json-output.md names every field of the documents, and no other."""

from __future__ import annotations

from datetime import UTC, date, datetime

from oort.doctor import Finding, State
from oort.policy import state
from oort.policy.ledger import Entry, ledger_of
from oort.report import Night, document_of
from tests.support.json_page import documented, fields_of

EVENING = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)
NAMED = {"by_filter", "by_imagetyp", "by_object", "by_dataset"}
"""Their keys are not ours, but what headers say."""


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

    assert fields_of(document, by_name=NAMED) == documented("oort report --json")


def test_every_field_of_a_finding_is_documented() -> None:
    finding = Finding("keys", State.OK, "all is well", None)

    assert documented("oort doctor --json") == set(finding.document())
