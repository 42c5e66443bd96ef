"""What an answer tells: words for people, dates, and the few things that are asked of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from arcsecond.answer import Answer
from arcsecond.config import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 11, 23, 5, 0, 0, tzinfo=UTC)
HTML = b"<html><head><title>413</title></head><body><h1>Too large</h1></body></html>"


def answer(
    http_status: int = 400,
    content: object = b"",
    headers: Mapping[str, str] | None = None,
    key: Secret | None = None,
) -> Answer:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Answer(
        http_status=http_status,
        headers=CaseInsensitiveDict(headers or {}),
        content=raw,
        bytes_sent=0,
        body_complete=True,
        url="https://api.example.org/",
        _key=key,
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"detail": "Not found."}, "Not found."),
        ({"detail": ["One.", "Two."]}, "One. Two."),
        ({"name": ["This field is required."]}, "name: This field is required."),
        ({"name": "Too long.", "tags": ["A.", "B."]}, "name: Too long.; tags: A. B."),
        ({"non_field_errors": ["Bad."]}, "Bad."),
        ({"status": 4, "detail": "Detail first."}, "Detail first.; status: 4"),
        ({"file": {"name": ["Taken."]}}, "file.name: Taken."),
        ({"coordinates": {"non_field_errors": ["Bad."]}}, "coordinates: Bad."),
        ({"tags": {"3": ["Not a valid string."]}}, "tags.3: Not a valid string."),
        ([{}, {"name": ["Taken."]}, {"tags": ["A.", "B."]}], "name: Taken.; tags: A. B."),
        ({"targets": [{"name": ["Taken."]}]}, "targets.name: Taken."),
        ({"detail": "<h1>Server Error (500)</h1>"}, "a page"),
        ({"name": ["M31 < M33 is no name."]}, "name: M31 < M33 is no name."),
        (["One.", "Two."], "One. Two."),
        ("Just words.", "Just words."),
        ({"detail": "two\nlines\x1b[31m\x00 and\tmore"}, "two lines [31m and more"),
        ({}, "400 Bad Request"),
        ([], "400 Bad Request"),
        (None, "400 Bad Request"),
        (b"", "400 Bad Request"),
    ],
)
def test_the_words_come_field_by_field(content: object, words: str) -> None:
    assert answer(400, content).words() == words


def test_a_web_page_is_never_shown() -> None:
    words = answer(502, HTML, {"Content-Type": "text/html"}).words()

    assert words == "502 Bad Gateway: the server, or a proxy before it, answered with a page"


def test_plain_words_of_a_proxy_are_shown() -> None:
    words = answer(503, b"upstream is down\n", {"content-type": "text/plain"}).words()

    assert words == "503 Service Unavailable: upstream is down"


def test_too_large_is_explained() -> None:
    words = answer(413, HTML, {"Content-Type": "text/html"}).words()

    assert words.startswith("413 Request Entity Too Large")
    assert words.endswith(
        ": the server, or a proxy before it, takes no file of this size: ask whoever runs it"
    )


def test_a_server_that_says_itself_what_is_too_large_is_quoted() -> None:
    words = answer(413, {"detail": "At most 2 GB."}).words()

    assert words == "At most 2 GB."


def test_an_unknown_status_has_no_phrase() -> None:
    assert answer(599, b"").words() == "599"


def test_a_key_that_the_server_repeats_is_not_shown() -> None:
    key = Secret("s3cret")

    assert answer(401, {"detail": "no key s3cret"}, key=key).words() == "no key …"
    assert "s3cret" not in repr(answer(401, {"detail": "no key s3cret"}, key=key))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(
    json_values.map(lambda value: json.dumps(value).encode()) | st.binary(), st.integers(100, 599)
)
def test_the_words_are_one_bounded_printable_line(content: bytes, http_status: int) -> None:
    words = answer(http_status, content).words()

    assert 0 < len(words) <= 300
    assert words.isprintable()


def test_json_that_is_nested_without_end_is_none() -> None:
    assert not answer(200, b"[" * 100_000).is_json
    assert answer(200, b"\xff").json() is None


@pytest.mark.parametrize(
    ("http_status", "content", "taken"),
    [
        (400, {"detail": "File a.fits already exists in dataset M31."}, True),
        (400, ["File a.fits already exists in dataset M31."], True),
        (409, {"file": ["a.fits Already exists in dataset"]}, True),
        (400, {"name": "x" * 400 + " already exists in dataset"}, True),
        (400, {"detail": "does not exist"}, False),
        (500, {"detail": "already exists in dataset"}, False),
        (400, b"<p>already exists in dataset</p>", False),
    ],
)
def test_a_name_that_is_taken_is_told_by_its_words(
    http_status: int, content: object, taken: bool
) -> None:
    assert answer(http_status, content).says_name_taken() is taken


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (" 7 ", 7.0),
        ("Mon, 23 Nov 2026 05:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 04:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 05:00:30 -0000", 30.0),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("9" * 400, None),
        ("Mon, 99 Nov 2026 99:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert answer(503, headers={"retry-after": value}).retry_after_s(NOW) == seconds


def test_retry_after_is_absent() -> None:
    assert answer(503).retry_after_s(NOW) is None


def test_a_date_is_compared_with_the_servers_own_clock() -> None:
    headers = {
        "Date": "Wed, 01 Jan 2020 00:00:00 GMT",
        "Retry-After": "Wed, 01 Jan 2020 00:01:00 GMT",
    }

    assert answer(503, headers=headers).retry_after_s(NOW) == 60.0
    assert answer(503, headers=headers).server_date == datetime(2020, 1, 1, tzinfo=UTC)


@given(st.text(max_size=40))
def test_no_header_breaks_the_dates(text: str) -> None:
    headers = {"Date": text, "Retry-After": text}

    seconds = answer(503, headers=headers).retry_after_s(NOW)

    assert seconds is None or seconds >= 0
