from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcsecond.listing import CircleError, ListingReader, NoListingError, Trail


def read(content: bytes, piece: int = 7) -> tuple[list[dict[str, Any]], str | None]:
    found: list[dict[str, Any]] = []
    reader = ListingReader(found.append)
    for at in range(0, len(content), piece):
        reader.feed(content[at : at + piece])
    reader.end()
    return found, reader.following


def entries(content: bytes) -> list[dict[str, Any]]:
    return read(content)[0]


@pytest.mark.parametrize(
    "content",
    [b"[]", b" [ ] ", b"\xef\xbb\xbf[]", b'{"results": []}', b'{"count": 0, "results": [1, null]}'],
)
def test_an_empty_listing_is_empty(content: bytes) -> None:
    assert entries(content) == []


def test_an_array_is_read_entry_by_entry() -> None:
    found = [{"pk": 1, "name": "a,]b"}, {"pk": 2, "tags": ["x", {"y": []}]}]
    for indent in (None, 2):
        assert entries(json.dumps(found, indent=indent).encode()) == found
    assert entries(b'[{"pk": 1}, "odd", 3, {"pk": 2}]') == [{"pk": 1}, {"pk": 2}]


def test_a_page_names_the_next_one() -> None:
    content = b'{"count": 3, "next": "https://x/?page=2", "results": [{"pk": 1}]}'
    assert read(content) == ([{"pk": 1}], "https://x/?page=2")
    assert read(b'{"results": [{"pk": 1}], "next": " /2 "}') == ([{"pk": 1}], "/2")
    assert read(b'{"next": null, "results": []}') == ([], None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html></html>",
        b"{}",
        b'{"results": {}}',
        b'"words"',
        b"[",
        b'[{"pk": 1}',
        b'[{"pk": 1},',
        b'[{"pk": 1} {"pk": 2}]',
        b'[{"pk": 1}, {"pk"',
        b"[] []",
        b'{"results": []} x',
        b'{"results": [], "next": 3}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_no_whole_listing_is_none(content: bytes) -> None:
    with pytest.raises(NoListingError):
        entries(content)


@given(
    st.lists(st.dictionaries(st.text(max_size=9), st.text(max_size=30), max_size=4), max_size=9),
    st.integers(1, 40),
    st.booleans(),
)
def test_where_the_pieces_end_changes_nothing(
    found: list[dict[str, str]], piece: int, paged: bool
) -> None:
    document = {"count": 3, "next": "\u00e9\U0001f52d", "results": found} if paged else found
    content = json.dumps(document, ensure_ascii=False).encode()
    assert read(content, piece) == (found, "\u00e9\U0001f52d" if paged else None)


@given(st.binary(max_size=60), st.integers(1, 9))
def test_any_bytes_are_a_listing_or_none(content: bytes, piece: int) -> None:
    with suppress(NoListingError):
        assert read(content, piece)[0] == []


def test_what_was_read_is_not_kept() -> None:
    reader = ListingReader(lambda _entry: None)
    reader.feed(b"[")
    for number in range(5000):
        reader.feed(json.dumps({"pk": number, "name": "x" * 100}).encode() + b",")
        assert len(reader._text) < 1000  # its memory is what is tested


def page(following: str | None, *, is_empty: bool = False) -> ListingReader:
    reader = ListingReader(lambda _entry: None)
    reader.feed(json.dumps({"next": following, "results": [] if is_empty else [{}]}).encode())
    reader.end()
    return reader


def test_a_trail_leads_to_the_end() -> None:
    trail = Trail()
    assert trail.after("/1", page("/2", is_empty=True)) == "/2"
    assert trail.after("/2", page("/3")) == "/3"
    assert trail.after("/3", page(None, is_empty=True)) is None


@pytest.mark.parametrize("back", ["/1", "/2", "two"])
def test_a_trail_leads_to_no_page_again(back: str) -> None:
    trail = Trail()
    assert trail.after("/1", page("two")) == "two"
    with pytest.raises(CircleError):
        trail.after("/2", page(back))


def test_a_page_that_was_named_by_another_address_is_known_when_it_comes() -> None:
    trail = Trail()
    assert trail.after("/1", page("one")) == "one"
    with pytest.raises(CircleError):
        trail.after("/1", page("two"))


def test_a_trail_of_empty_pages_ends() -> None:
    trail = Trail()
    assert trail.after("/1", page("/2", is_empty=True)) == "/2"
    with pytest.raises(CircleError):
        trail.after("/2", page("/3", is_empty=True))


@pytest.mark.parametrize(
    ("content", "has_begun"),
    [
        (b"", False),
        (b" <html>", False),
        (b" [oh", True),
        (b"\xef\xbb\xbf{", True),
        (b"[\xff", True),
    ],
)
def test_a_page_of_a_hotel_is_told_from_a_broken_listing(content: bytes, has_begun: bool) -> None:
    reader = ListingReader(lambda _entry: None)
    with pytest.raises(NoListingError):  # noqa: PT012  # either may tell
        reader.feed(content)
        reader.end()
    assert reader.has_begun is has_begun
