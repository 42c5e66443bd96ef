"""XISF: does the file hold every attachment that its header announces?

After the XISF 1.0 Specification: a monolithic file begins with `XISF0100`, the length of the XML
header (little endian, at 8) and 4 reserved bytes (§9.2); data blocks are attached at
`location="attachment:position:size"` (§10.3); FITS keywords travel as `FITSKeyword` elements (§11.6).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from oort.detect.formats.structure import KEPT_KEYWORDS, Kind, Structure, clean, kept

if TYPE_CHECKING:
    from oort.detect.formats.source import Source

SIGNATURE: Final = b"XISF0100"

_PREAMBLE: Final = 16
_HEADER_BYTES_MOST: Final = 8 * 1024 * 1024
"""Blocks may be embedded in the header as base64; one that is longer than this is not parsed."""
_ATTACHMENT = re.compile(r"\s*attachment\s*:\s*(\d{1,40})\s*:\s*(\d{1,40})\s*")


class _Refused(Exception):  # noqa: N818  # ends the parsing, is no error that leaves this module
    """The header has a document type: XISF has none, and entities could grow without bound."""


def inspect(source: Source) -> Structure:
    """Read the XML header of a file that begins with `SIGNATURE`."""
    length = int.from_bytes(source.read_at(8, 4), "little")
    needed = _PREAMBLE + length
    if length == 0 or needed > source.size:
        return Structure(Kind.XISF, whole=False, needed=needed, reason="the XML header is cut")
    if length > _HEADER_BYTES_MOST:
        return Structure(Kind.XISF, reason=f"the XML header has {length} bytes: not read")
    xml = source.read_at(_PREAMBLE, length).rstrip(b"\0")
    if b"\0" in xml or not xml:
        # Preallocated, or its header is being written anew: XML has no such character.
        return Structure(Kind.XISF, whole=False, reason="the XML header is not written yet")
    found = _Found()
    try:
        found.parse(xml)
    except (expat.ExpatError, _Refused) as error:
        return Structure(
            Kind.XISF, header=kept(found.header), reason=f"the XML header cannot be read: {error}"
        )
    needed = max(needed, found.end)
    missing = needed - source.size
    return Structure(
        Kind.XISF,
        whole=missing <= 0,
        needed=needed,
        header=kept(found.header),
        reason=f"{missing} bytes of its attachments are missing" if missing > 0 else "",
    )


class _Found:
    """What is taken from the XML header while it is parsed."""

    def __init__(self) -> None:
        self.end = 0
        """Where the last attachment ends."""
        self.header: dict[str, str] = {}

    def parse(self, xml: bytes) -> None:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._element
        parser.StartDoctypeDeclHandler = self._doctype
        parser.Parse(xml, True)

    def _doctype(self, *_: object) -> None:
        raise _Refused("it has a document type")

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        attached = _ATTACHMENT.fullmatch(attributes.get("location", ""))
        if attached:
            self.end = max(self.end, int(attached[1]) + int(attached[2]))
        if name.rsplit(":", 1)[-1] == "FITSKeyword":
            keyword = attributes.get("name", "").strip().upper()
            value = clean(attributes.get("value", ""))
            if keyword in KEPT_KEYWORDS and value:
                self.header.setdefault(keyword, value)
