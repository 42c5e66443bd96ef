"""The sandbox answers as the Arcsecond API does, and keeps what it was given."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.support.sandbox import Sandbox, form, running_sandbox

if TYPE_CHECKING:
    from pathlib import Path


def test_a_fresh_storage_has_an_account_a_portal_and_telescopes_on_one_site(
    sandbox: Sandbox,
) -> None:
    profile = sandbox.get(f"/profiles/{sandbox.username}/").json()
    (membership,) = profile["memberships"]
    assert membership["role"] == "admin"
    portal = membership["organisation"]["subdomain"]
    assert sandbox.get(f"/organisations/{portal}/").json()["subdomain"] == portal
    telescopes = sandbox.telescopes() + sandbox.telescopes(portal)
    assert [len(sandbox.telescopes()), len(telescopes)] == [2, 3]
    (site,) = {telescope["observing_site"] for telescope in telescopes}
    found = sandbox.get(f"/observingsites/{site}/").json()
    assert isinstance(found["coordinates"]["longitude"], float)
    assert sandbox.get("/datasets/").json() == []
    assert sandbox.get(f"/{portal}/datasets/").json() == []


def test_an_uploaded_file_lies_in_the_storage_as_it_came(sandbox: Sandbox) -> None:
    dataset = sandbox.create_dataset("M31")
    content = bytes(range(256)) * 4000
    reply = sandbox.upload(dataset, "a b.fits", content, tags=["x", "y"], key=sandbox.upload_key)
    assert reply.status == 201
    answer = reply.json()
    assert (answer["name"], answer["size"], answer["dataset"]) == ("a b.fits", 1_024_000, dataset)
    assert answer["tags"] == ["x", "y"]
    assert (sandbox.storage / "files" / dataset / "a b.fits").read_bytes() == content
    (file,) = sandbox.files()
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert file["dataset"] == "M31"
    shown = sandbox.get(f"/datasets/{dataset}/").json()
    assert (shown["data_files_count"], shown["data_files_volume"]) == (1, len(content))


def test_a_name_that_is_taken_is_refused_and_the_stored_file_stays(sandbox: Sandbox) -> None:
    dataset = sandbox.create_dataset("M31")
    sandbox.upload(dataset, "a.fits", b"first")
    reply = sandbox.upload(dataset, "a.fits", b"second")
    assert reply.status == 400
    assert "already exists in dataset" in reply.json()["detail"]
    assert (sandbox.storage / "files" / dataset / "a.fits").read_bytes() == b"first"


def test_everything_outlives_a_kill_and_a_restart(sandbox: Sandbox) -> None:
    dataset = sandbox.create_dataset("M31")
    sandbox.upload(dataset, "a.fits", b"content", tags=["t"])
    before = (sandbox.url, sandbox.upload_key, sandbox.access_key, sandbox.files())
    sandbox.kill()
    sandbox.start()
    assert (sandbox.url, sandbox.upload_key, sandbox.access_key, sandbox.files()) == before


def test_a_termination_signal_ends_it_with_success(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "sandbox") as sandbox:
        assert sandbox.stop() == 0


@pytest.mark.parametrize("first", ["file", "dataset"])
def test_the_parts_of_a_form_may_come_in_any_order(sandbox: Sandbox, first: str) -> None:
    dataset = sandbox.create_dataset("M31")
    parts: list[tuple[str, str | tuple[str, bytes]]] = [
        ("dataset", dataset),
        ("file", ("a.fits", b"content")),
        ("tags", "a|b,c"),
    ]
    parts.sort(key=lambda part: part[0] != first)
    body, content_type = form(parts)
    reply = sandbox.request(
        "POST", "/datafiles/", body=body, headers={"Content-Type": content_type}
    )
    assert (reply.status, reply.json()["tags"]) == (201, ["a|b", "c"])
