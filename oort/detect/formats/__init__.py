"""How many bytes should there be? Asked of the content, whatever the name.

One module a format; `recognise` finds the format by the first bytes, `inspect` asks it. Adding a
format is a module with `inspect(source) -> Structure`, a `Kind` and a line in each of the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oort.detect.formats import compressed, fits, xisf
from oort.detect.formats.compressed import InspectionCancelledError
from oort.detect.formats.source import FileSource, MemorySource, Source
from oort.detect.formats.structure import Kind, Structure

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "SLOW",
    "FileSource",
    "InspectionCancelledError",
    "Kind",
    "MemorySource",
    "Source",
    "Structure",
    "inspect",
    "recognise",
]

SLOW: Final = frozenset({Kind.GZIP, Kind.BZIP2})
"""Formats whose check reads the whole file: not for a thread that others wait for."""

_FIRST_CARD: Final = 80
_NAMES: Final = {
    b".fits": (Kind.FITS, fits.SIGNATURE),
    b".fit": (Kind.FITS, fits.SIGNATURE),
    b".fts": (Kind.FITS, fits.SIGNATURE),
    b".fz": (Kind.FITS, fits.SIGNATURE),
    b".xisf": (Kind.XISF, xisf.SIGNATURE),
}


def recognise(source: Source) -> Kind | None:
    """Return the format that the first bytes show; None where they show none that we know."""
    begin = source.read_at(0, _FIRST_CARD)
    if begin.startswith(fits.SIGNATURE):
        # A header that was dumped as text begins alike, but a card holds no line break (§4.1.1).
        return None if b"\n" in begin or b"\r" in begin else Kind.FITS
    if begin.startswith(xisf.SIGNATURE):
        return Kind.XISF
    if begin.startswith(compressed.GZIP_SIGNATURE):
        return Kind.GZIP
    if begin.startswith(compressed.BZIP2_SIGNATURES):
        return Kind.BZIP2
    if begin.startswith(compressed.ZIP_SIGNATURES):
        return Kind.ZIP
    return None


def inspect(
    source: Source, name: bytes = b"", *, cancelled: Callable[[], bool] = lambda: False
) -> Structure:
    """Say whether a file is structurally whole, and what its header says.

    `name` is used for one thing only: a file that bears the name of a format and does not begin
    like one may be one whose beginning is not written yet. `cancelled` is asked between the steps
    of a check of a `SLOW` format. Raises OSError, InspectionCancelledError.
    """
    match recognise(source):
        case Kind.FITS:
            return fits.inspect(source)
        case Kind.XISF:
            return xisf.inspect(source)
        case Kind.GZIP:
            return compressed.inspect_gzip(source, cancelled)
        case Kind.BZIP2:
            return compressed.inspect_bzip2(source, cancelled)
        case Kind.ZIP:
            return compressed.inspect_zip(source)
        case None:
            return _not_begun(source, name)


def _not_begun(source: Source, name: bytes) -> Structure:
    """Judge a file that begins like no format.

    Camera programs set a file to its final size first and write the header last, or write both
    through a buffer: until then a `.fits` begins with zeros, or with the first few letters of
    `SIMPLE  =`. It is being written, and it must not go out. Any other content under such a name
    is somebody else's format (content decides), and nothing can be said of it.
    """
    extension = name[name.rfind(b".") :].lower() if b"." in name else b""
    if extension not in _NAMES:
        return Structure()
    kind, signature = _NAMES[extension]
    begin = source.read_at(0, _FIRST_CARD)
    if not begin.strip(b"\0") or (len(begin) < len(signature) and signature.startswith(begin)):
        return Structure(kind, whole=False, reason=f"it does not begin like {kind} yet")
    return Structure()
