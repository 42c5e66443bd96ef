"""The heads of a request and of a plain answer."""

from __future__ import annotations

import pytest

from arcsecond.http_head import Headers, read_plain, request_head

PLAIN = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n"


def test_a_request_is_its_line_its_headers_and_an_empty_line() -> None:
    head = request_head("POST", "/datafiles/", [("Host", "a.org"), ("Content-Length", "7")])

    assert head == b"POST /datafiles/ HTTP/1.1\r\nHost: a.org\r\nContent-Length: 7\r\n\r\n"


def test_headers_have_no_case_and_join_what_came_twice() -> None:
    headers = Headers([("Date", "now"), ("Warning", "a"), ("warning", "b")])

    assert headers["DATE"] == headers.get("date") == "now"
    assert headers["Warning"] == "a, b"
    assert "Age" not in headers
    assert list(headers) == ["date", "warning"]


def test_a_plain_answer_is_read_with_where_its_content_lies() -> None:
    data = PLAIN + b'{"pk":1}and more'
    plain = read_plain(data)

    assert plain is not None
    assert plain.http_status == 201
    assert plain.headers["content-type"] == "application/json"
    assert data[plain.begins : plain.ends] == b'{"pk":1}'
    assert plain.stays_open


def test_its_content_may_still_be_on_its_way() -> None:
    plain = read_plain(PLAIN + b'{"p')

    assert plain is not None
    assert plain.ends - plain.begins == 8


def test_a_server_that_closes_says_so() -> None:
    plain = read_plain(PLAIN.replace(b"\r\n\r\n", b"\r\nConnection: Close\r\n\r\n"))

    assert plain is not None
    assert not plain.stays_open


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PLAIN[:-2],
        PLAIN.replace(b"1.1", b"1.0"),
        PLAIN.replace(b"201", b"103"),
        PLAIN.replace(b"201", b"204"),
        PLAIN.replace(b"201", b"304"),
        PLAIN.replace(b"201", b"2O1"),
        PLAIN.replace(b"201", "20²".encode("latin-1")),
        PLAIN.replace(b"201", b"2011"),
        PLAIN.replace(b": 8", b": -8"),
        PLAIN.replace(b": 8", b": 8, 8"),
        PLAIN.replace(b": 8", b":"),
        PLAIN.replace(b"Content-Length: 8\r\n", b""),
        PLAIN.replace(b"Content-Type", b"Content-Length"),
        PLAIN.replace(b"Content-Type: application/json", b"Transfer-Encoding: chunked"),
        PLAIN.replace(b"Content-Type: application/json", b"Content-Encoding: gzip"),
        PLAIN.replace(b"Content-Type: application/json", b"no colon"),
        PLAIN.replace(b"Content-Type", b" Folded"),
        PLAIN.replace(b"Content-Type", b"Content-Type "),
        PLAIN.replace(b"application/json", b"a\nContent-Length: 9"),
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ],
)
def test_what_is_not_plain_is_left_to_others(data: bytes) -> None:
    assert read_plain(data) is None
