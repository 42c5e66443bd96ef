"""The words in tags, and the way back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcsecond import tags

ONE, OTHER = "a" * 64, "b" * 64


@given(st.text())
def test_an_escaped_value_comes_back_and_separates_nothing(value: str) -> None:
    escaped = tags.escape(value)

    assert tags.unescape(escaped) == value
    assert not {",", "|"} & set(escaped)


def test_other_percent_signs_stay_when_unescaped() -> None:
    assert tags.unescape("100% %2c %7C %41") == "100% , | %41"


@pytest.mark.parametrize(
    ("found_in", "sha256"),
    [
        ([f"arcsecond|sha256|{ONE}"], ONE),
        (["oort|folder|a", f" arcsecond|sha256|{ONE} ", f"arcsecond|sha256|{ONE}"], ONE),
        ([f"arcsecond|sha256|{ONE}", f"arcsecond|sha256|{OTHER}"], None),
        ([f"arcsecond|sha256|{ONE.upper()}", f"xarcsecond|sha256|{ONE}"], None),
        ([f"arcsecond|sha256|{ONE}0", "arcsecond|sha256|"], None),
        ([], None),
    ],
)
def test_the_sha256_is_found_only_where_it_is_unmistakable(
    found_in: list[str], sha256: str | None
) -> None:
    assert tags.find_sha256(found_in) == sha256


def test_tags_are_joined_by_commas() -> None:
    assert tags.join(["raw", tags.sha256_tag(ONE)]) == f"raw,arcsecond|sha256|{ONE}"
