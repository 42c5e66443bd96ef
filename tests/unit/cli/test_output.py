"""Words and numbers as people read them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from oort.cli import output


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (None, "?"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        (33554432, "32.0 MB"),
        (1.5 * 1024**4, "1.5 TB"),
        (1024**6, "1024.0 PB"),
    ],
)
def test_bytes_are_counted_in_1024(count: float | None, words: str) -> None:
    assert words == output.size(count)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "?"),
        (-3, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (128, "2 min 8 s"),
        (3600, "1 h"),
        (11100, "3 h 5 min"),
        (187200, "2 d 4 h"),
    ],
)
def test_seconds_are_told_in_the_two_largest_units(seconds: float | None, words: str) -> None:
    assert words == output.duration(seconds)


def test_things_are_counted_in_words() -> None:
    assert "1 file" == output.count(1, "file")
    assert "1,234 files" == output.count(1234, "file")
    assert "2 watches" == output.count(2, "watch", "watches")


def test_a_near_moment_is_told_without_its_date() -> None:
    now = datetime(2026, 11, 23, 6, tzinfo=UTC)
    near = (now - timedelta(hours=2)).astimezone().strftime("%H:%M:%S")
    far = (now - timedelta(days=2)).astimezone().strftime("%Y-%m-%d %H:%M:%S")

    assert near == output.moment("2026-11-23T04:00:00.000Z", now)
    assert far == output.moment("2026-11-21T06:00:00.000Z", now)
    assert "?" == output.moment(None, now)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("M31_é.fits", "M31_é.fits"),
        (b"bad\xff.fits", "bad\\xff.fits"),
        (os.fsdecode(b"bad\xff.fits"), "bad\\xff.fits"),
        ("two\nlines\x1b[2J.fits", "two\\nlines\\x1b[2J.fits"),
    ],
)
def test_a_name_cannot_move_the_cursor(name: bytes | str, words: str) -> None:
    assert words == output.words(name)


def test_a_table_in_a_pipe_is_as_wide_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("ID>", "FILE"), [("7", "x" * 300), ("12", "[red]markup[/red] :smile:")])

    assert capsys.readouterr().out.splitlines() == [
        "ID  FILE",
        " 7  " + "x" * 300,
        "12  [red]markup[/red] :smile:",
    ]


def test_a_document_is_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    output.document({"path": "bad\\xff é"})

    assert {"path": "bad\\xff é"} == json.loads(capsys.readouterr().out)


def test_an_error_is_one_line_and_its_hint_another(capsys: pytest.CaptureFixture[str]) -> None:
    output.error("it\nfailed", hint="do\nthis")

    found = capsys.readouterr()
    assert "Error: it failed\nHint: do this\n" == found.err
    assert "" == found.out
