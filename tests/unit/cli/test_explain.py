"""`oort status PATH` reads like an explanation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from arcsecond.status import Substatus
from oort.cli import explain, output

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
AT = "2026-11-23T06:05:00.000Z"


def file(**changes: Any) -> dict[str, Any]:
    return {
        "id": 5,
        "watch": "dome",
        "path": "/data/dome/a.fits",
        "size": 20160,
        "status": "New",
        "substatus": "waiting to retry",
        "attempts": 2,
        "error": "503 Service Unavailable",
        "dataset": "dome",
        "remote_id": None,
        "sha256": None,
        "created_at": AT,
        "started_at": AT,
        "ended_at": None,
        "next_attempt_at": AT,
        "unproven": False,
        "history": [
            {"at": AT, "status": "New", "substatus": "settling...", "cause": "seen by a scan"},
            {"at": AT, "status": "New", "substatus": "pending", "cause": "quiet for 2 s"},
        ],
        **changes,
    }


def test_a_file_is_explained_from_what_happened_to_what_comes_next() -> None:
    at = output.moment(AT, NOW)

    assert explain.of_file(file(), NOW) == [
        "/data/dome/a.fits",
        "New: waiting to retry",
        "  503 Service Unavailable",
        "",
        "Size: 19.7 KB",
        "Watch: dome",
        "Dataset: dome",
        "Attempts: 2",
        "",
        "What happened:",
        f"  {at}  New settling...  seen by a scan",
        f"  {at}  New pending  quiet for 2 s",
        "",
        "What comes next:",
        f"  It is tried again at {at} (in 5 min).",
        "  `oort retry 5` sends it now.",
        "  `oort skip 5` leaves it out for good.",
    ]


@pytest.mark.parametrize("substatus", [each.value for each in Substatus])
def test_every_state_has_something_that_comes_next(substatus: str) -> None:
    text = "\n".join(explain.of_file(file(substatus=substatus, next_attempt_at=None), NOW))

    assert "Nothing is known of that." not in text
    assert "{at}" not in text


def test_an_error_that_is_never_tried_again_says_so() -> None:
    lines = explain.of_file(file(status="Error", substatus="error", next_attempt_at=None), NOW)

    assert "  Nothing, until somebody decides." in lines
    assert "  `oort retry 5` sends it now." in lines


@pytest.mark.parametrize("substatus", ["pending", "settling...", "held", "uploading..."])
def test_without_a_daemon_nothing_goes_on_by_itself(substatus: str) -> None:
    lines = explain.of_file(file(substatus=substatus), NOW, running=False)

    assert "  Nothing: the daemon is not running; `oort start` goes on with it." in lines


def test_what_the_link_holds_says_when_it_is_tried_next() -> None:
    at = output.moment(AT, NOW)
    lines = explain.of_file(file(substatus="held"), NOW)

    assert f"  It goes on as soon as that is over; the next try is at {at} (in 5 min)." in lines


def test_an_unproven_file_says_what_speaks_for_it() -> None:
    lines = explain.of_file(
        file(status="Skipped", substatus="already synced", unproven=True, error=None), NOW
    )

    assert "Unproven: only name and size say that the server's file is this one." in lines


def test_a_file_without_a_row_names_its_rule() -> None:
    lines = explain.of_file(
        file(id=None, status="Skipped", substatus="ignored", error="excluded by *.tmp", history=[]),
        NOW,
    )

    assert "  excluded by *.tmp" in lines
    assert "What happened:" not in lines
    assert lines[-1].startswith("  `oort watch FOLDER` changes the rules: --include")
    assert not [line for line in lines if "None" in line]


def test_a_hidden_file_stays_hidden() -> None:
    lines = explain.of_file(
        file(id=None, status="Skipped", substatus="skipped (hidden file)", history=[]), NOW
    )

    assert "  Nothing: hidden files are never sent." == lines[-1]


def test_a_loss_can_be_acknowledged() -> None:
    lines = explain.of_file(file(status="Skipped", substatus="file gone"), NOW)

    assert "  `oort skip 5` acknowledges that, so that reports no longer name it." in lines


def test_a_folder_is_summed_up() -> None:
    folder = {
        "path": "/data/dome",
        "watch": "dome",
        "by_status": {"New": 3, "OK": 409, "Error": 0},
        "pending_files": 3,
        "pending_bytes": 3072,
    }

    assert explain.of_folder(folder) == [
        "/data/dome",
        "Watch: dome",
        "Files: New 3, OK 409; 3 files on the way (3.0 KB)",
    ]
