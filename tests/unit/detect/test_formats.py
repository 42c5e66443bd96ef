"""What a structure check says of small files of each format, whole, cut and spoiled."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from oort.detect import formats
from oort.detect.formats import FileSource, InspectionCancelledError, Kind, MemorySource, Structure
from tests.support.formats import card, fits_bytes, xisf_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Compress = Callable[[bytes], bytes]

HEADER = {
    "OBJECT": "M 31",
    "FILTER": "Ha 7'nm",
    "IMAGETYP": "Light Frame",
    "DATE-OBS": "2026-11-22T23:10:00.5",
    "EXPTIME": 300.0,
    "TELESCOP": "FSQ/106",
    "INSTRUME": "QHY600",
}
KEPT = {
    "OBJECT": "M 31",
    "FILTER": "Ha 7'nm",
    "IMAGETYP": "Light Frame",
    "DATE-OBS": "2026-11-22T23:10:00.5",
    "EXPTIME": "300.0",
    "TELESCOP": "FSQ/106",
    "INSTRUME": "QHY600",
}


def inspect(content: bytes, name: bytes = b"a.fits") -> Structure:
    return formats.inspect(MemorySource(content), name)


def zipped() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.txt", b"a" * 1000)
        archive.writestr("b.txt", b"b" * 1000)
        archive.comment = b"PK\x05\x06 is no directory of its own"
    return target.getvalue()


def test_a_whole_fits_file_is_whole_and_tells_its_header() -> None:
    structure = inspect(fits_bytes(5000, header=HEADER))

    assert structure == Structure(Kind.FITS, whole=True, needed=2880 + 5000, header=KEPT)


def test_missing_padding_of_the_last_block_is_fine() -> None:
    assert inspect(fits_bytes(5000, padded=False)).whole is True
    assert inspect(fits_bytes(5000, padded=False)[:-1]).whole is False


def test_a_header_without_data_needs_no_padding_either() -> None:
    content = card("SIMPLE", True) + card("BITPIX", 8) + card("NAXIS", 0) + b"END"

    assert inspect(content + b" " * 77).whole is True
    assert inspect(content).whole is False


def test_a_short_fits_file_says_what_is_missing() -> None:
    structure = inspect(fits_bytes(5000)[:4000])

    assert structure.whole is False
    assert structure.needed == 7880
    assert structure.reason == "HDU 0 announces 5000 bytes of data; 3880 bytes are missing"


@pytest.mark.parametrize("length", [9, 79, 80, 200, 2879])
def test_a_cut_header_is_not_whole(length: int) -> None:
    header = {f"KEY{n}": n for n in range(60)}

    assert inspect(fits_bytes(10, header=header)[:length]).whole is False


def test_an_extension_that_has_only_begun_is_not_whole() -> None:
    whole = fits_bytes(100)

    assert inspect(whole + b"XTENS").whole is False
    assert inspect(whole + card("XTENSION", "IMAGE")).whole is False
    assert inspect(whole + b"special records, or what a camera adds").whole is True


def test_exposure_stands_in_for_exptime() -> None:
    assert inspect(fits_bytes(header={"EXPOSURE": 30.0})).header == {"EXPTIME": "30.0"}
    assert inspect(fits_bytes(header={"EXPOSURE": 30.0, "EXPTIME": 60.0})).header == {
        "EXPTIME": "60.0"
    }


def test_an_empty_value_of_the_primary_header_is_taken_from_the_first_extension() -> None:
    primary = fits_bytes(100, header={"OBJECT": "", "FILTER": "R"})
    extension = fits_bytes(100, header={"OBJECT": "M31", "FILTER": "B"})
    content = primary + card("XTENSION", "IMAGE") + extension[80:]

    assert inspect(content).header == {"OBJECT": "M31", "FILTER": "R"}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (card("BITPIX", 8), card("BITPIX", "x"), "BITPIX is no whole number"),
        (card("NAXIS", 1), card("NAXIS", -1), "NAXIS is -1"),
        (card("NAXIS", 1), card("NAXIS", 1000), "NAXIS is 1000"),
        (card("NAXIS", 1), card("NAXIS", 2), "the header has no NAXIS2"),
        (card("NAXIS1", 100), card("NAXIS1", -100), "an axis or a count is negative"),
        (
            card("SIMPLE", True),
            card("SIMPLE", False),
            "the file says itself that it does not follow the standard",
        ),
    ],
)
def test_of_a_header_that_breaks_the_standard_nothing_is_said(
    old: bytes, new: bytes, reason: str
) -> None:
    """Such a file is sent when it is quiet: our not understanding it must not hold it back."""
    structure = inspect(fits_bytes(100).replace(old, new))

    assert (structure.whole, structure.reason) == (None, reason)


def test_content_decides_and_not_the_name() -> None:
    assert inspect(fits_bytes(), b"a.raw").kind is Kind.FITS
    assert inspect(b"II*\0 a raw image of some camera", b"a.fits") == Structure()
    assert inspect(b"", b"a.txt") == Structure()


def test_a_header_dumped_as_text_is_no_fits_file() -> None:
    text = b"SIMPLE  =                    T / conforms\nBITPIX  =                   16\n"

    assert inspect(text, b"header.txt") == Structure()


@pytest.mark.parametrize("name", [b"a.fits", b"A.FIT", b"x/a.fts", b"a.fits.fz", b"a.xisf"])
def test_a_file_whose_beginning_is_not_written_yet_is_not_whole(name: bytes) -> None:
    assert inspect(bytes(100_000), name).whole is False
    assert inspect(bytes(10), name).whole is False


def test_zeros_under_another_name_are_nobodys_business() -> None:
    assert inspect(bytes(100_000), b"dark.raw") == Structure()
    assert inspect(b"\0" * 80 + b"text", b"noextension") == Structure()


def test_the_first_letters_of_fits_are_a_file_being_written() -> None:
    assert inspect(b"SIMP", b"a.fits").whole is False
    assert inspect(b"SIMP", b"a.txt") == Structure()


def test_a_preallocated_file_with_half_a_header_is_not_whole() -> None:
    half = fits_bytes(10, header={"OBJECT": "M31"})[:400]

    structure = inspect(half + bytes(20_000_000))

    assert (structure.whole, structure.reason) == (
        False,
        "the header is not written to its end yet",
    )


def test_a_header_without_end_does_not_cost_more_than_its_bound() -> None:
    class Endless:
        size = 10**12
        asked = 0

        def read_at(self, offset: int, length: int) -> bytes:
            self.asked += length
            first = card("SIMPLE", True) if offset == 0 else card("COMMENT", 1)
            return first + card("COMMENT", 1) * (length // 80 - 1)

    source = Endless()
    structure = formats.inspect(source)

    assert structure.whole is None
    assert source.asked < 13_000_000


def test_xisf_has_its_attachments() -> None:
    words = {"OBJECT": "'M 31'", "EXPTIME": "300.", "NAXIS": "2"}
    content = xisf_bytes([1000, 5000], keywords=words)

    structure = inspect(content, b"a.xisf")

    assert structure == Structure(
        Kind.XISF, whole=True, needed=len(content), header={"OBJECT": "M 31", "EXPTIME": "300."}
    )
    assert inspect(content + b"more").whole is True
    cut = inspect(content[:-7])
    assert (cut.whole, cut.reason) == (False, "7 bytes of its attachments are missing")
    assert cut.header == structure.header


@pytest.mark.parametrize("length", [8, 10, 16, 100])
def test_a_cut_xisf_header_is_not_whole(length: int) -> None:
    assert inspect(xisf_bytes()[:length]).whole is False


def test_an_xisf_header_of_zeros_is_not_written_yet() -> None:
    content = bytearray(xisf_bytes())
    content[60:200] = bytes(140)

    assert inspect(bytes(content)).whole is False


def test_an_xisf_header_that_is_no_xml_says_nothing() -> None:
    broken = xisf_bytes().replace(b"</xisf>", b"</xxxx>")
    assert inspect(broken).whole is None

    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><xisf>&a;</xisf>'
    content = b"XISF0100" + len(bomb).to_bytes(4, "little") + bytes(4) + bomb
    assert inspect(content).reason == "the XML header cannot be read: it has a document type"


@pytest.mark.parametrize(
    ("compress", "kind"), [(gzip.compress, Kind.GZIP), (bz2.compress, Kind.BZIP2)]
)
def test_a_compressed_file_reaches_its_end_mark(compress: Compress, kind: Kind) -> None:
    content = compress(fits_bytes(50_000, header=HEADER))

    assert inspect(content, b"a.fits.gz") == Structure(kind, whole=True, header=KEPT)
    assert inspect(content + compress(b"another member")).whole is True
    assert inspect(content + bytes(512)).whole is True
    for cut in (len(content) - 1, len(content) // 2, 20):
        assert inspect(content[:cut]).whole is False
    assert inspect(content + compress(b"another member")[:-3]).whole is False
    spoiled = bytearray(content)
    spoiled[len(content) // 2] ^= 0xFF
    assert inspect(bytes(spoiled)).whole is False


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress], ids=["gzip", "bzip2"])
def test_a_member_that_has_only_begun_is_not_whole(compress: Compress) -> None:
    content = compress(b"first")

    assert inspect(content + compress(b"second")[:1]).whole is False


def test_a_compressed_file_that_grows_a_thousandfold_is_read_in_pieces() -> None:
    assert inspect(gzip.compress(bytes(50_000_000))).whole is True
    assert inspect(bz2.compress(bytes(50_000_000))).whole is True


def test_a_slow_check_can_be_broken_off() -> None:
    content = gzip.compress(bytes(5_000_000))

    with pytest.raises(InspectionCancelledError):
        formats.inspect(MemorySource(content), cancelled=lambda: True)


def test_a_zip_has_its_directory() -> None:
    content = zipped()

    assert inspect(content).whole is True
    assert inspect(content + b"trailing").whole is True
    for cut in (len(content) - 1, len(content) // 2, 30):
        assert inspect(content[:cut]).whole is False


@pytest.mark.parametrize("name", [b"unpack.exe", b"a.zip"])
def test_an_archive_that_unpacks_itself_is_no_archive_that_is_cut(name: bytes) -> None:
    """Its directory counts from the archive's own beginning, not from the program's in front."""
    content = b"MZ a program that unpacks what follows" + zipped()
    assert zipfile.is_zipfile(io.BytesIO(content))

    assert inspect(content, name).whole is not False


def test_an_archive_that_is_cut_behind_an_archive_in_it_is_not_whole() -> None:
    """What is left ends with a sound directory, that of the entry."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("inner.zip", zipped())
        archive.writestr("b.txt", b"b" * 1000)
    content = target.getvalue()
    behind = content.index(zipped()) + len(zipped())

    assert inspect(content).whole is True
    assert zipfile.is_zipfile(io.BytesIO(content[:behind]))  # it is taken for the inner one
    assert inspect(content[:behind]).whole is False


def test_a_zip_directory_that_lies_beyond_the_file_is_not_one() -> None:
    """The end of another archive, at the end of this one's first entry, proves nothing."""
    content = b"PK\x03\x04" + zipped()[-100:]

    assert inspect(content).whole is False


def test_a_zip_of_more_entries_than_two_bytes_count() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for n in range(65_536):
            archive.writestr(str(n), b"")
    content = target.getvalue()

    assert inspect(content).whole is True
    assert inspect(content[:-1]).whole is False
    assert inspect(content[:-23] + content[-22:]).whole is False


def test_a_file_is_read_as_memory_is(tmp_path: Path) -> None:
    path = tmp_path / "a"
    content = fits_bytes(5000, header=HEADER)
    path.write_bytes(content)

    with path.open("rb") as file:
        source = FileSource(file.fileno(), len(content))
        assert formats.inspect(source) == inspect(content)
        assert source.read_at(len(content) - 3, 10) == content[-3:]
        assert source.read_at(len(content), 10) == b""
