"""The head of a request as bytes, and the head of an answer that is as plain as most are.

Pure. What an upload is answered is one line, a few headers and some JSON whose length is told: to
read that takes a hundredth of a millisecond, where a parser for everything that is allowed takes
ten times as long. Whatever is not that plain is left to such a parser (`arcsecond.connections`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_END = b"\r\n\r\n"
_NOT_PLAIN = ("transfer-encoding", "content-encoding", "upgrade")
_FINAL = 200
_WITHOUT_CONTENT = (204, 304)
"""Whatever length they tell."""


class Headers(Mapping[str, str]):
    """Headers whose names have no case; the values of a name that came twice are joined by commas."""

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, str] = {}
        for name, value in pairs:
            before = self._values.get(name.lower())
            self._values[name.lower()] = value if before is None else f"{before}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Plain(NamedTuple):
    """The head of an answer of known length, and where its content lies in what was read."""

    http_status: int
    headers: Headers
    begins: int
    ends: int
    stays_open: bool
    """The server keeps the connection for another request."""


def request_head(method: str, target: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Return a request's first line and its headers, up to the empty line.

    The parts are those of `arcsecond.transport`, which lets no line break into any of them.
    """
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join((*lines, "", "")).encode("ascii")


def read_plain(data: bytes) -> Plain | None:
    """Return the head of an answer that begins with `data`; None unless it is whole and plain.

    Plain is: HTTP/1.1, final, with a Content-Length, neither compressed nor in chunks, no header
    twice, none folded. All of the content need not be in `data`.
    """
    end = data.find(_END)
    if end < 0 or not data.startswith(b"HTTP/1.1 "):
        return None
    status, *lines = data[:end].decode("latin-1").split("\r\n")
    code = status[9:12]
    if not (code.isascii() and code.isdigit()) or status[12:13] not in (" ", ""):
        return None
    pairs = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name.strip() != name or "\n" in line or "\r" in line:
            return None
        pairs.append((name, value.strip(" \t")))
    headers = Headers(pairs)
    length = headers.get("content-length", "")
    if (
        int(code) < _FINAL
        or int(code) in _WITHOUT_CONTENT
        or not (length.isascii() and length.isdigit())
        or len(headers) != len(pairs)
        or any(name in headers for name in _NOT_PLAIN)
    ):
        return None
    begins = end + len(_END)
    stays_open = "close" not in headers.get("connection", "").lower()
    return Plain(int(code), headers, begins, begins + int(length), stays_open)
