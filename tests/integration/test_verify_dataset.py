"""One dataset compared with what is expected in it, by a real server's listing."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from oort.errors import OortError
from oort.policy import state
from oort.policy.verifying import Finding, Remedy
from oort.policy.version import FileVersion, RelPath
from oort.queue.verifying import Queued
from oort.remote import Remote
from oort.verify.dataset import Expected, compare_listing
from tests.support.attempts import API, log_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.sandbox import Sandbox

CONTENT = b"what the camera saw"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(lasting_sandbox: Sandbox) -> Sandbox:
    lasting_sandbox.clear()
    log_in(lasting_sandbox)
    return lasting_sandbox


@pytest.fixture
def remote(server: Sandbox) -> Iterator[Remote]:
    assert server.url
    made = Remote(API, connect_timeout_s=5, read_timeout_s=10)
    yield made
    made.close()


def expected(
    name: bytes, *, remote_id: str | None = None, remote_name: str | None = None
) -> Expected:
    version = FileVersion(RelPath(name), len(CONTENT), 5, 7)
    queued = Queued(1, state.DONE, version, SHA256, "night", None, remote_id, remote_name)
    return Expected(version, queued, "images", SHA256)


def judged(remote: Remote, dataset: str, one: Expected) -> tuple[Finding, Remedy]:
    for_all = compare_listing(remote, dataset, None, [one], host="dome", on_file=lambda: None)
    judgement = for_all or one.judge("dome", lambda: SHA256)
    return judgement.finding, judgement.remedy


def put(server: Sandbox, dataset: str, name: str, content: bytes = CONTENT) -> None:
    tags = [f"arcsecond|sha256|{hashlib.sha256(content).hexdigest()}"]
    assert server.upload(dataset, name, content, tags=tags).status == 201


def test_a_file_is_found_by_its_name_and_its_content(server: Sandbox, remote: Remote) -> None:
    dataset = server.create_dataset("by name")
    put(server, dataset, "a.fits")
    put(server, dataset, "b.fits", b"what another camera")

    assert judged(remote, dataset, expected(b"a.fits"))[0] is Finding.THERE
    assert judged(remote, dataset, expected(b"b.fits"))[0] is Finding.DIFFERS
    missing = (Finding.MISSING, Remedy.SEND_AGAIN)
    assert judged(remote, dataset, expected(b"c.fits")) == missing


def test_a_name_that_the_server_may_have_made_counts_only_with_our_content(
    server: Sandbox, remote: Remote
) -> None:
    dataset = server.create_dataset("made names")
    put(server, dataset, "a_b.fits", b"what another camera")
    missing = (Finding.MISSING, Remedy.SEND_AGAIN)
    assert judged(remote, dataset, expected(b"a b.fits")) == missing
    known = expected(b"a b.fits", remote_name="a_b.fits")
    assert judged(remote, dataset, known)[0] is Finding.DIFFERS

    put(server, dataset, "a_b_x7dKq2P.fits")
    stored = next(one for one in server.files() if one["name"] == "a_b_x7dKq2P.fits")
    by_id = expected(b"a b.fits", remote_id=str(stored["pk"]))
    assert judged(remote, dataset, by_id)[0] is Finding.THERE


def test_of_a_dataset_that_was_deleted_nothing_is_there(server: Sandbox, remote: Remote) -> None:
    dataset = server.create_dataset("gone soon")
    server.request("DELETE", f"/datasets/{dataset}/")
    missing = (Finding.MISSING, Remedy.SEND_AGAIN)
    assert judged(remote, dataset, expected(b"a.fits")) == missing


def test_a_key_that_may_not_look_leaves_all_unproven(server: Sandbox, remote: Remote) -> None:
    dataset = server.create_dataset("hidden")
    server.rule(method="GET", path=f"/datasets/{dataset}/datafiles/", status=403)
    assert judged(remote, dataset, expected(b"a.fits"))[0] is Finding.UNPROVEN


@pytest.mark.parametrize("path", ["/datafiles/", "/datasets/"])
def test_a_server_in_trouble_is_named_and_the_rest_is_for_the_next_run(
    server: Sandbox, remote: Remote, path: str
) -> None:
    dataset = server.create_dataset("in trouble")
    if path == "/datasets/":
        server.rule(method="GET", path="/datafiles/", status=404)
    server.rule(method="GET", path=path, status=500)
    with pytest.raises(OortError) as raised:
        judged(remote, dataset, expected(b"a.fits"))
    assert dataset in raised.value.message
    assert raised.value.hint
