"""Compressed files: gzip and bzip2 decompress to their end mark, zip has its directory.

Decompressing costs as much as reading the whole file, so it is done once, for a file that is quiet
already, and it can be broken off. What comes out is thrown away but for the beginning, which may
be a FITS header. Memory stays bounded whatever the file says.
"""

from __future__ import annotations

import bz2
import struct
import zlib
from typing import TYPE_CHECKING, Final, Protocol

from oort.detect.formats import fits
from oort.detect.formats.source import MemorySource
from oort.detect.formats.structure import Kind, Structure

if TYPE_CHECKING:
    from collections.abc import Callable

    from oort.detect.formats.source import Source

GZIP_SIGNATURE: Final = b"\x1f\x8b\x08"
BZIP2_SIGNATURES: Final = tuple(
    b"BZh%d%b" % (level, mark)
    for level in range(1, 10)
    for mark in (b"\x31\x41\x59\x26\x53\x59", b"\x17\x72\x45\x38\x50\x90")
)
ZIP_SIGNATURES: Final = (b"PK\x03\x04", b"PK\x05\x06")

_READ: Final = 256 * 1024
_FIRST_PIECE: Final = 512
"""What a member is fed first; each further piece is twice as long. What it leaves is copied, and
there may be millions of members of twenty bytes."""
_GROWN_MOST: Final = 1024 * 1024
"""Bytes that one step of decompressing may yield."""
_GROWN_IN_ALL_MOST: Final = 1024**3
_GROWN_TIMES_MOST: Final = 100
"""A file that grows beyond both is a bomb (bzip2 packs a terabyte of zeros into one megabyte)."""
_HEAD: Final = 2 * 1024 * 1024
"""How much of the decompressed content is looked at for a FITS header."""


class InspectionCancelledError(Exception):
    """Somebody wants this thread to end; the file was not read to its end."""


class _Decompressor(Protocol):
    """One member of a compressed file."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def feed(self, content: bytes) -> bytes:
        """Take content, or what is left of it for `b""`, and return a bounded part of the result."""
        ...

    @property
    def needs_input(self) -> bool: ...


class _Gzip:
    """A gzip member, with its checksum and length verified by zlib."""

    signature = GZIP_SIGNATURE

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def feed(self, content: bytes) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + content, _GROWN_MOST)


class _Bzip2:
    """A bzip2 stream, with its checksums verified by libbz2."""

    signature = b"BZh"

    def __init__(self) -> None:
        self._inner = bz2.BZ2Decompressor()

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return self._inner.needs_input

    def feed(self, content: bytes) -> bytes:
        return self._inner.decompress(content, _GROWN_MOST)


def inspect_gzip(source: Source, cancelled: Callable[[], bool]) -> Structure:
    """Decompress every member to its end mark. Raises InspectionCancelledError."""
    return _decompress(source, Kind.GZIP, _Gzip, cancelled)


def inspect_bzip2(source: Source, cancelled: Callable[[], bool]) -> Structure:
    """Decompress every stream to its end mark. Raises InspectionCancelledError."""
    return _decompress(source, Kind.BZIP2, _Bzip2, cancelled)


def _decompress(
    source: Source,
    kind: Kind,
    new_member: type[_Gzip | _Bzip2],
    cancelled: Callable[[], bool],
) -> Structure:
    stream = _Stream(source, new_member, cancelled)
    whole: bool | None
    try:
        whole = stream.run()
        reason = "" if whole else f"the {kind} data end before their end mark"
    except _TooMuchError:
        whole, reason = None, f"the {kind} data become too many: not read to their end"
    except (zlib.error, OSError, EOFError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's trouble; libbz2 has no errno
        whole, reason = False, f"the {kind} data are damaged: {error}"
    return Structure(kind, whole=whole, header=_inner_header(stream.head), reason=reason)


class _TooMuchError(Exception):
    """More comes out than any picture has: reading on would take hours."""


class _Stream:
    """One pass over a compressed file, member after member."""

    def __init__(
        self, source: Source, new_member: type[_Gzip | _Bzip2], cancelled: Callable[[], bool]
    ) -> None:
        self._source = source
        self._new_member = new_member
        self._cancelled = cancelled
        self._offset = 0
        """Where the next reading begins."""
        self._content = b""
        self._at = 0
        """Where in what was read the next piece begins."""
        self._grown = 0
        self._grown_most = max(_GROWN_IN_ALL_MOST, _GROWN_TIMES_MOST * source.size)
        self.head = bytearray()

    def run(self) -> bool:
        """Tell whether the last member has its end mark. Raises _TooMuchError."""
        signature = self._new_member.signature
        while self._read_member():
            # What is no further member is padding or foreign: gzip and bzip2 ignore it too.
            begin = self._peek(len(signature))
            if not begin or not signature.startswith(begin):
                return True
        return False

    def _read_member(self) -> bool:
        """Decompress one member; tell whether it has its end mark."""
        member: _Decompressor = self._new_member()
        length = _FIRST_PIECE
        while not member.eof:
            if self._cancelled():
                raise InspectionCancelledError
            piece = b""
            if member.needs_input:
                piece = self._take(length)
                if not piece:
                    return False
                length = min(2 * length, _READ)
            self._keep(member.feed(piece))
        self._at -= len(member.unused_data)  # a part of the last piece
        return True

    def _keep(self, grown: bytes) -> None:
        self._grown += len(grown)
        if self._grown > self._grown_most:
            raise _TooMuchError
        if len(self.head) < _HEAD:
            self.head += grown[: _HEAD - len(self.head)]

    def _take(self, length: int) -> bytes:
        """Return the next bytes; few only where there are no more at hand, none at the end."""
        if self._at >= len(self._content):
            self._read_on()
        piece = self._content[self._at : self._at + length]
        self._at += len(piece)
        return piece

    def _peek(self, length: int) -> bytes:
        """Return the next bytes, and leave them where they are."""
        if len(self._content) - self._at < length:
            self._read_on()
        return self._content[self._at : self._at + length]

    def _read_on(self) -> None:
        more = self._source.read_at(self._offset, _READ)
        self._offset += len(more)
        self._content = self._content[self._at :] + more
        self._at = 0


def _inner_header(head: bytearray) -> dict[str, str]:
    """Return what is kept of the header, where the content begins like FITS."""
    if not head.startswith(fits.SIGNATURE):
        return {}
    return dict(fits.inspect(MemorySource(bytes(head))).header)


_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE: Final = b"PK\x05\x06"
_ENTRY_SIGNATURE: Final = b"PK\x01\x02"
_LOCATOR = struct.Struct("<4sLQL")
_LOCATOR_SIGNATURE: Final = b"PK\x06\x07"
_END64 = struct.Struct("<4sQ2H2L4Q")
_END64_SIGNATURE: Final = b"PK\x06\x06"
_COMMENT_MOST: Final = 0xFFFF
_WIDE16: Final = 0xFFFF
_WIDE32: Final = 0xFFFFFFFF
"""The number stands in the zip64 record."""


def inspect_zip(source: Source) -> Structure:
    """Look for the directory at the end; after PKWARE's APPNOTE 6.3.10, §4.3.

    The directory is written last, and the entries lie before it: where it is there, and where it
    says, the entries are there. The end of an archive that is an entry of this one is none of it,
    because it counts from its own beginning. Nothing is decompressed.
    """
    tail_at = max(0, source.size - _END.size - _COMMENT_MOST)
    tail = source.read_at(tail_at, source.size - tail_at)
    at = tail.rfind(_END_SIGNATURE)
    while at != -1:
        if _ends_here(source, tail, tail_at, at):
            return Structure(Kind.ZIP, whole=True, needed=source.size)
        at = tail.rfind(_END_SIGNATURE, 0, at)
    return Structure(Kind.ZIP, whole=False, reason="the zip directory at the end is missing")


def _ends_here(source: Source, tail: bytes, tail_at: int, at: int) -> bool:
    """Tell whether a sound end record stands at `at` of the tail."""
    if at + _END.size > len(tail):
        return False
    _, _, _, _, entries, length, offset, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment > len(tail):
        return False
    end = tail_at + at
    if entries == _WIDE16 or _WIDE32 in {length, offset}:
        wide = _end64(source, end)
        if wide is None:
            return False
        end, length, offset = wide
    if offset + length == end:
        return True
    # Something may stand between the two, such as a signature of the directory (§4.3.13).
    return offset + length < end and source.read_at(offset, 4) == _ENTRY_SIGNATURE


def _end64(source: Source, end: int) -> tuple[int, int, int] | None:
    """Return place of the zip64 end record, length and offset of its directory."""
    place = end - _LOCATOR.size
    locator = source.read_at(place, _LOCATOR.size) if place >= 0 else b""
    if len(locator) < _LOCATOR.size or not locator.startswith(_LOCATOR_SIGNATURE):
        return None
    _, _, at, _ = _LOCATOR.unpack(locator)
    record = source.read_at(at, _END64.size)
    if len(record) < _END64.size or not record.startswith(_END64_SIGNATURE):
        return None
    fields = _END64.unpack(record)
    return at, fields[8], fields[9]
