"""What is read as a plain answer is what http.client reads."""

from __future__ import annotations

import http.client
import io
from typing import TYPE_CHECKING, cast

from hypothesis import given
from hypothesis import strategies as st

from arcsecond.http_head import read_plain

if TYPE_CHECKING:
    import socket

NAMES = st.sampled_from(
    [
        "Content-Length",
        "content-length",
        "Connection",
        "Date",
        "X-A",
        "Transfer-Encoding",
        " Folded",
    ]
)
VALUES = st.one_of(
    st.sampled_from(["0", "5", "12", " 5 ", "+5", "5_0", "close", "keep-alive", "chunked", "\t5"]),
    st.text(st.characters(max_codepoint=255), max_size=8),
)
STATUS = st.one_of(st.integers(100, 599).map(str), st.sampled_from(["099", "2 0", "20", "2000"]))


class Spoken:
    """As much of a socket as http.client wants to read from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


@given(
    version=st.sampled_from(["HTTP/1.1", "HTTP/1.0", "http/1.1"]),
    status=STATUS,
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=5),
    content=st.binary(max_size=20),
)
def test_a_plain_answer_is_read_as_http_client_reads_it(
    version: str, status: str, headers: list[tuple[str, str]], content: bytes
) -> None:
    lines = [f"{version} {status} Phrase", *(f"{name}: {value}" for name, value in headers)]
    data = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + content
    plain = read_plain(data)
    if plain is None or len(data) < plain.ends:
        return
    judge = http.client.HTTPResponse(cast("socket.socket", Spoken(data)))
    judge.begin()

    assert plain.http_status == judge.status
    assert plain.stays_open == (not judge.will_close)
    assert dict(plain.headers) == {
        name.lower(): value.strip() for name, value in judge.getheaders()
    }
    assert data[plain.begins : plain.ends] == judge.read()
