"""Whatever a file says of itself, a look into it costs little: in reads, in bytes and in memory."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oort.detect import formats
from oort.detect.formats import FileSource, Kind
from tests.support.formats import BLOCK, Counted, card, fits_bytes, xisf_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


MB = 1024 * 1024
GB = 1024 * MB

_numbers = st.one_of(
    st.integers(-(10**70) + 1, 10**69),
    st.sampled_from([0, 1, -1, 8, -32, 999, 1000, 2**31, 2**63, 10**18, 1.5, True]),
    st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=30),
)
_cards = st.builds(
    card,
    st.sampled_from(
        ["BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS999", "PCOUNT", "GCOUNT", "GROUPS", "OBJECT"]
    ),
    _numbers,
)
_sound = st.builds(
    lambda bits, axes: b"".join(
        [
            card("BITPIX", bits),
            card("NAXIS", len(axes)),
            *(card(f"NAXIS{n}", axis) for n, axis in enumerate(axes, 1)),
        ]
    ),
    st.sampled_from([8, -32, 64]),
    st.lists(st.one_of(st.integers(0, 50), st.integers(0, 2**62)), max_size=4),
)
_header = st.builds(
    lambda sound, wild, end: sound + b"".join(wild) + (b"END".ljust(80) if end else b""),
    _sound | st.just(b""),
    st.lists(_cards, max_size=6),
    st.booleans(),
)
_hdus = st.lists(st.tuples(_header, st.integers(0, 3)), min_size=1, max_size=5)


def _in_blocks(content: bytes) -> bytes:
    return content + b" " * (-len(content) % BLOCK)


@settings(deadline=None, max_examples=150)
@given(_hdus, st.sampled_from([0, 1, BLOCK, GB, 2**62]))
def test_wild_fits_headers_cost_no_more_than_they_are_long(
    hdus: list[tuple[bytes, int]], hole: int
) -> None:
    """Numbers of any size and sign, headers with and without END, and a hole behind it all."""
    content = b""
    for number, (header, data_blocks) in enumerate(hdus):
        first = card("XTENSION", "IMAGE") if number else card("SIMPLE", True)
        content += _in_blocks(first + header) + bytes(data_blocks * BLOCK)
    source = Counted(content, len(content) + hole)

    structure = formats.inspect(source, b"a.fits")

    assert structure.kind is Kind.FITS
    # Each block once at most, the first card and the beginning of each HDU once more.
    assert source.bytes_read <= 80 + len(content) + BLOCK + 8 * (len(hdus) + 1)
    assert len(source.reads) <= 3 + len(content) // BLOCK + len(hdus)
    places = [place for place in source.reads if place[1] == BLOCK]
    assert len(places) == len(set(places))


def test_a_picture_of_four_gigabytes_is_not_read(tmp_path: Path) -> None:
    """Two of them in one file, of which nothing but the headers was ever written."""
    path = tmp_path / "large.fits"
    head = _in_blocks(
        card("SIMPLE", True)
        + card("BITPIX", 16)
        + card("NAXIS", 2)
        + card("NAXIS1", 65536)
        + card("NAXIS2", 32768)
        + b"END".ljust(80)
    )
    second = card("XTENSION", "IMAGE") + head[80:]
    data = 4 * GB + -(4 * GB) % BLOCK
    with path.open("wb") as file:
        file.write(head)
        file.seek(BLOCK + data)
        file.write(second)
        file.truncate(2 * (BLOCK + data))
    assert path.stat().st_blocks * 512 < MB

    with path.open("rb") as file:
        source = Counted(FileSource(file.fileno(), path.stat().st_size))
        structure = formats.inspect(source)
        needed = 2 * BLOCK + data + 4 * GB

        assert (structure.whole, structure.needed) == (True, needed)
        assert source.bytes_read == 80 + 2 * BLOCK + 8
        assert formats.inspect(Counted(source, needed - 1)).whole is False


def _hdus_of(count: int) -> Counted:
    extension = card("XTENSION", "IMAGE") + fits_bytes(1)[80:]
    return Counted(fits_bytes(1) + (count - 1) * extension)


def _xisf_of_many_elements() -> Counted:
    xml = b"<xisf>" + b"<a/>" * 20_000 + b"<a b='" + b"c" * 7 * MB + b"'/></xisf>"
    return Counted(b"XISF0100" + len(xml).to_bytes(4, "little") + bytes(4) + xml)


def _zip_of_a_huge_directory() -> Counted:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for n in range(5_000):
            archive.writestr(f"{n:0100}", b"")
    return Counted(target.getvalue())


def _zip_of_many_ends() -> Counted:
    return Counted(b"PK\x03\x04" + b"PK\x05\x06" * 5_000)


INPUTS: dict[str, tuple[Callable[[], Counted], bool | None, int]] = {
    "2,000 HDUs": (lambda: _hdus_of(2_000), True, 2_000 * (BLOCK + 8) + 80),
    "XISF of many elements and a long one": (_xisf_of_many_elements, True, 8 * MB + 92),
    "XISF of a header of 4 GB": (
        lambda: Counted(b"XISF0100\xff\xff\xff\xff" + bytes(4), 5 * GB),
        None,
        92,
    ),
    "XISF of a header beyond its end": (
        lambda: Counted(b"XISF0100\xff\xff\xff\xff" + bytes(4), 4 * GB),
        False,
        92,
    ),
    "gzip of zeros": (lambda: Counted(gzip.compress(bytes(50 * MB))), True, MB),
    "bzip2 of zeros": (lambda: Counted(bz2.compress(bytes(50 * MB))), True, MB),
    "gzip of 5,000 members": (lambda: Counted(gzip.compress(b"") * 5_000), True, 2 * MB),
    "bzip2 of 2,000 streams": (lambda: Counted(bz2.compress(b"") * 2_000), True, MB),
    "zip of a huge directory": (_zip_of_a_huge_directory, True, 67_000),
    "zip of many ends": (_zip_of_many_ends, False, 67_000 + 5_000 * 4),
}


@pytest.mark.parametrize("what", INPUTS)
def test_what_was_made_to_be_dear_is_not(what: str) -> None:
    make, whole, bytes_most = INPUTS[what]
    source = make()
    tracemalloc.start()
    try:
        structure = formats.inspect(source, b"a.fits")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert structure.whole is whole, structure.reason
    assert source.bytes_read <= bytes_most
    assert most < 40 * MB


def test_more_hdus_than_anybody_has_are_not_walked_to_the_end() -> None:
    source = _hdus_of(20_001)

    assert formats.inspect(source).reason == "more than 20000 HDUs"
    assert source.bytes_read <= 80 + 20_000 * (BLOCK + 8)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress], ids=["gzip", "bzip2"])
def test_the_steps_of_decompressing_grow_with_the_members(
    compress: Callable[[bytes], bytes],
) -> None:
    """Members of a few bytes cost a step each, not the rest of the file."""
    steps = itertools.count()
    source = Counted(compress(b"") * 3_000)

    assert formats.inspect(source, cancelled=lambda: next(steps) < 0).whole is True
    assert next(steps) <= 2 * 3_000
    assert source.bytes_read <= source.size + 80


@pytest.mark.slow
def test_a_bomb_is_not_read_to_its_end() -> None:
    """Terabytes of zeros in a megabyte would keep the thread for hours."""
    steps = itertools.count()
    stream = bz2.compress(bytes(32 * MB))
    source = Counted(stream * 1_000)  # 32 GB in 50 kB

    structure = formats.inspect(source, cancelled=lambda: next(steps) < 0)

    assert structure.whole is None
    assert structure.reason == "the bzip2 data become too many: not read to their end"
    assert next(steps) < 10_000


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 10**19), st.integers(0, 10**19)), max_size=5),
    st.integers(0, 10**20),
)
def test_attachments_anywhere_cost_one_reading(places: list[tuple[int, int]], size: int) -> None:
    images = "".join(f'<Image location="attachment:{at}:{length}"/>' for at, length in places)
    xml = f"<xisf>{images}</xisf>".encode()
    content = b"XISF0100" + len(xml).to_bytes(4, "little") + bytes(4) + xml
    source = Counted(content, len(content) + size)
    needed = max([len(content), *(at + length for at, length in places)])

    structure = formats.inspect(source)

    assert (structure.whole, structure.needed) == (needed <= source.size, needed)
    assert source.bytes_read <= 80 + 4 + len(xml)


_signatures = st.sampled_from(
    [
        b"SIMPLE  =                    T".ljust(80),
        b"XISF0100",
        b"XISF0100" + (200 * MB).to_bytes(8, "little"),
        b"\x1f\x8b\x08",
        b"BZh91AY&SY",
        b"BZh9\x17rE8P\x90",
        b"PK\x03\x04",
        b"PK\x05\x06",
    ]
)
_packed = st.sampled_from([gzip.compress, bz2.compress, lambda content: content])
_ends = st.sampled_from([b"", b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06", b"</xisf>"])


@settings(deadline=None, max_examples=300)
@given(
    _signatures,
    st.lists(st.tuples(st.binary(max_size=600), _packed, _ends), max_size=5),
    st.integers(1, 200),
    st.sampled_from([0, 1, 100, GB, 2**62]),
)
def test_no_content_of_any_format_costs_more_than_a_reading(
    signature: bytes,
    pieces: list[tuple[bytes, Callable[[bytes], bytes], bytes]],
    times: int,
    hole: int,
) -> None:
    """Noise behind any signature, packed or not, repeated, with a hole behind it all."""
    content = signature + b"".join(pack(noise) + end for noise, pack, end in pieces) * times
    source = Counted(content, len(content) + hole)
    tracemalloc.start()
    try:
        formats.inspect(source, b"a.fits")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # What zip looks for at the end (66 kB), and what is read ahead of a stream, once more in all.
    assert source.bytes_read <= 2 * len(content) + MB
    assert len(source.reads) <= 10 + len(content) // 4
    assert most <= 8 * MB + 4 * len(content)


def test_the_sample_is_whole() -> None:
    assert formats.inspect(Counted(xisf_bytes())).whole is True
