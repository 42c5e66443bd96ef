from __future__ import annotations

from datetime import UTC, datetime

import pytest

from oort.remote.reading import (
    dataset_of,
    file_of,
    roles_of,
    telescope_of,
)

HASH = "a" * 64
UUID = "4F5A0000-0000-4000-8000-00000000000A"


def test_a_data_file_is_read() -> None:
    found = file_of(
        {
            "pk": 7,
            "id": 8,
            "name": "a.fits",
            "size": 100,
            "dataset": UUID,
            "tags": ["x", f"arcsecond|sha256|{HASH}"],
        }
    )
    assert found is not None
    assert (found.id, found.name, found.size) == ("7", "a.fits", 100)
    assert found.dataset == UUID.lower()
    assert found.sha256 == HASH


@pytest.mark.parametrize(
    "found",
    [None, [], "x", {}, {"name": "a"}, {"pk": None}, {"pk": True}, {"pk": ""}, {"pk": {}}],
)
def test_what_has_no_identifier_is_no_data_file(found: object) -> None:
    assert file_of(found) is None


def test_odd_fields_of_a_data_file_are_unknown() -> None:
    found = file_of(
        {"id": "abc", "name": 3, "size": -1, "dataset": [], "tags": 5, "tag_array": ["y"]}
    )
    assert found is not None
    assert found.id == "abc"
    assert found.name == ""
    assert found.size is None
    assert found.dataset is None
    assert found.tags == ("y",)
    assert found.sha256 is None


@pytest.mark.parametrize(
    ("size", "read"), [(5, 5), (0, 0), ("12", 12), (5.0, None), (True, None), (None, None)]
)
def test_a_size_is_a_whole_number(size: object, read: int | None) -> None:
    found = file_of({"pk": 1, "size": size})
    assert found is not None
    assert found.size == read


@pytest.mark.parametrize(
    "tags", [["a", "b"], "a,b", "a , b,", [{"name": "a"}, {"name": "b"}, {}, 3]]
)
def test_tags_come_in_several_shapes(tags: object) -> None:
    found = file_of({"pk": 1, "tags": tags})
    assert found is not None
    assert found.tags == ("a", "b")


def test_a_hash_of_the_servers_own_reckoning_is_believed() -> None:
    found = file_of({"pk": 1, "sha256": HASH.upper(), "tags": [f"arcsecond|sha256|{'b' * 64}"]})
    assert found is not None
    assert found.sha256 == HASH


def test_a_dataset_is_read() -> None:
    found = dataset_of(
        {
            "uuid": UUID,
            "name": " M31 ",
            "telescope": {"uuid": "t"},
            "data_files_count": 3,
            "creation_date": "2026-11-22T20:00:00Z",
        }
    )
    assert found is not None
    assert (found.uuid, found.name, found.telescope) == (UUID.lower(), "M31", "t")
    assert found.files_count == 3
    assert found.created_at == datetime(2026, 11, 22, 20, tzinfo=UTC)


def test_a_dataset_of_which_little_is_told() -> None:
    found = dataset_of({"uuid": "u", "creation_date": "soon"})
    assert found is not None
    assert (found.name, found.telescope, found.files_count) == ("", None, None)
    assert found.created_at is None
    assert dataset_of({"name": "M31"}) is None
    assert dataset_of([{"uuid": "u"}]) is None


@pytest.mark.parametrize(
    ("coordinates", "longitude"),
    [
        ({"longitude": -70.5}, -70.5),
        ({"longitude": "-70.5"}, -70.5),
        ({"longitude": True}, None),
        ({"longitude": "west"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_telescope_may_tell_its_longitude(coordinates: object, longitude: float | None) -> None:
    found = telescope_of({"uuid": "t", "name": "1 m", "coordinates": coordinates})
    assert found is not None
    assert found.longitude_deg == longitude


def test_roles_are_read_by_portal() -> None:
    profile = {
        "memberships": [
            {"role": "Admin", "organisation": {"subdomain": "saao"}},
            {"role": "member", "organisation": "eso"},
            {"role": "member", "organisation": None},
            "odd",
        ]
    }
    assert roles_of(profile) == {"saao": "admin", "eso": "member"}
    assert roles_of({"username": "x"}) is None
    assert roles_of(None) is None
