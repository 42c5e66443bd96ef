"""INI text: read as `configparser` reads it, and changed without a trace elsewhere."""

from __future__ import annotations

import configparser
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcsecond.ini import IniText, NoIniError

if TYPE_CHECKING:
    from collections.abc import Callable

COMMENTED = """\
# Keys of the dome's computer.

[cloud]
; asked for by Ludwig
Username: ludwig
upload_key=up
  # until March

# the lab's own
[lab]
api_server = http://127.0.0.1:8000
"""

words = st.sampled_from(["a", "b", "cli", "x=y", "#", "; c", "é", "[q]", "1:2", "%(a)s", ""])
lines = st.builds(
    "{}{}".format,
    st.sampled_from(["", "", "", " ", "    ", "\t"]),
    st.one_of(
        st.builds("[{}]".format, st.sampled_from(["a", "b", "c d"])),
        st.builds("[{}]".format, st.sampled_from(["a", "b", "c d"])),
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["k", "K", "m n", "o"]),
            st.sampled_from(["=", ":", " = ", " : "]),
            words,
        ),
        st.builds("# {}".format, words),
        words,
        st.just(""),
    ),
)
texts = st.builds("\n".join, st.lists(lines, max_size=12))


def by_configparser(text: str) -> dict[str, dict[str, str]] | None:
    """Return what Python's own parser reads, None for what it refuses."""
    parser = configparser.RawConfigParser(default_section="\0", strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return {name: dict(parser.items(name)) for name in parser.sections()}


def by_us(text: str) -> dict[str, dict[str, str]] | None:
    """Return the same as we read it."""
    try:
        ini = IniText(text)
    except NoIniError:
        return None
    names = {
        section: {e.name.lower() for e in ini._entries if e.section == section}
        for section in ini.sections()
    }
    return {s: {n: ini.get(s, n) or "" for n in entries} for s, entries in names.items()}


def bare(read: dict[str, dict[str, str]] | None) -> dict[str, dict[str, str]] | None:
    """Return values without surrounding blanks, as we have them."""
    return read and {s: {n: v.strip() for n, v in entries.items()} for s, entries in read.items()}


@given(texts)
def test_it_reads_what_configparser_reads(text: str) -> None:
    assert by_us(text) == bare(by_configparser(text))


@given(texts)
def test_what_is_not_changed_is_the_same_text(text: str) -> None:
    if by_us(text) is not None:
        assert str(IniText(text)) == text


CHANGES: tuple[
    tuple[Callable[[IniText], object], Callable[[dict[str, dict[str, str]]], object]], ...
] = (
    (lambda ini: ini.set("a", "k", "new"), lambda read: read.setdefault("a", {}).update(k="new")),
    (lambda ini: ini.set("b", "z", "new"), lambda read: read.setdefault("b", {}).update(z="new")),
    (lambda ini: ini.remove("a", "K"), lambda read: read.get("a", {}).pop("k", None)),
    (lambda ini: ini.remove_section("b"), lambda read: read.pop("b", None)),
)


@given(text=texts, changes=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=4))
def test_a_change_changes_what_it_says_and_nothing_else(
    text: str,
    changes: list[
        tuple[Callable[[IniText], object], Callable[[dict[str, dict[str, str]]], object]]
    ],
) -> None:
    expected = bare(by_configparser(text))
    if expected is None:
        return
    ini = IniText(text)

    for change, the_same in changes:
        change(ini)
        the_same(expected)

    assert bare(by_configparser(str(ini))) == expected


def test_comments_spelling_and_order_stay() -> None:
    ini = IniText(COMMENTED)

    ini.set("cloud", "upload_key", "new")
    ini.set("cloud", "username", "galileo")
    ini.set("cloud", "access_key", "ac")
    ini.set("cli", "api", "lab")

    assert str(ini) == COMMENTED.replace("upload_key=up", "upload_key= new").replace(
        "Username: ludwig", "Username: galileo"
    ).replace("  # until March\n", "access_key = ac\n  # until March\n") + ("\n[cli]\napi = lab\n")


def test_a_section_goes_and_the_comment_on_the_next_one_stays() -> None:
    ini = IniText(COMMENTED)

    ini.remove_section("cloud")

    assert "# the lab's own\n[lab]\n" in str(ini)
    assert "ludwig" not in str(ini)


def test_the_first_section_of_an_empty_file() -> None:
    ini = IniText("")

    ini.set("dome", "api_server", "https://dome.example.org")

    assert str(ini) == "[dome]\napi_server = https://dome.example.org\n"


@pytest.mark.parametrize(
    ("text", "line"), [("a = b", 1), ("# c\n\n[a]\nb = c\nwords\n", 4 + 1), ("[a]\n= b\n", 2)]
)
def test_the_line_that_is_none_is_named(text: str, line: int) -> None:
    with pytest.raises(NoIniError) as caught:
        IniText(text)

    assert caught.value.line == line
    assert "words" not in str(caught.value)
