"""XISF, gzip, bzip2 and zip: no content upsets a check, and no cut passes for the whole."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oort.detect import formats
from oort.detect.formats import MemorySource
from tests.support.formats import fits_bytes, xisf_bytes


def zipped(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.fits", content)
    return target.getvalue()


SAMPLES = {
    "xisf": xisf_bytes([100, 2000], keywords={"OBJECT": "'M31'"}),
    "gzip": gzip.compress(fits_bytes(300), mtime=0),
    "two gzip members": gzip.compress(b"one", mtime=0) + gzip.compress(fits_bytes(300), mtime=0),
    "bzip2": bz2.compress(fits_bytes(300)),
    "zip": zipped(fits_bytes(300)),
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
