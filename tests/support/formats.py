"""Files of the formats that are checked: small ones by hand, for tests that cut or spoil them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from oort.detect.formats import MemorySource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from oort.detect.formats import Source

BLOCK = 2880


def fits_bytes(
    pixels: int = 5000, *, header: Mapping[str, str | float] | None = None, padded: bool = True
) -> bytes:
    """Return a FITS image of `pixels` bytes, with further cards; `padded` to whole blocks."""
    cards = [
        card("SIMPLE", True),
        card("BITPIX", 8),
        card("NAXIS", 1),
        card("NAXIS1", pixels),
        *(card(key, value) for key, value in (header or {}).items()),
        b"END".ljust(80),
    ]
    head = b"".join(cards)
    head += b" " * (-len(head) % BLOCK)
    data = bytes(n % 251 + 1 for n in range(pixels))
    return head + data + (b"\0" * (-pixels % BLOCK) if padded else b"")


def card(key: str, value: str | float | bool) -> bytes:
    """Return one header card in fixed format."""
    if isinstance(value, bool):
        text = ("T" if value else "F").rjust(20)
    elif isinstance(value, str):
        quoted = value.replace("'", "''")
        text = f"'{quoted:<8}'"
    else:
        text = str(value).rjust(20)
    return f"{key:<8}= {text}".encode("latin-1").ljust(80)[:80]


def xisf_bytes(
    attachments: Iterable[int] = (1000,), *, keywords: Mapping[str, str] | None = None
) -> bytes:
    """Return an XISF file with attachments of these sizes, aligned to 4096 bytes."""
    sizes = list(attachments)
    places = [
        4096 * (n + 1) + sum(size // 4096 * 4096 for size in sizes[:n]) for n in range(len(sizes))
    ]
    images = "".join(
        f'<Image geometry="{size}:1:1" sampleFormat="UInt8" location="attachment:{place}:{size}"/>'
        for place, size in zip(places, sizes, strict=True)
    )
    words = "".join(
        f'<FITSKeyword name="{key}" value={quoteattr(value)} comment=""/>'
        for key, value in (keywords or {}).items()
    )
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<xisf version="1.0" xmlns="http://www.pixinsight.com/xisf">'
        f"{images}{words}<Metadata/></xisf>"
    ).encode()
    content = b"XISF0100" + len(xml).to_bytes(4, "little") + bytes(4) + xml
    for place, size in zip(places, sizes, strict=True):
        content = content.ljust(place, b"\0") + b"\x55" * size
    return content


class Counted:
    """A source that counts what is asked of it; beyond `content`, up to `size`, it is all zeros."""

    def __init__(self, content: bytes | Source, size: int | None = None) -> None:
        self._inner = MemorySource(content) if isinstance(content, bytes) else content
        self.size = self._inner.size if size is None else size
        self.reads: list[tuple[int, int]] = []
        """Place and length of each."""

    @property
    def bytes_read(self) -> int:
        """How much was given in all."""
        return sum(length for _, length in self.reads)

    def read_at(self, offset: int, length: int) -> bytes:
        """Return what is there."""
        length = max(0, min(length, self.size - offset))
        self.reads.append((offset, length))
        return self._inner.read_at(offset, length).ljust(length, b"\0") if length else b""
