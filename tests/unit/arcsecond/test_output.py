"""What the `arcsecond` command prints: tables that fit, nothing that steers a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from arcsecond.cli import output

if TYPE_CHECKING:
    import pytest

UUID = "0b1cd3f2-0000-4000-8000-000000000001"


def test_a_table_fits_and_keeps_its_identifier(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(
        [(UUID, "x" * 100, 3), (UUID, "日本" * 30, None)], ("UUID", "NAME", "FILES"), width=80
    )

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["UUID", "NAME", "FILES"]
    assert all(line.startswith(UUID) and "…" in line for line in lines[1:])
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].endswith(" 3")


def test_a_table_is_whole_where_nobody_has_to_read_it(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([(UUID, "x" * 200)], ("UUID", "NAME"))

    assert "x" * 200 in capsys.readouterr().out


def test_a_table_too_narrow_still_shows_the_identifier(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([(UUID, "abcdefgh")], ("UUID", "NAME"), width=20)

    assert UUID in capsys.readouterr().out


def test_an_empty_table_has_titles(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([], ("UUID", "NAME"))

    assert capsys.readouterr().out == "UUID  NAME\n"


def test_a_record_has_a_line_a_field(capsys: pytest.CaptureFixture[str]) -> None:
    output.record({"name": "M31", "is_raw": True, "tags": ["é"], "none": None})

    assert capsys.readouterr().out == 'name    M31\nis_raw  yes\ntags    ["é"]\nnone\n'


@given(st.text())
def test_what_is_printed_steers_no_terminal(text: str) -> None:
    assert output.printable(text).isprintable()


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"))))
def test_ordinary_text_is_printed_as_it_is(text: str) -> None:
    assert output.printable(text) == text


def test_an_error_is_one_line_and_its_hint_another(capsys: pytest.CaptureFixture[str]) -> None:
    output.error("two\nlines", "a hint")

    assert capsys.readouterr().err == "Error: two\\nlines\nHint: a hint\n"
