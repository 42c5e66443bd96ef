"""XISF, gzip, bzip2 and zip against Python's own modules, cut and spoiled at every byte."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oort.detect import formats
from oort.detect.formats import MemorySource
from tests.support.formats import fits_bytes, xisf_bytes

if TYPE_CHECKING:
    from collections.abc import Callable


def zipped(
    *contents: bytes,
    how: int = zipfile.ZIP_DEFLATED,
    comment: bytes = b"",
    wide: bool = False,
) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", how) as archive:
        for number, content in enumerate(contents):
            with archive.open(f"{number}.fits", "w", force_zip64=wide) as entry:
                entry.write(content)
        archive.comment = comment
    return target.getvalue()


SAMPLES = {
    "xisf": xisf_bytes([100, 2000], keywords={"OBJECT": "'M31'"}),
    "gzip": gzip.compress(fits_bytes(300), mtime=0),
    "two gzip members": gzip.compress(b"one", mtime=0) + gzip.compress(fits_bytes(300), mtime=0),
    "bzip2": bz2.compress(fits_bytes(300)),
    "zip": zipped(fits_bytes(300)),
    "zip with a comment": zipped(b"a", comment=b"PK\x05\x06 is no end of its own"),
    "zip of wide entries": zipped(b"a", b"b", wide=True),
    "zip of stored zips": zipped(
        zipped(b"a", b"b"), zipped(), zipped(b"c"), how=zipfile.ZIP_STORED
    ),
}


def whole(content: bytes) -> bool | None:
    return formats.inspect(MemorySource(content), b"a").whole


@pytest.mark.parametrize("name", SAMPLES)
def test_no_cut_passes_for_the_whole(name: str) -> None:
    sample = SAMPLES[name]
    assert whole(sample) is True
    member = len(gzip.compress(b"one", mtime=0)) if name == "two gzip members" else None
    for cut in range(16, len(sample)):
        if cut != member:
            assert whole(sample[:cut]) is False, f"cut at {cut} of {len(sample)}"


_contents = st.lists(st.binary(max_size=300), min_size=1, max_size=4)


@settings(deadline=None, max_examples=60)
@given(
    _contents, st.sampled_from([(gzip.compress, gzip.decompress), (bz2.compress, bz2.decompress)])
)
def test_a_compressed_file_is_whole_where_python_reads_it_to_its_end(
    contents: list[bytes], by: tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]
) -> None:
    compress, decompress = by
    sample = b"".join(compress(content) for content in contents)
    for cut in range(12, len(sample) + 1):
        try:
            decompress(sample[:cut])
        except (EOFError, ValueError, OSError):
            expected = False
        else:
            expected = True
        # bz2 leaves out a stream that has only begun: for a file that is written it is one to come.
        if whole(sample[:cut]) is not expected:
            assert decompress is bz2.decompress, f"cut at {cut} of {len(sample)}"
            assert whole(sample[:cut]) is False
            assert any(
                0 < cut - sum(map(len, map(compress, contents[:n]))) < 10
                for n in range(1, len(contents))
            )


@settings(deadline=None, max_examples=100)
@given(
    st.binary(min_size=1, max_size=300),
    st.sampled_from([(gzip.compress, gzip.decompress), (bz2.compress, bz2.decompress)]),
    st.data(),
)
def test_a_spoiled_member_is_whole_only_where_nothing_is_lost(
    content: bytes,
    by: tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]],
    data: st.DataObject,
) -> None:
    compress, decompress = by
    spoiled = bytearray(compress(content))
    spoiled[data.draw(st.integers(3, len(spoiled) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    if whole(bytes(spoiled)) is True:
        try:
            assert decompress(bytes(spoiled)) == content
        except zlib.error:  # a flag of the header that Python's module is stricter about
            raise AssertionError("Python does not read it") from None


@settings(deadline=None, max_examples=60)
@given(
    _contents,
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    st.binary(max_size=40),
    st.booleans(),
)
def test_a_zip_is_whole_at_its_last_byte_and_not_before(
    contents: list[bytes], how: int, comment: bytes, wide: bool
) -> None:
    sample = zipped(*contents, how=how, comment=comment, wide=wide)
    with zipfile.ZipFile(io.BytesIO(sample)) as archive:
        assert archive.testzip() is None
    assert whole(sample) is True
    for cut in range(4, len(sample)):
        assert whole(sample[:cut]) is False, f"cut at {cut} of {len(sample)}"


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 6000), max_size=4))
def test_an_xisf_file_is_whole_where_its_last_attachment_ends(sizes: list[int]) -> None:
    sample = xisf_bytes(sizes)
    head = 16 + int.from_bytes(sample[8:12], "little")
    step = max(1, len(sample) // 200)
    for cut in {*range(8, head + 1), *range(head, len(sample), step), len(sample) - 1}:
        expected = cut >= len(sample) or (not sizes and cut >= head)
        assert whole(sample[:cut]) is expected, f"cut at {cut} of {len(sample)}"
    assert whole(sample) is True
    assert whole(sample + b"padding") is True


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(SAMPLES)), st.integers(0, 5000), st.binary(max_size=60), st.binary())
def test_whatever_is_written_over_it_there_is_an_answer(
    name: str, at: int, spoil: bytes, behind: bytes
) -> None:
    spoiled = bytearray(SAMPLES[name])
    spoiled[at : at + len(spoil)] = spoil

    whole(bytes(spoiled) + behind)


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([b"XISF0100", b"\x1f\x8b\x08", b"BZh91AY&SY", b"PK\x03\x04", b"PK\x05\x06"]),
    st.binary(max_size=500),
)
def test_noise_behind_a_signature_gets_an_answer(signature: bytes, noise: bytes) -> None:
    whole(signature + noise)
