"""FITS: does the file hold every byte that its headers announce?

Headers only, block by block: the walk jumps over the data. After the FITS Standard 4.0: blocks of 2880 bytes
(§3.1), cards of 80 (§4.1), the size of the data by equations 1 and 2 (§4.4.1) and 4 (§6.1.1,
random groups), what follows the last HDU is ignored (§3.5). Bounded in time and memory on any
input. astropy is the judge of this module in the tests, never a dependency.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from oort.detect.formats.structure import KEPT_KEYWORDS, Kind, Structure, clean, kept

if TYPE_CHECKING:
    from oort.detect.formats.source import Source

SIGNATURE: Final = b"SIMPLE  ="
BLOCK: Final = 2880

_CARD: Final = 80
_EXTENSION: Final = b"XTENSION"
_NAXIS_MOST: Final = 999  # §4.4.1.1
_HEADER_BYTES_MOST: Final = 4096 * BLOCK
"""Of one header. The longest that we know of have some ten thousand cards, a tenth of this."""
_ALL_HEADERS_BYTES_MOST: Final = 16 * _HEADER_BYTES_MOST
_HDUS_MOST: Final = 20_000


class _CannotTellError(Exception):
    """The header breaks the standard, or our bounds: nothing can be said of the file's length."""


class _CutError(Exception):
    """The file, or what is written of it, ends inside a header."""


@dataclass(slots=True)
class _Header:
    """One header: its length up to and with END, and the cards that matter, first of each."""

    length: int = 0
    ended: bool = False
    cards: dict[str, str] = field(default_factory=dict)

    def number(self, keyword: str, default: int | None = None) -> int:
        text = self.cards.get(keyword)
        if text is None:
            if default is None:
                raise _CannotTellError(f"the header has no {keyword}")
            return default
        try:
            return int(text)
        except ValueError:
            raise _CannotTellError(f"{keyword} is no whole number") from None

    def is_true(self, keyword: str) -> bool:
        return self.cards.get(keyword) == "T"


def inspect(source: Source) -> Structure:
    """Walk the HDUs of a file that begins with `SIGNATURE`."""
    walk = _Walk(source)
    try:
        needed, reason = walk.run()
    except _CutError as error:
        return Structure(Kind.FITS, whole=False, header=kept(walk.header), reason=str(error))
    except _CannotTellError as error:
        return Structure(Kind.FITS, header=kept(walk.header), reason=str(error))
    return Structure(
        Kind.FITS,
        whole=not reason,
        needed=needed,
        header=kept(walk.header),
        reason=reason,
    )


class _Walk:
    """One pass over the HDUs of a file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._read = 0
        self.header: dict[str, str] = {}
        """What is kept: the primary header's values, completed by those of the first extension."""

    def run(self) -> tuple[int, str]:
        """Return where the last data should end and, where the file ends before, that in words."""
        offset = end = 0
        for number in range(_HDUS_MOST):
            if number and not self._extension_follows(offset):
                return end, ""
            header = self._read_header(offset, number)
            if number <= 1:
                self._keep(header)
            data_bytes = _data_bytes(header) if number else _primary_data_bytes(header)
            end = offset + header.length
            if data_bytes:
                end += -header.length % BLOCK + data_bytes
            if end > self._source.size:
                return end, (
                    f"HDU {number} announces {data_bytes} bytes of data; "
                    f"{end - self._source.size} bytes are missing"
                )
            offset = end + -end % BLOCK
        raise _CannotTellError(f"more than {_HDUS_MOST} HDUs")

    def _keep(self, header: _Header) -> None:
        for keyword, value in header.cards.items():
            text = clean(value)
            if text:
                self.header.setdefault(keyword, text)

    def _extension_follows(self, offset: int) -> bool:
        """Tell whether another HDU begins here; anything else after the last one is ignored."""
        begin = self._source.read_at(offset, len(_EXTENSION))
        if begin and begin != _EXTENSION and _EXTENSION.startswith(begin):
            raise _CutError("the file ends where an extension begins")
        return begin == _EXTENSION

    def _read_header(self, offset: int, number: int) -> _Header:
        header = _Header()
        while not header.ended:
            if header.length >= _HEADER_BYTES_MOST or self._read >= _ALL_HEADERS_BYTES_MOST:
                raise _CannotTellError(f"the header of HDU {number} has no end within reason")
            content = self._source.read_at(offset + header.length, BLOCK)
            if not content:
                raise _CutError(f"the file ends inside the header of HDU {number}")
            self._read += len(content)
            _read_cards(header, content)
        return header


def _read_cards(header: _Header, content: bytes) -> None:
    """Take the cards of whole and cut blocks into `header`, up to its END."""
    for at in range(0, len(content) - len(content) % _CARD, _CARD):
        name = content[at : at + 8]
        keyword = _KEYWORDS.get(name)
        if keyword is not None:
            if content[at + 8] == _EQUALS:
                value = _text(content[at + 9 : at + _CARD])
                header.cards.setdefault(keyword, _without_comment(value))
        elif name[:3] == b"END" and not name[3:].strip(b" \0"):
            header.ended = True
            header.length += at + _CARD
            return
        elif name == _NOTHING and not content[at : at + _CARD].strip(b"\0"):
            raise _CutError("the header is not written to its end yet")  # preallocated
    header.length += len(content)


_STRUCTURAL = frozenset({"SIMPLE", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "GROUPS"})


_KEYWORDS: Final = {
    keyword.ljust(8).encode(): keyword
    for keyword in (
        *_STRUCTURAL,
        *KEPT_KEYWORDS,
        *(f"NAXIS{axis}" for axis in range(1, _NAXIS_MOST + 1)),
    )
}
"""What matters of a header, by the name field of its card."""
_EQUALS: Final = ord("=")
_NOTHING: Final = bytes(8)


def _text(value: bytes) -> str:
    """Return the value field as text: ASCII by the standard, but cameras write what they like."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _without_comment(value: str) -> str:
    """Return a value field without its comment; a slash inside quotes is none."""
    text = value.strip()
    if text.startswith("'"):
        return text  # `clean` takes what stands between the quotes
    return text.split("/", 1)[0].strip()


def _primary_data_bytes(header: _Header) -> int:
    """Return the size of the primary data; a file that says `SIMPLE = F` follows no rule."""
    if not header.is_true("SIMPLE"):
        raise _CannotTellError("the file says itself that it does not follow the standard")
    return _data_bytes(header)


def _data_bytes(header: _Header) -> int:
    """Return `|BITPIX|/8 * GCOUNT * (PCOUNT + NAXIS1 * ... * NAXISm)`, without padding."""
    naxis = header.number("NAXIS")
    if not 0 <= naxis <= _NAXIS_MOST:
        raise _CannotTellError(f"NAXIS is {naxis}")
    if naxis == 0:
        return 0
    axes = [header.number(f"NAXIS{n}") for n in range(1, naxis + 1)]
    if header.is_true("GROUPS") and axes[0] == 0:
        axes = axes[1:]  # random groups: NAXIS1 = 0 is only a mark
    elements = 1
    for axis in axes:
        elements *= axis
    pcount = header.number("PCOUNT", 0)
    gcount = header.number("GCOUNT", 1)
    if min(*axes, pcount, gcount, 0) < 0:
        raise _CannotTellError("an axis or a count is negative")
    return abs(header.number("BITPIX")) * gcount * (pcount + elements) // 8
