"""The page of a night: what it says of which night, and what it does with names that cameras write."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from oort.policy import state
from oort.policy.ledger import Entry, ledger_of
from oort.report import Night, document_of
from oort.report.page import duration, render, size

EVENING = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)


def entry(name: str = "a.fits", now_in: state.State = state.DONE, **more: Any) -> Entry:
    known: dict[str, Any] = {
        "watch": "dome",
        "folder": "/data/dome",
        "name": name,
        "size": 2880,
        "mtime_ns": 0,
        "inode": 0,
        "state": now_in,
        "error": None,
        "acknowledged": False,
        "unproven": False,
        "dataset": None,
        "header": {},
        "seen_at": EVENING,
        "ended_at": EVENING,
    }
    return Entry(**known | more)


def page_of(*entries: Entry, **more: Any) -> str:
    night = Night(date(2026, 11, 22), EVENING, EVENING, ledger_of(entries), **more)
    return render(night, document_of(night))


@pytest.mark.parametrize(
    ("entries", "unknown", "words"),
    [
        ([], [], "The night has no files."),
        ([], ["?"], "No file of the night was seen; there may be some."),
        ([entry()], [], "Its only file is at the server."),
        ([entry("a"), entry("b")], [], "All 2 files are at the server."),
        (
            [entry("a"), entry("b", state.IGNORED, acknowledged=True)],
            [],
            "1 of 2 files is at the server. 1 put aside by a person.",
        ),
        (
            [entry("a"), entry("b")],
            ["?"],
            "All 2 files are at the server, of those that were seen.",
        ),
        (
            [entry("a"), entry("b", state.PENDING)],
            [],
            "1 of 2 files is at the server; 1 on the way.",
        ),
        (
            [entry("a", state.FAILED), entry("b", state.FILE_GONE)],
            [],
            "0 of 2 files are at the server; 2 files need a person.",
        ),
    ],
)
def test_the_verdict_is_a_sentence(entries: list[Entry], unknown: list[str], words: str) -> None:
    assert f"<p>{words}</p>" in page_of(*entries, unknown=unknown)


def test_whatever_a_camera_writes_is_text() -> None:
    evil = "<img src=x onerror=alert(1)>"
    page = page_of(
        entry(
            evil, state.FAILED, error=evil, dataset=evil, header={"OBJECT": evil, "FILTER": evil}
        ),
        entry("{{ 7 * 7 }}.fits", state.FAILED),
        unknown=[evil],
        warnings=[evil],
        host=evil,
    )

    assert evil not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "{{ 7 * 7 }}.fits" in page


def test_a_name_does_not_turn_the_line_that_it_stands_in() -> None:
    page = page_of(entry("a\u202egpj.fits\x1b[2J", state.FAILED))

    assert "a\\u202egpj.fits\\x1b[2J" in page
    assert "\u202e" not in page
    assert "\x1b" not in page


def test_a_night_in_which_all_went_wrong_makes_no_endless_page() -> None:
    names = [f"{n // 3}_{n % 3 * 2}.fits" for n in range(900)]

    page = page_of(*(entry(name, state.FAILED) for name in names))

    assert page.count('class="why"') + page.count("<td>error</td>") == 200
    assert "And 700 more, in the JSON of the report." in page


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0.0, "0 s"),
        (3.14, "3.1 s"),
        (59.9, "59.9 s"),
        (60.0, "1 min"),
        (250.0, "4 min 10 s"),
        (3600.0, "1 h"),
        (38000.0, "10 h 33 min"),
    ],
)
def test_a_duration_is_said_as_people_say_it(seconds: float | None, words: str) -> None:
    assert words == duration(seconds)


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (1023, "1023 B"), (2880, "2.8 KB"), (13_824_000_000, "12.9 GB")],
)
def test_a_volume_is_said_as_people_say_it(count: int, words: str) -> None:
    assert words == size(count)
