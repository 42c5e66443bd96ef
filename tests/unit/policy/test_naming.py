"""What a dataset is called, and which tags travel."""

from __future__ import annotations

import hashlib
import unicodedata
from datetime import date
from typing import Any

import pytest

from oort.policy import naming


def name(template: str, **changes: Any) -> str:
    values: dict[str, Any] = {
        "watch": "dome",
        "root_name": "dome 1",
        "rel_path": b"M31/L/a.fits",
        "header": {"OBJECT": "M 31", "FILTER": "L", "IMAGETYP": "LIGHT"},
        "night": date(2026, 11, 22),
        "host": "dome-pc",
    }
    return naming.dataset_name(template, **{**values, **changes})


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{folder}", "dome 1/M31/L"),
        ("{night}", "2026-11-22"),
        ("{object}-{filter}-{imagetyp}", "M 31-L-LIGHT"),
        ("{telescop}/{instrume}", "unknown/unknown"),
        ("{host}:{watch}", "dome-pc:dome"),
        ("  all of it ", "all of it"),
        ("{{{watch}}}", "{dome}"),
        ("0B10AD00-0000-4000-8000-00000000000A", "0b10ad00-0000-4000-8000-00000000000a"),
    ],
)
def test_a_template_is_filled_in(template: str, expected: str) -> None:
    assert expected == name(template)


def test_what_a_file_does_not_have_is_unknown() -> None:
    assert "unknown" == name("{object}", header={})
    assert "unknown" == name("{object}", header={"OBJECT": "  "})
    assert "unknown" == name("{night}", night=None)


def test_a_file_in_the_watched_folder_itself_has_that_folders_name() -> None:
    assert "dome 1" == name("{folder}", rel_path=b"a.fits")


def test_a_folder_of_the_whole_disk_has_no_name_of_its_own() -> None:
    assert "M31" == name("{folder}", root_name="", rel_path=b"M31/a.fits")
    assert "unknown" == name("{folder}", root_name="", rel_path=b"a.fits")


def test_names_that_are_no_utf8_are_escaped() -> None:
    assert "caf\\xe9/\\xff" == name("{folder}", root_name="caf\udce9", rel_path=b"\xff/a.fits")


def test_composed_and_decomposed_letters_give_one_name() -> None:
    decomposed = unicodedata.normalize("NFD", "Zürich/é")

    assert (
        "Zürich/é"
        == name(decomposed)
        == name("{folder}", root_name="Zürich", rel_path="é/a".encode())
    )


def test_a_long_name_is_cut_and_ends_with_its_hash() -> None:
    whole = "dome 1/" + "é" * 100
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]

    cut = name("{folder}", rel_path=("é" * 100 + "/a").encode())

    assert cut == whole[:91] + "~" + digest
    assert 100 == len(cut)


def test_a_name_of_a_hundred_is_kept() -> None:
    assert "x" * 100 == name("x" * 100)
    assert 100 == len(name("x" * 101))


@pytest.mark.parametrize(
    "template",
    [
        "",
        "  ",
        "{",
        "}",
        "{folder",
        "folder}",
        "{dome}",
        "{}",
        "{0}",
        "{folder!r}",
        "{folder:>9}",
        "{folder.x}",
    ],
)
def test_what_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"must be|unbalanced|unknown field"):
        naming.check_template(template)


def test_a_template_tells_its_fields() -> None:
    assert {"night", "filter"} == naming.check_template("{night} {filter} {{x}}")
    assert not naming.check_template("plain")


def test_marks_in_tag_values_are_percent_encoded() -> None:
    tags = naming.tags_of(
        root="a,b", folder="50%|x", origin="pc", uploader="me", version="5", own=("m31", "m31")
    )

    assert tags == (
        "oort|root|a%2Cb",
        "oort|folder|50%25%7Cx",
        "oort|origin|pc",
        "oort|uploader|me",
        "oort|version|5",
        "m31",
    )
