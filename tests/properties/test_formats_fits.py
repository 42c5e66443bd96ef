"""Our FITS walker against astropy: files of every kind, whole and cut at every block."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import astropy
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oort.detect import formats
from oort.detect.formats import Kind, MemorySource
from tests.support.formats import Counted, card

if TYPE_CHECKING:
    from astropy.io.fits.hdu.base import _BaseHDU

BLOCK = 2880
ASTROPY = Path(astropy.__file__).parent
SHIPPED = sorted(path for path in ASTROPY.rglob("*.fits") if path.read_bytes()[:9] == b"SIMPLE  =")

_shape = st.lists(st.integers(1, 40), min_size=1, max_size=3).map(tuple)
_dtype = st.sampled_from([">u1", ">i2", ">i4", ">i8", ">f4", ">f8"])
_rows = st.integers(0, 60)


def _array(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)


def _table(rows: int, dtype: str) -> fits.BinTableHDU:
    columns = [
        fits.Column(name="a", format="J", array=np.arange(rows)),
        fits.Column(name="b", format="5A", array=["x"] * rows),
        fits.Column(name="c", format="3D", array=np.ones((rows, 3))),
    ]
    return fits.BinTableHDU.from_columns(columns, name=f"T{dtype[1:]}".upper())


def _variable(rows: int, longest: int) -> fits.BinTableHDU:
    """A table whose cells lie in the heap behind it: PCOUNT."""
    cells = np.empty(rows, dtype=object)
    for n in range(rows):
        cells[n] = np.arange(n % (longest + 1), dtype=np.int32)
    return fits.BinTableHDU.from_columns([fits.Column(name="v", format="PJ()", array=cells)])


def _ascii(rows: int) -> fits.TableHDU:
    columns = fits.ColDefs(
        [fits.Column(name="n", format="I8", array=np.arange(rows), ascii=True)], ascii=True
    )
    return fits.TableHDU.from_columns(columns)


def _compressed(side: int, kind: str) -> fits.CompImageHDU:
    return fits.CompImageHDU(_array((side, side), ">i2"), compression_type=kind)


def _groups(groups: int, axes: tuple[int, int]) -> bytes:
    """Random groups: NAXIS1 = 0, and GCOUNT times parameters and data. astropy reads them well,
    but pads wrongly what it writes: so they are made by hand."""
    cards = [
        card("SIMPLE", True),
        card("BITPIX", -32),
        card("NAXIS", 3),
        card("NAXIS1", 0),
        card("NAXIS2", axes[0]),
        card("NAXIS3", axes[1]),
        card("GROUPS", True),
        card("PCOUNT", 2),
        card("GCOUNT", groups),
        b"END".ljust(80),
    ]
    return _padded(b"".join(cards), b" ") + _padded(bytes(4 * groups * (2 + axes[0] * axes[1])))


def _padded(content: bytes, fill: bytes = b"\0") -> bytes:
    return content + fill * (-len(content) % BLOCK)


def _written(hdus: list[_BaseHDU]) -> bytes:
    target = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList(hdus).writeto(target)
    return target.getvalue()


_primary = st.one_of(
    st.builds(lambda: _written([fits.PrimaryHDU()])),
    st.builds(
        lambda shape, dtype: _written([fits.PrimaryHDU(_array(shape, dtype))]), _shape, _dtype
    ),
    st.builds(_groups, st.integers(1, 20), st.tuples(st.integers(1, 9), st.integers(1, 9))),
)
_extension: st.SearchStrategy[_BaseHDU] = st.one_of(
    st.just(None).map(lambda _: fits.ImageHDU()),
    st.builds(lambda shape, dtype: fits.ImageHDU(_array(shape, dtype)), _shape, _dtype),
    st.builds(_table, _rows, _dtype),
    st.builds(_variable, st.integers(1, 60), st.integers(0, 50)),
    st.builds(_ascii, st.integers(1, 60)),
    st.builds(_compressed, st.integers(8, 40), st.sampled_from(["RICE_1", "GZIP_1", "PLIO_1"])),
)


@st.composite
def fits_files(draw: st.DrawFn) -> bytes:
    extensions = draw(st.lists(_extension, max_size=4))
    for number, hdu in enumerate(extensions):
        for extra in range(draw(st.integers(0, 3)) * 20):
            hdu.header[f"X{number}Y{extra}"] = extra
    behind = _written([fits.PrimaryHDU(), *extensions])[BLOCK:]
    return draw(_primary) + behind


def _borders(content: bytes) -> list[tuple[int, int]]:
    """Return, of each HDU, where its last needed byte ends and where the next HDU begins."""
    with fits.open(io.BytesIO(content), disable_image_compression=True, memmap=False) as hdus:
        borders = []
        for hdu in hdus:
            place = hdu.fileinfo()
            end = place["datLoc"] + hdu.size
            if hdu.size == 0:  # no data: the END card is the last that is needed
                head = content[place["hdrLoc"] : place["datLoc"]]
                end = place["hdrLoc"] + len(head.rstrip(b" ")) + 77
            borders.append((end, place["datLoc"] + place["datSpan"]))
    return borders


def _whole(content: bytes) -> bool | None:
    return formats.inspect(MemorySource(content), b"a.fits").whole


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(fits_files(), st.data())
def test_the_walker_finds_the_length_that_astropy_finds(
    content: bytes, data: st.DataObject
) -> None:
    borders = _borders(content)

    structure = formats.inspect(MemorySource(content))

    assert structure.whole is True
    assert structure.needed == borders[-1][0]

    places = {*range(BLOCK, len(content), BLOCK)}
    places |= {end + step for border in borders for end in border for step in (-1, 0, 1)}
    places |= {data.draw(st.integers(9, len(content)), label="cut")}
    for cut in sorted(place for place in places if 9 <= place <= len(content)):
        expected = any(needed <= cut <= following for needed, following in borders)
        assert _whole(content[:cut]) is expected, f"cut at {cut} of {len(content)}"


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(fits_files())
def test_the_walker_reads_no_pixel(content: bytes) -> None:
    """All that it reads lies in a header, but the eight bytes that tell whether another follows."""
    with fits.open(io.BytesIO(content), disable_image_compression=True, memmap=False) as hdus:
        headers = [(hdu.fileinfo()["hdrLoc"], hdu.fileinfo()["datLoc"]) for hdu in hdus]
    source = Counted(content)

    assert formats.inspect(source).whole is True
    for offset, length in source.reads:
        in_header = any(start <= offset and offset + length <= end for start, end in headers)
        assert in_header or (length, offset) == (0, len(content)), (offset, length, headers)
    head_bytes = sum(end - start for start, end in headers)
    assert source.bytes_read <= 80 + head_bytes + 8 * len(headers)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=6000), st.integers(0, 5999), st.binary(max_size=80))
def test_no_content_upsets_the_walker(content: bytes, at: int, spoil: bytes) -> None:
    """Whatever stands there: an answer, in bounded time, and never an exception."""
    formats.inspect(MemorySource(content), b"a.fits")

    sound = b"SIMPLE  =                    T".ljust(80)
    for rest in (content, b"".join(line.ljust(80) for line in content.split(b"\n"))):
        spoiled = bytearray(sound + rest)
        spoiled[at : at + len(spoil)] = spoil
        formats.inspect(MemorySource(bytes(spoiled)), b"a.fits")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ASTROPY)))
def test_every_file_that_astropy_ships_is_whole_where_astropy_thinks_so(path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with fits.open(path, memmap=False) as hdus:
            standard = hdus[0].header["SIMPLE"]
            len(hdus)
    complete = not any("truncated" in str(warning.message) for warning in caught)
    content = path.read_bytes()

    structure = formats.inspect(MemorySource(content), path.name.encode())

    assert structure.kind is Kind.FITS
    if standard:
        assert structure.whole is complete
    else:
        assert structure.whole is None  # such a file announces nothing that we could hold it to


def test_the_shipped_files_were_found() -> None:
    assert len(SHIPPED) > 40


def test_values_are_those_that_astropy_reads() -> None:
    for path in SHIPPED:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with fits.open(path, memmap=False, disable_image_compression=True) as hdus:
                values = [dict(hdu.header) for hdu in hdus[:2]]
                if not hdus[0].header["SIMPLE"]:
                    continue
        header = formats.inspect(MemorySource(path.read_bytes())).header
        for key, text in header.items():
            wanted = [
                value[name]
                for value in values
                for name in (key, "EXPOSURE" if key == "EXPTIME" else key)
                if value.get(name) not in (None, "")
            ]
            if isinstance(wanted[0], float | int) and not isinstance(wanted[0], bool):
                assert float(text) == pytest.approx(float(wanted[0]))
            else:
                assert text == str(wanted[0]).strip()
