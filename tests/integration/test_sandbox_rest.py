"""The sandbox takes and refuses what Django REST framework does."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from tests.support.sandbox import Reply, Sandbox, form, running_sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Lend one sandbox to all tests that look at nothing but what they made themselves."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "storage") as running:
        yield running


def send_form(
    sandbox: Sandbox, method: str, path: str, *parts: tuple[str, str | tuple[str, bytes]]
) -> Reply:
    body, content_type = form(parts)
    return sandbox.request(method, path, body=body, headers={"Content-Type": content_type})


# How a body may come


@pytest.mark.parametrize("kind", ["json", "form", "multipart", "json with a form's type"])
def test_fields_may_come_as_json_or_as_a_form(shared: Sandbox, kind: str) -> None:
    if kind == "json":
        reply = shared.send("POST", "/datasets/", {"name": "M 31", "tags": ["a", "b"]})
    elif kind == "multipart":
        parts = [("name", "M 31"), ("tags", "a"), ("tags", "b")]
        reply = send_form(shared, "POST", "/datasets/", *parts)
    else:
        body = '{"name": "M 31", "tags": ["a", "b"]}'
        if kind == "form":
            body = urlencode([("name", "?"), ("name", "M 31"), ("tags", "a"), ("tags", "b")])
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        reply = shared.request("POST", "/datasets/", body=body.encode(), headers=headers)
    assert reply.status == 201
    assert (reply.json()["name"], reply.json()["tags"]) == ("M 31", ["a", "b"])


@pytest.mark.parametrize(
    ("content_type", "body", "status", "answer"),
    [
        ("text/plain", b"name", 415, {"detail": 'Unsupported media type "text/plain" in request.'}),
        ("application/json", b'{"name"', 400, {"detail": "JSON parse error - "}),
        ("application/json", b"[]", 400, {"non_field_errors": ["Invalid data. Expected a "]}),
        ("multipart/form-data; boundary=b", b"--b\r\n", 400, {"detail": "Multipart form parse "}),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    shared: Sandbox, content_type: str, body: bytes, status: int, answer: dict[str, Any]
) -> None:
    headers = {"Content-Type": content_type}
    reply = shared.request("POST", "/datasets/", body=body, headers=headers)
    assert (reply.status, reply.json().keys()) == (status, answer.keys())
    (words,), (began,) = reply.json().values(), answer.values()
    assert str(words).startswith(str(began).rstrip("']"))


@pytest.mark.parametrize("path", ["/datasets/", "/", "/nightlogs/"])
def test_what_may_be_done_can_be_asked(shared: Sandbox, path: str) -> None:
    reply = shared.request("OPTIONS", path, key=shared.upload_key)
    assert reply.status == 200
    assert "multipart/form-data" in reply.json()["parses"]
    assert reply.headers["Allow"].startswith("GET")
    assert ("POST" in reply.headers["Allow"]) == (path != "/")


def test_head_is_get_without_the_body(shared: Sandbox) -> None:
    got = shared.get("/telescopes/", key=shared.upload_key)
    head = shared.request("HEAD", "/telescopes/", key=shared.upload_key)
    assert (head.status, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(got.content))


def test_a_method_that_is_none_here_names_those_that_are(shared: Sandbox) -> None:
    reply = shared.request("DELETE", "/datasets/")
    assert (reply.status, reply.json()) == (405, {"detail": 'Method "DELETE" not allowed.'})
    assert reply.headers["Allow"] == "GET, POST, HEAD, OPTIONS"


def test_who_is_not_known_is_told_how_to_say_who_it_is(shared: Sandbox) -> None:
    for key in ("", "nonsense"):
        assert shared.get("/datasets/", key=key).headers["WWW-Authenticate"] == "Token"


# Objects


@pytest.mark.parametrize(
    ("resource", "value", "change"),
    [
        ("nightlogs", {"date": "2026-11-23"}, {"journal": "clear"}),
        ("targets", {"name": "M31"}, {"name": "M32"}),
        ("targetlists", {"name": "tonight"}, {"description": "galaxies"}),
        ("datapackages", {"name": "tonight"}, {"description": "galaxies"}),
        ("allskycameras", {"name": "roof"}, {"name": "dome"}),
        ("observingsites", {"name": "hill", "coordinates": {}}, {"nickname": "h"}),
    ],
)
@pytest.mark.parametrize("portal", ["", "/rehearsal"])
def test_an_object_is_created_listed_and_changed(
    shared: Sandbox, portal: str, resource: str, value: dict[str, object], change: dict[str, object]
) -> None:
    made = shared.send("POST", f"{portal}/{resource}/", value).json()
    assert made.items() >= value.items()
    path = f"{portal}/{resource}/{made.get('uuid') or made['pk']}/"
    changed = shared.send("PATCH", path, change).json()
    assert changed | {"last_update": ""} == {**made, **change} | {"last_update": ""}
    assert changed in shared.get(f"{portal}/{resource}/").json()
    replaced = shared.send("PUT", path, value).json()
    assert replaced.items() >= {**change, **value}.items()
    if resource != "observingsites":
        assert shared.request("DELETE", path).status == 204
        assert shared.get(path).status == 404


@pytest.mark.parametrize(
    ("path", "value", "errors"),
    [
        ("/nightlogs/", {}, {"date": ["This field is required."]}),
        ("/nightlogs/", {"date": ""}, {"date": ["This field may not be blank."]}),
        ("/nightlogs/", {"date": "23.11.2026"}, {"date": ["Date has wrong format. "]}),
        ("/nightlogs/", {"date": "2026-11-23", "telescope": "x"}, {"telescope": ["Invalid pk "]}),
        ("/observations/", {"night_log": "x"}, {"night_log": ['Invalid pk "x"']}),
        ("/telescopes/", {"name": "t"}, {"observing_site": ["This field is required."]}),
        ("/telescopes/", {"name": "t", "observing_site": "x"}, {"observing_site": ["Invalid "]}),
        ("/targets/", {"name": "n" * 201}, {"name": ["Ensure this field has no more than 200 "]}),
        ("/targets/", {"identifier": 5}, {"identifier": ["Not a valid string."]}),
        ("/targetlists/", {"name": "n" * 1001}, {"name": ["Ensure this field has no more "]}),
        ("/datapackages/", {"name": "n" * 101}, {"name": ["Ensure this field has no more "]}),
        ("/datasets/", {"name": "n" * 101}, {"name": ["Ensure this field has no more "]}),
        ("/datasets/", {"name": "n", "description": "d" * 5001}, {"description": ["Ensure "]}),
    ],
)
def test_what_cannot_be_stored_is_refused_by_field(
    shared: Sandbox, path: str, value: dict[str, object], errors: dict[str, list[str]]
) -> None:
    reply = shared.send("POST", path, value)
    assert (reply.status, reply.json().keys()) == (400, errors.keys())
    for field, (began,) in errors.items():
        (words,) = reply.json()[field]
        assert words.startswith(began)


def test_a_change_may_leave_out_what_is_required_and_a_replacement_may_not(
    shared: Sandbox,
) -> None:
    night = shared.send("POST", "/nightlogs/", {"date": "2026-11-23"}).json()["uuid"]
    dataset = shared.create_dataset("M31")
    for path, field in ((f"/nightlogs/{night}/", "date"), (f"/datasets/{dataset}/", "name")):
        assert shared.send("PATCH", path, {}).status == 200
        reply = shared.send("PUT", path, {})
        assert (reply.status, reply.json()) == (400, {field: ["This field is required."]})


@pytest.mark.parametrize(
    ("above", "value", "below", "field"),
    [
        ("nightlogs", {"date": "2026-11-23"}, "observations", "night_log"),
        ("nightlogs", {"date": "2026-11-23"}, "calibrations", "night_log"),
        ("observingsites", {"name": "h", "coordinates": {}}, "telescopes", "observing_site"),
    ],
)
def test_what_belongs_to_an_object_is_listed_and_created_below_it(
    shared: Sandbox, above: str, value: dict[str, object], below: str, field: str
) -> None:
    first, second = (shared.send("POST", f"/{above}/", value).json()["uuid"] for _ in range(2))
    made = shared.send("POST", f"/{above}/{first}/{below}/", {"name": "n"}).json()
    assert made[field] == first
    assert shared.get(f"/{above}/{first}/{below}/").json() == [made]
    assert shared.get(f"/{above}/{second}/{below}/").json() == []
    assert shared.get(f"/{below}/{made['uuid']}/").json() == made
    assert shared.get(f"/{above}/nonsense/{below}/").status == 404


def test_an_object_knows_whose_it_is(shared: Sandbox) -> None:
    value = {"date": "2026-11-23"}
    assert shared.send("POST", "/nightlogs/", value).json()["profile"] == shared.username
    assert shared.send("POST", "/rehearsal/nightlogs/", value).json()["organisation"] == "rehearsal"


# Data files


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("by", ["pk", "name"])
def test_a_form_with_a_file_replaces_the_bytes(sandbox: Sandbox, method: str, by: str) -> None:
    dataset = sandbox.create_dataset("M31")
    pk = sandbox.upload(dataset, "a.fits", b"first", tags=["t"]).json()["pk"]
    path = f"/datafiles/{pk}/" if by == "pk" else f"/datasets/{dataset}/datafiles/a.fits/"
    reply = send_form(
        sandbox, method, path, ("is_raw", "False"), ("file", ("a.fits", b"second one"))
    )
    assert (reply.status, reply.json()["pk"], reply.json()["size"]) == (200, pk, 10)
    assert (reply.json()["is_raw"], reply.json()["tags"]) == (False, ["t"])
    assert sandbox.get(f"/datafiles/{pk}/").json() == reply.json()
    (file,) = sandbox.files()
    assert file["sha256"] == hashlib.sha256(b"second one").hexdigest()
    assert (sandbox.storage / "files" / dataset / "a.fits").read_bytes() == b"second one"
    shown = sandbox.get(f"/datasets/{dataset}/").json()
    assert (shown["data_files_count"], shown["data_files_volume"]) == (1, 10)
    assert list((sandbox.storage / "incoming").iterdir()) == []


def test_a_file_is_not_replaced_by_nothing(sandbox: Sandbox) -> None:
    dataset = sandbox.create_dataset("M31")
    pk = sandbox.upload(dataset, "a.fits", b"first").json()["pk"]
    path = f"/datafiles/{pk}/"
    replies = [
        sandbox.send("PUT", path, {"tags": []}),
        send_form(sandbox, "PATCH", path, ("file", ("a.fits", b""))),
        sandbox.send("PATCH", path, {"is_raw": "maybe"}),
    ]
    assert [(reply.status, *reply.json()) for reply in replies] == [
        (400, "file"),
        (400, "file"),
        (400, "is_raw"),
    ]
    assert (sandbox.storage / "files" / dataset / "a.fits").read_bytes() == b"first"


def test_a_file_that_a_rule_refuses_is_not_replaced(sandbox: Sandbox) -> None:
    dataset = sandbox.create_dataset("M31")
    pk = sandbox.upload(dataset, "a.fits", b"first").json()["pk"]
    sandbox.rule(file="a.fits", status=503)
    reply = send_form(sandbox, "PATCH", f"/datafiles/{pk}/", ("file", ("a.fits", b"second")))
    assert reply.status == 503
    assert (sandbox.storage / "files" / dataset / "a.fits").read_bytes() == b"first"


def test_without_a_dataset_a_name_finds_the_oldest_file(shared: Sandbox) -> None:
    first, second = (
        shared.upload(shared.create_dataset("M31"), "twice.fits", b"content").json()["pk"]
        for _ in range(2)
    )
    assert first < second
    assert shared.get("/datafiles/twice.fits/").json()["pk"] == first
    assert shared.get("/rehearsal/datafiles/twice.fits/").status == 404


# Tokens and members


def test_a_password_gives_a_token_that_may_what_the_access_key_may(sandbox: Sandbox) -> None:
    login = {"username": sandbox.username, "password": sandbox.access_key}
    token = sandbox.send("POST", "/auth/token/", login, key="").json()["token"]
    path = f"/profiles/{sandbox.username}/uploadkey/"

    def with_token() -> Reply:
        return sandbox.request("GET", path, headers={"Authorization": f"Token {token}"}, key="")

    assert with_token().json() == {"upload_key": sandbox.upload_key}
    sandbox.renew_key("access")
    assert with_token().status == 401


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ({"username": "stargazer", "password": "wrong"}, ["non_field_errors"]),
        ({"username": "somebody", "password": "wrong"}, ["non_field_errors"]),
        ({"username": "stargazer"}, ["password"]),
    ],
)
def test_a_wrong_password_gives_none(
    shared: Sandbox, value: dict[str, str], fields: list[str]
) -> None:
    reply = shared.send("POST", "/auth/token/", value, key="")
    assert (reply.status, list(reply.json())) == (400, fields)


def test_an_admin_changes_roles_and_ends_memberships(sandbox: Sandbox) -> None:
    (member,) = sandbox.get("/rehearsal/members/").json()
    path = f"/rehearsal/members/{member['pk']}/"
    assert sandbox.send("PATCH", path, {"role": "boss"}).status == 400
    changed = sandbox.send("PATCH", path, {"role": "owner"}).json()
    assert changed == {**member, "role": "owner"}
    for value in ({}, {"username": "somebody"}, {"username": sandbox.username}):
        reply = sandbox.send("POST", "/rehearsal/members/", value)
        assert (reply.status, list(reply.json())) == (400, ["username"])
    sandbox.add_portal("rehearsal", role="member")
    assert sandbox.send("PATCH", path, {"role": "owner"}).status == 403
    sandbox.add_portal("rehearsal", role="owner")
    assert sandbox.request("DELETE", path).status == 204
    assert sandbox.get("/rehearsal/members/").status == 403
