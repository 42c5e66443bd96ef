"""The switchboard does on the wire what its rules say, and records what was asked."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.sandbox import Sandbox, form, running_sandbox
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "storage") as running:
        yield running


@pytest.fixture
def box(shared: Sandbox) -> Iterator[Sandbox]:
    """Lend the module's sandbox, without rules and without records."""
    shared.clear()
    shared.forget_requests()
    yield shared
    shared.clear()


@pytest.fixture
def dataset(box: Sandbox) -> str:
    return box.create_dataset("M31")


def names(box: Sandbox, dataset: str) -> list[str]:
    return [file["name"] for file in box.files() if file["dataset_uuid"] == dataset]


def last_upload(box: Sandbox) -> dict[str, Any]:
    """Return what is recorded of the last upload; nothing while there is none."""
    return next(reversed(box.uploads()), {})


def post_head(box: Sandbox, body: bytes, content_type: str) -> socket.socket:
    """Open a connection and send the head of an upload, not its body."""
    connection = socket.create_connection(("127.0.0.1", box.port), timeout=60)
    head = (
        "POST /datafiles/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"X-Arcsecond-API-Authorization: Key {box.upload_key}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode())
    return connection


def test_a_status_is_answered_as_often_as_asked_and_nothing_is_stored(
    box: Sandbox, dataset: str
) -> None:
    box.rule(method="POST", path="/datafiles/$", status=503, times=2, headers={"Retry-After": "7"})
    replies = [box.upload(dataset, "a.fits", b"content") for _ in range(3)]
    assert [reply.status for reply in replies] == [503, 503, 201]
    assert replies[0].headers["Retry-After"] == "7"
    assert replies[0].json() == {"detail": "Service Unavailable."}
    (rule,) = box.rules()
    assert (rule["matched"], rule["applied"]) == (3, 2)


def test_the_first_matches_can_be_left_alone(box: Sandbox, dataset: str) -> None:
    box.rule(method="POST", path="/datafiles/$", status=500, skip=1, times=1)
    replies = [box.upload(dataset, f"{n}.fits", b"content") for n in range(3)]
    assert [reply.status for reply in replies] == [201, 500, 201]


def test_a_rule_can_name_the_file(box: Sandbox, dataset: str) -> None:
    box.rule(file=r"^b\.fits$", status=413, content_type="text/html")
    replies = [box.upload(dataset, name, b"content") for name in ("a.fits", "b.fits")]
    assert [reply.status for reply in replies] == [201, 413]
    assert replies[1].headers["content-type"] == "text/html"
    assert b"<h1>" in replies[1].content
    assert names(box, dataset) == ["a.fits"]


@pytest.mark.parametrize(
    ("rule", "content", "kind"),
    [
        ({"status": 200, "body": ""}, b"", "text/html; charset=utf-8"),
        ({"status": 200, "body": "<html>Log in to the hotel's Wi-Fi"}, None, "text/html; charset=utf-8"),
        ({"status": 201, "body": {"name": "a.fits"}}, b'{"name":"a.fits"}', "application/json"),
        ({"status": 200, "body": "{", "content_type": "application/json"}, b"{", "application/json"),
    ],
)  # fmt: skip
def test_a_success_can_be_feigned(
    box: Sandbox, dataset: str, rule: dict[str, object], content: bytes | None, kind: str
) -> None:
    box.rule(path="/datafiles/$", **rule)
    reply = box.upload(dataset, "a.fits", b"content")
    assert reply.status == rule["status"]
    assert reply.headers["content-type"] == kind
    assert content in (None, reply.content)
    assert names(box, dataset) == []


def test_a_failure_can_be_feigned_after_storing(box: Sandbox, dataset: str) -> None:
    box.rule(path="/datafiles/$", status=502, stored=True)
    assert box.upload(dataset, "a.fits", b"content").status == 502
    assert names(box, dataset) == ["a.fits"]


def test_an_early_refusal_comes_before_the_body(box: Sandbox, dataset: str) -> None:
    box.rule(path="/datafiles/$", status=413, early=True, close=True)
    body, content_type = form([("dataset", dataset), ("file", ("a.fits", bytes(1000)))])
    with closing(post_head(box, body, content_type)) as connection:
        reply = http.client.HTTPResponse(connection)
        reply.begin()
        assert (reply.status, reply.getheader("connection")) == (413, "close")


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_dropped_connection_is_a_reset(box: Sandbox, dataset: str, when: str) -> None:
    box.rule(method="POST", path="/datafiles/$", drop=True, when=when, times=1)
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)) as caught:
        box.upload(dataset, "a.fits", bytes(100_000))
    assert not isinstance(caught.value, http.client.RemoteDisconnected), "closed, not reset"
    assert names(box, dataset) == (["a.fits"] if when == "after" else [])
    (request,) = box.uploads()
    assert (request["status"], request["reset"]) == (None, True)


def test_a_drop_during_the_body_comes_at_its_byte(box: Sandbox, dataset: str) -> None:
    box.rule(file="a.fits", drop=True, when="during", after_bytes=2_000_000)
    with pytest.raises(ConnectionError):
        box.upload(dataset, "a.fits", bytes(64_000_000))
    (request,) = box.uploads()
    assert 2_000_000 <= request["bytes_received"] < 64_000_000
    assert list((box.storage / "incoming").iterdir()) == []


def test_a_late_answer_comes_after_storing(box: Sandbox, dataset: str) -> None:
    box.rule(method="POST", path="/datafiles/$", delay_s=3600)
    failed = threading.Event()

    def send() -> None:
        body, content_type = form([("dataset", dataset), ("file", ("a.fits", b"content"))])
        with closing(post_head(box, body, content_type)) as connection:
            connection.sendall(body)
            if connection.recv(1) == b"":
                failed.set()

    sender = threading.Thread(target=send)
    sender.start()
    wait_until(lambda: names(box, dataset) == ["a.fits"])
    assert box.uploads()[0]["status"] is None
    box.stop()
    box.start()
    sender.join()
    assert not failed.is_set(), "a stopping sandbox gives the answers it has"


def test_a_slow_server_reads_at_its_rate(box: Sandbox, dataset: str) -> None:
    box.rule(method="POST", path="/datafiles/$", read_bytes_per_s=1_000_000)
    body, content_type = form([("dataset", dataset), ("file", ("a.fits", bytes(400_000)))])
    with closing(post_head(box, body, content_type)) as connection:
        connection.sendall(body)
        wait_until(lambda: 0 < last_upload(box).get("bytes_received", 0) < len(body))
        reply = http.client.HTTPResponse(connection)
        reply.begin()
        assert reply.status == 201


def test_a_process_is_killed_when_its_byte_has_arrived(box: Sandbox, dataset: str) -> None:
    victim = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        box.rule(file="a.fits", kill_pid=victim.pid, after_bytes=1_000, times=1)
        assert box.upload(dataset, "b.fits", bytes(2_000)).status == 201
        assert victim.poll() is None
        assert box.upload(dataset, "a.fits", bytes(2_000)).status == 201
        assert victim.wait(20) == -9
    finally:
        victim.kill()
        victim.wait(20)
        assert victim.stdin is not None
        victim.stdin.close()


def test_the_answer_can_lie_about_the_size_and_lack_fields(box: Sandbox, dataset: str) -> None:
    box.rule(method="POST", path="/datafiles/$", truncate_size=3, omit=["pk", "id"])
    box.rule(method="POST", path="/datafiles/$", alter={"name": "other.fits"})
    answer = box.upload(dataset, "a.fits", b"content").json()
    assert (answer["size"], answer["name"]) == (3, "other.fits")
    assert not {"pk", "id"} & set(answer)
    assert names(box, dataset) == ["a.fits"]


def test_refusing_ends_by_itself_and_the_switchboard_stays_in_reach(
    box: Sandbox, dataset: str
) -> None:
    box.refuse(3600)
    with pytest.raises(ConnectionRefusedError):
        box.upload(dataset, "a.fits", b"content")
    box.clear()
    assert box.upload(dataset, "a.fits", b"content").status == 201
    box.refuse(0.05)
    wait_until(lambda: _answers(box))


def _answers(box: Sandbox) -> bool:
    try:
        return box.get("/").status == 200
    except ConnectionError:
        return False


def test_refusing_can_cut_what_is_on_its_way(box: Sandbox, dataset: str) -> None:
    body, content_type = form([("dataset", dataset), ("file", ("a.fits", bytes(100_000)))])
    with closing(post_head(box, body, content_type)) as connection:
        connection.sendall(body[:50_000])
        wait_until(lambda: last_upload(box).get("bytes_received", 0) >= 50_000)
        box.refuse(3600, cut=True)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    box.clear()
    assert names(box, dataset) == []


def test_lookups_can_be_forbidden(box: Sandbox, dataset: str) -> None:
    box.rule(method="GET", path="/datafiles/", status=403)
    assert box.get(f"/datasets/{dataset}/datafiles/").status == 403
    assert box.get(f"/datasets/{dataset}/datafiles/a.fits/").status == 403
    assert box.get("/datafiles/?name=a.fits").status == 403
    assert box.upload(dataset, "a.fits", b"content").status == 201
    assert box.get(f"/datasets/{dataset}/").status == 200


def test_a_dotted_name_can_miss_the_detail_route(box: Sandbox, dataset: str) -> None:
    box.rule(method="GET", path=r"/datafiles/[^/]*\.[^/]*/$", status=404, content_type="text/html")
    box.upload(dataset, "a.fits", b"content")
    reply = box.get(f"/datasets/{dataset}/datafiles/a.fits/")
    assert (reply.status, reply.headers["content-type"]) == (404, "text/html")


def test_filters_can_be_ignored(box: Sandbox, dataset: str) -> None:
    box.upload(dataset, "a.fits", b"content")
    box.upload(dataset, "b.fits", b"content")
    path = f"/datafiles/?dataset={dataset}&name=a.fits"
    assert [file["name"] for file in box.get(path).json()] == ["a.fits"]
    box.rule(method="GET", ignore_filters=True)
    assert {"a.fits", "b.fits"} <= {file["name"] for file in box.get(path).json()}


def test_names_can_be_altered_on_their_way_into_the_store(box: Sandbox, dataset: str) -> None:
    box.rule(rename="underscores", times=1)
    box.rule(rename="suffix", file="c.fits")
    assert box.upload(dataset, "a b.fits", b"content").json()["name"] == "a_b.fits"
    assert box.upload(dataset, "c.fits", b"content").json()["name"].startswith("c_")
    box.rule(rename="if_taken", file="d.fits")
    assert box.upload(dataset, "d.fits", b"content").json()["name"] == "d.fits"
    assert box.upload(dataset, "d.fits", b"content").json()["name"].startswith("d_")
    assert [one["stored"] for one in box.uploads()] == [True] * 4
    assert (box.storage / "files" / dataset / "a_b.fits").exists()


def test_a_name_of_digits_can_be_taken_for_a_pk(box: Sandbox, dataset: str) -> None:
    other = box.upload(dataset, "a.fits", b"content").json()["pk"]
    box.upload(dataset, str(other), b"longer content")
    path = f"/datasets/{dataset}/datafiles/{other}/"
    assert box.get(path).json()["name"] == str(other)
    box.rule(method="GET", digits_are_pk=True)
    assert box.get(path).json()["name"] == "a.fits"


def test_what_was_stored_is_shown_late(box: Sandbox, dataset: str) -> None:
    name = box.get(f"/datasets/{dataset}/").json()["name"]
    rule = box.rule(method="GET", lag_s=3600)
    assert box.upload(dataset, "a.fits", b"content").status == 201
    assert box.get(f"/datasets/{dataset}/datafiles/a.fits/").status == 404
    assert box.get(f"/datasets/{dataset}/datafiles/").json() == []
    assert box.get("/datafiles/?name=a.fits").json() == []
    assert box.get("/datasets/").json() == []
    assert box.upload(dataset, "a.fits", b"content").status == 400  # it is there all the same
    box.remove(rule)
    assert box.get(f"/datasets/{dataset}/datafiles/a.fits/").json()["size"] == 7
    assert name in [one["name"] for one in box.get("/datasets/").json()]


@pytest.mark.parametrize("stores", [False, True])
def test_a_cut_form_is_stored_only_by_a_server_told_to(
    box: Sandbox, dataset: str, stores: bool
) -> None:
    if stores:
        box.rule(method="POST", path="/datafiles/$", store_cut=True)
    body, content_type = form([("dataset", dataset), ("file", ("a.fits", bytes(100_000)))])
    with closing(post_head(box, body, content_type)) as connection:
        connection.sendall(body[:50_000])
    wait_until(lambda: last_upload(box).get("done"))
    assert names(box, dataset) == (["a.fits"] if stores else [])
    assert box.uploads()[0]["status"] is None
    if stores:
        assert box.files()[-1]["size"] < 50_000


def test_a_form_without_its_closing_boundary_is_refused(box: Sandbox, dataset: str) -> None:
    body, content_type = form([("dataset", dataset), ("file", ("a.fits", bytes(1000)))])
    cut = body[:-20]
    reply = box.request("POST", "/datafiles/", body=cut, headers={"Content-Type": content_type})
    assert reply.status == 400
    assert names(box, dataset) == []


def test_a_renewed_key_is_the_only_one_that_opens(box: Sandbox) -> None:
    old = box.upload_key
    new = box.renew_key("upload")
    assert box.get("/datasets/", key=old).status == 401
    assert box.get("/datasets/", key=new).status == 200


def test_requests_are_recorded_with_the_kind_of_key_never_the_key(
    box: Sandbox, dataset: str
) -> None:
    box.upload(dataset, "a.fits", b"content", key=box.upload_key)
    box.get("/datasets/?name=M31", key="nonsense")
    *_, upload, lookup = box.requests()
    assert (upload["method"], upload["path"], upload["status"]) == ("POST", "/datafiles/", 201)
    assert (upload["file"], upload["dataset"], upload["key"]) == ("a.fits", dataset, "upload")
    assert upload["body_complete"]
    assert (lookup["status"], lookup["key"], lookup["query"]) == (401, "unknown", "name=M31")
    said = json.dumps(box.requests())
    assert box.upload_key not in said
    assert "nonsense" not in said


def test_records_without_a_file_can_be_made(box: Sandbox, dataset: str) -> None:
    files = [{"name": f"{n}.fits", "size": n, "tags": ["t"]} for n in range(1, 4)]
    box.add_records(dataset, files)
    found = box.get(f"/datasets/{dataset}/datafiles/").json()
    assert [(file["name"], file["size"]) for file in found] == [
        ("1.fits", 1),
        ("2.fits", 2),
        ("3.fits", 3),
    ]
    assert box.get(f"/datafiles/{found[0]['pk']}/download/").status == 404


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"statsu": 500}, "unknown: statsu"),
        ({"status": 99}, "an HTTP status"),
        ({"path": "("}, "a regular expression"),
        ({"body": "x"}, "goes with status"),
        ({"after_bytes": 3, "status": 500}, "goes with drop or kill_pid"),
        ({"method": "GET"}, "does nothing"),
        ({"refuse": True}, "for_s"),
    ],
)
def test_a_rule_that_cannot_be_understood_is_refused(
    box: Sandbox, rule: dict[str, object], words: str
) -> None:
    with pytest.raises(AssertionError, match=words):
        box.rule(**rule)


def test_there_is_no_switchboard_unless_it_was_asked_for(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "sandbox", faults=False) as closed:
        reply = closed.get("/_faults/")
        assert reply.status == 404
        assert "html" in reply.headers["content-type"]


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example", "Content-Type": "application/json"}, {"Content-Type": "text/plain"}],
)
def test_a_web_page_cannot_use_the_switchboard(box: Sandbox, headers: dict[str, str]) -> None:
    body = json.dumps({"kill_pid": os.getpid()}).encode()
    reply = box.request("POST", "/_faults/", body=body, headers=headers)
    assert reply.status in (403, 415)
    assert box.rules() == []
