"""What the `arcsecond` command prints: tables that fit, nothing that steers a terminal."""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from arcsecond.cli import output
from arcsecond.config import Secret

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

UUID = "0b1cd3f2-0000-4000-8000-000000000001"


def columns_of(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


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


def test_a_long_value_goes_on_below_its_beginning(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    output.record({"name": "星雲の 観測 of the night " * 3, "site": "x" * 60 + " y"})

    name, site = capsys.readouterr().out.split("site")
    lines = name.splitlines()
    assert lines[0].startswith("name  星雲の 観測 of")
    assert len(lines) > 2
    assert all(line.startswith(" " * 6) for line in lines[1:])
    assert all(columns_of(line) <= 40 for line in lines)
    assert " ".join(" ".join(lines).split()) == "name " + ("星雲の 観測 of the night " * 3).strip()
    assert site == f"  {'x' * 60}\n      y\n"


def test_lines_of_several_threads_stay_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [letter * 40 for letter in "abcdefgh"]
    switched_every_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        # As with PYTHONUNBUFFERED: what is written goes out at once.
        with (tmp_path / "stderr").open("wb", buffering=0) as raw:
            stderr = io.TextIOWrapper(raw, write_through=True)
            monkeypatch.setattr(sys, "stderr", stderr)
            with ThreadPoolExecutor(len(lines)) as threads:
                list(threads.map(lambda line: [output.note(line) for _ in range(500)], lines))
    finally:
        sys.setswitchinterval(switched_every_s)

    assert Counter((tmp_path / "stderr").read_text().splitlines()) == dict.fromkeys(lines, 500)


@given(st.text())
def test_what_is_printed_steers_no_terminal(text: str) -> None:
    assert output.printable(text).isprintable()


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"))))
def test_ordinary_text_is_printed_as_it_is(text: str) -> None:
    assert output.printable(text) == text


def test_an_error_is_one_line_and_its_hint_another(capsys: pytest.CaptureFixture[str]) -> None:
    output.error("two\nlines", "a hint")

    assert capsys.readouterr().err == "Error: two\\nlines\nHint: a hint\n"


def test_later_rows_keep_the_widths_of_the_first_and_their_identifier(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = output.Table(("ID", "NAME", "FILES"), right=[2], width=20)
    table.add([("1", "M31", 5)])
    table.add([("a-long-identifier", "a long name", 123)])

    assert capsys.readouterr().out.splitlines() == [
        "ID  NAME  FILES",
        "1   M31       5",
        "a-long-identifier  a l…    123",
    ]


def test_text_gives_way_before_numbers_and_times(capsys: pytest.CaptureFixture[str]) -> None:
    table = output.Table(("ID", "NAME", "START", "SIZE"), right=[3], whole=[2], width=36)
    table.add([("1", "a rather long name", "2026-11-23 20:01", "12 KB")])
    table = output.Table(("ID", "START"), whole=[1], width=14)
    table.add([("1", "2026-11-23 20:01")])

    assert capsys.readouterr().out.splitlines() == [
        "ID  NAME     START              SIZE",
        "1   a rath…  2026-11-23 20:01  12 KB",
        "ID  START",
        "1   2026-11-2…",
    ]


def test_a_list_is_written_item_by_item(capsys: pytest.CaptureFixture[str]) -> None:
    items = [{"a": "line\nline"}, 5, []]

    with output.JSONList() as printed:
        for item in items:
            printed.add(item)
    text = capsys.readouterr().out
    output.as_json(items)

    assert text == capsys.readouterr().out
    assert json.loads(text) == items


def test_a_key_is_in_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.hide(Secret("a-key-that-stays-put"), None, Secret("short"))

    output.say("it is a-key-that-stays-put")
    output.note("short words of a-key-that-stays-put")
    with output.JSONList() as printed:
        printed.add("a-key-that-stays-put")

    out, err = capsys.readouterr()
    assert out == 'it is …\n[\n  "…"\n]\n'
    assert err == "short words of …\n"


def test_a_byte_that_is_no_text_is_shown_as_its_number() -> None:
    assert output.printable("bad\udcff.fits") == r"bad\xff.fits"
    assert output.printable("half \ud800") == r"half \ud800"
