from __future__ import annotations

import pytest

from oort.policy.same import (
    Comparison,
    Local,
    NeedsHash,
    Other,
    Same,
    compare,
    is_stored_unchanged,
    marks,
    may_be_name_of,
    same_name,
)

OURS = "a" * 64
THEIRS = "b" * 64
LOCAL = Local(size=100, sha256=OURS, origin="dome-pc", folder="dome 1/M31")
UNREAD = Local(size=100, sha256=None, origin="dome-pc", folder="dome 1/M31")


def ask(
    local: Local = LOCAL,
    *,
    size: int | None = 100,
    sha256: str | None = None,
    tags: tuple[str, ...] = (),
) -> Comparison:
    return compare(local, size=size, sha256=sha256, tags=tags)


def test_equal_size_and_hash_is_the_same_file() -> None:
    assert ask(sha256=OURS) == Same(unproven=False)


def test_an_equal_hash_outweighs_another_origin() -> None:
    assert ask(sha256=OURS, tags=("oort|origin|elsewhere",)) == Same(unproven=False)


def test_another_hash_is_another_file() -> None:
    assert isinstance(ask(sha256=THEIRS), Other)


def test_another_size_is_another_file_whatever_the_hash_says() -> None:
    told = ask(size=99, sha256=OURS)
    assert isinstance(told, Other)
    assert "99 bytes" in told.reason
    assert "100" in told.reason


def test_an_empty_record_is_not_the_file() -> None:
    assert isinstance(ask(size=0), Other)


def test_a_hash_at_the_server_asks_for_ours() -> None:
    assert ask(UNREAD, sha256=THEIRS) == NeedsHash()


def test_another_size_needs_no_hash() -> None:
    assert isinstance(ask(UNREAD, size=1, sha256=THEIRS), Other)


def test_name_and_size_alone_are_the_same_but_unproven() -> None:
    told = ask(UNREAD)
    assert isinstance(told, Same)
    assert told.unproven


def test_tags_of_other_programs_change_nothing() -> None:
    told = ask(tags=("M31", "oort|version|4.0", "oort|root|/elsewhere", "other|origin|x"))
    assert isinstance(told, Same)
    assert told.unproven


def test_our_own_origin_and_folder_without_hash_are_unproven() -> None:
    told = ask(tags=("oort|origin|dome-pc", "oort|folder|dome 1/M31"))
    assert isinstance(told, Same)
    assert told.unproven


@pytest.mark.parametrize("tag", ["oort|origin|other-pc", "oort|folder|dome 1/M33"])
def test_another_origin_or_folder_without_hash_is_another_file(tag: str) -> None:
    told = ask(tags=(tag,))
    assert isinstance(told, Other)
    assert tag.rsplit("|", 1)[1] in told.reason


def test_values_of_tags_are_percent_decoded() -> None:
    local = Local(size=100, sha256=None, origin="100%", folder="a,b|c")
    told = ask(local, tags=("oort|origin|100%25", "oort|folder|a%2Cb%7Cc"))
    assert isinstance(told, Same)
    assert marks(["oort|folder|a%2cb%7Cc", " oort|folder|d ", "oort|origin|x"], "folder") == {
        "a,b|c",
        "d",
    }


def test_a_server_that_tells_no_size_is_believed_by_hash_alone() -> None:
    by_hash = ask(size=None, sha256=OURS)
    assert isinstance(by_hash, Same)
    assert by_hash.unproven
    assert isinstance(ask(size=None), Other)
    assert isinstance(ask(size=None, sha256=THEIRS), Other)


@pytest.mark.parametrize("name", ["M31_0001.fits", "a-b.c.fits", "42", "_x"])
def test_plain_names_are_stored_unchanged(name: str) -> None:
    assert is_stored_unchanged(name)


@pytest.mark.parametrize(
    "name", ["M 31.fits", "M31é.fits", "a/b", r"bad\xff.fits", "a\n", "", ".."]
)
def test_other_names_may_not_survive(name: str) -> None:
    assert not is_stored_unchanged(name)


def test_names_are_compared_in_nfc() -> None:
    assert same_name("e\u0301.fits", "\u00e9.fits")
    assert not same_name("a b.fits", "a_b.fits")


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("M 31.fits", "M_31.fits"),
        ("M 31.fits", "M 31.fits"),
        (r"bad\xff.fits", "xff.fits"),
        ("a&amp;b.fits", "ab.fits"),
        ("a.fits", "a_Xy12AbC.fits"),
        ("M 31.fits", "M_31_Xy12AbC.fits"),
        ("README", "README_Xy12AbC"),
        ("tab\there.fits", "tabhere.fits"),
    ],
)
def test_a_name_that_the_server_made_of_ours_is_recognised(sent: str, stored: str) -> None:
    assert may_be_name_of(sent, stored)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("bias_1.fits", "bias_2.fits"),
        ("bias.fits", "bias_0001.fits"),
        ("bias.fits", "bias_Xy12AbC.fit"),
        ("bias.fits", "dark.fits"),
    ],
)
def test_a_copy_under_another_name_is_not_taken_for_ours(sent: str, stored: str) -> None:
    assert not may_be_name_of(sent, stored)


def test_a_record_without_a_file_is_another_whatever_it_tells() -> None:
    told = compare(LOCAL, size=100, sha256=OURS, tags=(), has_file=False)
    assert isinstance(told, Other)
    assert "no file" in told.reason


def test_what_is_left_of_a_hash_can_speak_against() -> None:
    cut = f"arcsecond|sha256|{'a' * 40}"
    assert ask(UNREAD, tags=(cut,)) == NeedsHash()
    told = ask(tags=(cut,))
    assert isinstance(told, Same)
    assert told.unproven
    assert isinstance(ask(tags=(f"arcsecond|sha256|{'b' * 40}",)), Other)
    assert isinstance(
        ask(tags=(f"arcsecond|sha256|{THEIRS}", f"arcsecond|sha256|{'c' * 64}")), Other
    )
    assert isinstance(ask(tags=("arcsecond|sha256|b",)), Same)  # too short to say anything
