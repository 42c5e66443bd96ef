"""How files are called in watched folders that lie in one another."""

from __future__ import annotations

import pytest

from oort.policy.nesting import Kin, kin_of, way_to
from oort.policy.version import RelPath


@pytest.mark.parametrize(
    ("outer", "inner", "way"),
    [
        (b"/data", b"/data/dome", b"dome/"),
        (b"/data", b"/data/dome/m31", b"dome/m31/"),
        (b"/", b"/data", b"data/"),
        (b"/data", b"/data", None),
        (b"/data", b"/data2", None),
        (b"/data/dome", b"/data", None),
    ],
)
def test_the_way_leads_from_a_folder_to_one_in_it(
    outer: bytes, inner: bytes, way: bytes | None
) -> None:
    assert way_to(outer, inner) == way


def test_only_watches_that_nest_are_kin() -> None:
    others = [
        ("all", b"/data"),
        ("m31", b"/data/dome/m31"),
        ("same", b"/data/dome"),
        ("other", b"/else"),
    ]

    assert kin_of(b"/data/dome", others) == (
        Kin("all", b"dome/", is_outer=True),
        Kin("m31", b"m31/", is_outer=False),
    )


def test_each_calls_the_others_files_by_their_own_way() -> None:
    outer, inner = Kin("all", b"dome/", is_outer=True), Kin("m31", b"m31/", is_outer=False)

    assert outer.theirs(RelPath(b"m31/a.fits")) == b"dome/m31/a.fits"
    assert inner.theirs(RelPath(b"m31/a.fits")) == b"a.fits"
    assert inner.theirs(RelPath(b"m31")) is None
    assert inner.theirs(RelPath(b"m31b/a.fits")) is None
    assert inner.theirs(RelPath(b"a.fits")) is None
