"""Header cards follow the FITS Standard, and astropy reads back what was put in."""

from __future__ import annotations

import io

import pytest
from astropy.io import fits as judge

from oort.demo import fits
from oort.demo.fits import Card


@pytest.mark.parametrize(
    "value", ["M31", "", "O'Neil's star", "a name of more than eight", 42, -15.0, 1.3, True, False]
)
def test_astropy_reads_back_every_kind_of_value(value: fits.Value) -> None:
    content = fits.file(fits.header(2, 1, [Card("VALUE", value, "a comment")]), b"\0" * 4)

    with judge.open(io.BytesIO(content)) as hdus:
        assert hdus[0].header["VALUE"] == value
        assert hdus[0].header.comments["VALUE"] == "a comment"


def test_a_file_is_a_whole_number_of_blocks() -> None:
    head = fits.header(3, 1, [])

    assert len(head) == fits.BLOCK
    assert len(fits.file(head, b"\0" * 6)) == 2 * fits.BLOCK


def test_a_card_that_does_not_fit_its_line_is_refused() -> None:
    with pytest.raises(ValueError, match="LONG"):
        bytes(Card("LONG", "x" * 80))
