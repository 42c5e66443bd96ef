"""A FITS file from nothing but the standard library: header cards, pixels, padding.

Written after the FITS Standard 4.0 (§3 structure, §4 header cards); astropy judges the result in
the tests. Only what a simulated camera needs: one image of 16-bit pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCK: Final = 2880
_CARD: Final = 80

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Card:
    """One line of a header; keyword and comment are plain ASCII."""

    keyword: str
    value: Value
    comment: str = ""

    def __bytes__(self) -> bytes:
        text = f"{self.keyword:<8}= {_fixed(self.value)}"
        if self.comment:
            text += f" / {self.comment}"
        if len(text) > _CARD:
            raise ValueError(f"the card of {self.keyword} is longer than {_CARD} characters")
        return text.ljust(_CARD).encode("ascii")


def header(width: int, height: int, cards: Sequence[Card]) -> bytes:
    """Return the primary header of a `width` x `height` image of unsigned 16-bit pixels."""
    mandatory = (
        Card("SIMPLE", True, "conforms to the FITS standard"),
        Card("BITPIX", 16, "bits per pixel"),
        Card("NAXIS", 2, "number of axes"),
        Card("NAXIS1", width, "columns"),
        Card("NAXIS2", height, "rows"),
        Card("BZERO", 32768, "unsigned 16 bits are kept as signed ones"),
        Card("BSCALE", 1),
    )
    lines = b"".join(bytes(card) for card in (*mandatory, *cards)) + b"END".ljust(_CARD)
    return _padded(lines, b" ")


def file(head: bytes, pixels: bytes) -> bytes:
    """Return the whole file: a header as `header` made it, and the pixels filled up to a block."""
    return head + _padded(pixels, b"\0")


def _padded(content: bytes, fill: bytes) -> bytes:
    return content + fill * (-len(content) % BLOCK)


def _fixed(value: Value) -> str:
    """Return the value in fixed format: strings from column 11 on, all else ends in column 30."""
    if isinstance(value, bool):
        return f"{'T' if value else 'F':>20}"
    if isinstance(value, str):
        quoted = value.replace("'", "''")
        return f"'{quoted:<8}'".ljust(20)
    return f"{value:>20}"
