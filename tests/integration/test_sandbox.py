"""The sandbox answers as the Arcsecond API does, and keeps what it was given."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import json
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.support.sandbox import Sandbox, form, running_sandbox
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Lend one sandbox to all tests that look at nothing but what they made themselves."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "storage") as running:
        yield running


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
def test_the_parts_of_a_form_may_come_in_any_order(shared: Sandbox, first: str) -> None:
    dataset = shared.create_dataset("M31")
    parts: list[tuple[str, str | tuple[str, bytes]]] = [
        ("dataset", dataset),
        ("file", ("a.fits", b"content")),
        ("tags", "a|b,c"),
    ]
    parts.sort(key=lambda part: part[0] != first)
    body, content_type = form(parts)
    reply = shared.request("POST", "/datafiles/", body=body, headers={"Content-Type": content_type})
    assert (reply.status, reply.json()["tags"]) == (201, ["a|b", "c"])


# Names, forms, fields


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("night 1/a.fits", "a.fits"),
        (r"C:\data\a.fits", "a.fits"),
        ("tab\there.fits", "tabhere.fits"),
        ("M31&amp;M32.fits", "M31&M32.fits"),
        ("quote%22.fits", "quote%22.fits"),
        ("Ångström.fits", "Ångström.fits"),
        ("12345", "12345"),
    ],
)
def test_a_file_name_is_kept_as_django_keeps_it(shared: Sandbox, sent: str, stored: str) -> None:
    dataset = shared.create_dataset("M31")
    reply = shared.upload(dataset, sent, b"content")
    assert reply.json()["name"] == stored
    found = shared.get(f"/datasets/{dataset}/datafiles/{quote(stored, safe='')}/")
    assert (found.status, found.json()["name"]) == (200, stored)


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ([("file", ("a.fits", b"content"))], "dataset"),
        ([("dataset", "nonsense"), ("file", ("a.fits", b"content"))], "dataset"),
        ([("dataset", "{dataset}"), ("file", ("a.fits", b""))], "file"),
        ([("dataset", "{dataset}")], "file"),
        ([("dataset", "{dataset}"), ("file", ("..", b"content"))], "file"),
        ([("dataset", "{dataset}"), ("file", ("a" * 256, b"content"))], "name"),
        ([("dataset", "{dataset}"), ("file", ("a", b"c")), ("is_raw", "maybe")], "is_raw"),
    ],
)
def test_a_form_that_cannot_be_stored_is_refused_by_field(
    shared: Sandbox, parts: list[tuple[str, str | tuple[str, bytes]]], field: str
) -> None:
    dataset = shared.create_dataset("M31")
    named = [(k, dataset if v == "{dataset}" else v) for k, v in parts]
    body, content_type = form(named)
    headers = {"Content-Type": content_type}
    reply = shared.request("POST", "/datafiles/", body=body, headers=headers)
    assert (reply.status, list(reply.json())) == (400, [field])
    assert shared.get(f"/datasets/{dataset}/").json()["data_files_count"] == 0
    assert list((shared.storage / "incoming").iterdir()) == []


def test_a_dataset_is_created_found_by_name_changed_and_deleted(sandbox: Sandbox) -> None:
    telescope = sandbox.telescopes()[0]["uuid"]
    value = {"name": " M31 ", "telescope": telescope, "tags": ["a", "b"]}
    made = sandbox.send("POST", "/datasets/", value)
    assert made.status == 201
    ident = made.json()["uuid"]
    sandbox.create_dataset("M31")
    sandbox.create_dataset("M32")
    assert [d["telescope"] for d in sandbox.get("/datasets/?name=M31").json()] == [telescope, None]
    assert [d["uuid"] for d in sandbox.get("/datasets/?tags=b,a").json()] == [ident]
    changed = sandbox.send("PATCH", f"/datasets/{ident}/", {"tags": ["c"], "name": "M33"}).json()
    assert (changed["name"], changed["tags"], changed["telescope"]) == ("M33", ["c"], telescope)
    assert sandbox.get(f"/datasets/{ident.upper()}/").json() == changed
    sandbox.upload(ident, "a.fits", b"content")
    assert sandbox.request("DELETE", f"/datasets/{ident}/").status == 204
    assert sandbox.get(f"/datasets/{ident}/").status == 404
    assert not (sandbox.storage / "files" / ident).exists()


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": 3}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"name": "n", "telescope": "nonsense"}, "telescope"),
        ({"name": "n", "tags": {"a": 1}}, "tags"),
    ],
)
def test_a_dataset_that_cannot_be_is_refused_by_field(
    shared: Sandbox, value: dict[str, object], field: str
) -> None:
    reply = shared.send("POST", "/datasets/", value)
    assert (reply.status, list(reply.json())) == (400, [field])


def test_a_data_file_is_found_by_name_tagged_and_deleted(sandbox: Sandbox) -> None:
    dataset = sandbox.create_dataset("M31")
    pk = sandbox.upload(dataset, "a.fits", b"content").json()["pk"]
    sandbox.upload(dataset, "b.fits", b"content")
    changes = {"tags": ["t"], "is_raw": False, "fspath": "/data"}
    changed = sandbox.send("PATCH", f"/datafiles/{pk}/", changes).json()
    assert (changed["tags"], changed["is_raw"], changed["fspath"]) == (["t"], False, "/data")
    assert sandbox.get(f"/datasets/{dataset}/datafiles/a.fits/").json() == changed
    assert sandbox.get(f"/datafiles/?dataset={dataset}&name=a.fits").json() == [changed]
    assert sandbox.get(changed["file"].removeprefix(sandbox.url)).content == b"content"
    assert sandbox.request("DELETE", f"/datafiles/{pk}/").status == 204
    missing = sandbox.get(f"/datasets/{dataset}/datafiles/a.fits/")
    assert missing.status == 404
    assert "not found" in missing.json()["detail"].lower()
    assert sandbox.get(f"/datasets/{dataset}/").json()["data_files_count"] == 1


def test_the_old_client_uploads_below_the_dataset(shared: Sandbox) -> None:
    dataset = shared.create_dataset("M31")
    body, content_type = form([("file", ("a.fits", b"content"))])
    path = f"/datasets/{dataset}/datafiles/"
    headers = {"Content-Type": content_type}
    reply = shared.request("POST", path, body=body, headers=headers)
    assert (reply.status, reply.json()["dataset"]) == (201, dataset)
    changed = shared.send("PATCH", f"{path}a.fits/", {"tags": ["t"]})
    assert changed.json()["tags"] == ["t"]


def test_a_telescope_is_found_by_uuid_or_alias(shared: Sandbox) -> None:
    telescope = shared.telescopes()[0]
    for ident in (telescope["uuid"], telescope["alias"]):
        assert shared.get(f"/telescopes/{ident}/").json() == telescope
    assert shared.get("/telescopes/nonsense/").status == 404


# Keys, roles, portals


def test_without_a_valid_key_there_is_nothing_but_the_front_door(shared: Sandbox) -> None:
    assert shared.get("/", key="").status == 200
    for key in ("", "nonsense"):
        reply = shared.get("/datasets/", key=key)
        assert (reply.status, list(reply.json())) == (401, ["detail"])


@pytest.mark.parametrize(
    ("method", "path", "with_upload_key", "with_access_key"),
    [
        ("GET", "/datasets/", 200, 200),
        ("GET", "/observingsites/", 200, 200),
        ("GET", "/profiles/{username}/", 200, 200),
        ("GET", "/organisations/{portal}/", 200, 200),
        ("GET", "/{portal}/members/", 403, 200),
        ("GET", "/profiles/{username}/apikey/", 403, 200),
        ("GET", "/profiles/{username}/uploadkey/", 403, 200),
        ("POST", "/nightlogs/", 403, 201),
        ("POST", "/telescopes/", 201, 201),
        ("PUT", "/nightlogs/nonsense/", 403, 404),
        ("DELETE", "/datasets/nonsense/", 403, 404),
        ("DELETE", "/datafiles/999999/", 403, 404),
        ("PUT", "/datasets/", 405, 405),
        ("PUT", "/nightlogs/", 403, 405),
    ],
)
def test_an_upload_key_may_less_than_an_access_key(
    shared: Sandbox, method: str, path: str, with_upload_key: int, with_access_key: int
) -> None:
    path = path.format(username=shared.username, portal=shared.portal)
    site = shared.telescopes()[0]["observing_site"]
    value = {"date": "2026-11-23", "name": "n", "observing_site": site}
    statuses = [
        shared.send(method, path, value, key=key).status
        for key in (shared.upload_key, shared.access_key)
    ]
    assert statuses == [with_upload_key, with_access_key]


@pytest.mark.parametrize(
    ("username", "key", "status"),
    [
        ("{username}", "{upload_key}", 204),
        ("{username}", "{access_key}", 204),
        ("{username}@sandbox.invalid", "{access_key}", 204),
        ("{username}", "nonsense", 401),
        ("somebody", "{access_key}", 401),
        ("{username}", "", 400),
    ],
)
def test_a_key_is_verified_for_its_user(
    shared: Sandbox, username: str, key: str, status: int
) -> None:
    known = vars(shared)
    value = {"username": username.format(**known), "key": key.format(**known)}
    assert shared.send("POST", "/auth/key/verify/", value, key="").status == status


def test_a_key_is_verified_for_a_portal(sandbox: Sandbox) -> None:
    sandbox.add_portal("strangers", role=None)
    statuses = {}
    for portal in (sandbox.portal, "strangers", "nowhere"):
        value = {
            "username": sandbox.username,
            "key": sandbox.upload_key,
            "organisation": portal,
        }
        path = "/auth/key/verify-organisation/"
        statuses[portal] = sandbox.send("POST", path, value, key="").status
    assert statuses == {sandbox.portal: 204, "strangers": 403, "nowhere": 404}


def test_personal_and_portal_objects_do_not_see_each_other(sandbox: Sandbox) -> None:
    portal = sandbox.portal
    own, shared = sandbox.create_dataset("own"), sandbox.create_dataset("shared", portal=portal)
    assert sandbox.get(f"/{portal}/datasets/{own}/").status == 404
    assert sandbox.get(f"/datasets/{shared}/").status == 404
    assert [d["name"] for d in sandbox.get(f"/{portal}/datasets/").json()] == ["shared"]
    assert list(sandbox.upload(shared, "a.fits", b"content").json()) == ["dataset"]
    pk = sandbox.upload(shared, "a.fits", b"content", portal=portal).json()["pk"]
    assert sandbox.get(f"/datafiles/{pk}/").status == 404
    assert sandbox.get("/datafiles/").json() == []
    telescope = sandbox.telescopes(portal)[0]["uuid"]
    assert sandbox.send("PATCH", f"/datasets/{own}/", {"telescope": telescope}).status == 400
    assert sandbox.get(f"/{portal}/organisations/{portal}/").status == 404


@pytest.mark.parametrize(
    ("role", "reads", "uploads", "deletes"),
    [
        (None, 403, 403, 403),
        ("guest", 200, 403, 403),
        ("member", 200, 201, 403),
        ("admin", 200, 201, 204),
    ],
)
def test_a_role_in_a_portal_says_what_may_be_done_there(
    sandbox: Sandbox, role: str | None, reads: int, uploads: int, deletes: int
) -> None:
    portal = sandbox.portal
    dataset = sandbox.create_dataset("M31", portal=portal)
    sandbox.add_portal(portal, role=role)
    assert sandbox.get(f"/{portal}/datasets/").status == reads
    assert sandbox.upload(dataset, "a.fits", b"content", portal=portal).status == uploads
    assert sandbox.request("DELETE", f"/{portal}/datasets/{dataset}/").status == deletes
    assert sandbox.get("/nowhere/datasets/").status == 404


# The shapes of answers


@pytest.mark.parametrize("path", ["/nonsense/", "/datasets/x/y/z/", "/members/", "/favicon.ico"])
def test_an_unknown_url_is_an_html_page(shared: Sandbox, path: str) -> None:
    reply = shared.get(path)
    assert reply.status == 404
    assert reply.headers["content-type"].startswith("text/html")


def test_a_missing_slash_is_a_redirect(shared: Sandbox) -> None:
    reply = shared.get("/datasets?name=a%20b")
    assert (reply.status, reply.headers["location"]) == (301, "/datasets/?name=a%20b")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"name": "\\ud800"}', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(shared: Sandbox, body: bytes) -> None:
    assert shared.request("POST", "/datasets/", body=body).status == 400


def test_listings_come_in_pages_where_it_was_told_so(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "sandbox", page_size=2) as sandbox:
        dataset = sandbox.create_dataset("M31")
        for number in range(5):
            sandbox.upload(dataset, f"{number}.fits", b"content")
        found, pages, path = [], 0, f"/datasets/{dataset}/datafiles/"
        while path:
            page = sandbox.get(path).json()
            assert page["count"] == 5
            found += [file["name"] for file in page["results"]]
            pages += 1
            path = (page["next"] or "").removeprefix(sandbox.url)
        assert (found, pages) == ([f"{number}.fits" for number in range(5)], 3)
        assert sandbox.get(f"/datasets/{dataset}/datafiles/?page=4").status == 404
        assert sandbox.get("/telescopes/").json()["next"] is None


# The process


def test_the_announcement_for_people_names_everything_and_its_commands_work(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "arcsecond.sandbox", "--port", "0", "--storage", str(tmp_path)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        lines = [process.stdout.readline() for _ in range(9)]
        for line in lines:
            if line.startswith("  arcsecond "):
                done = subprocess.run(
                    [sys.executable, "-m", *line.split()],
                    check=False,
                    capture_output=True,
                    text=True,
                )
                assert done.returncode == 0, done.stderr
        process.send_signal(signal.SIGINT)
        lines += process.stdout.readlines()
    assert process.wait(20) == 0
    assert "http://127.0.0.1:" in lines[0]
    for word in ("username", "upload key", "access key", str(tmp_path), "arcsecond login"):
        assert word in "".join(lines)


def test_a_storage_serves_one_sandbox_at_a_time(sandbox: Sandbox) -> None:
    argv = [sys.executable, "-m", "arcsecond.sandbox", "--port", "0", "--storage"]
    second = subprocess.run(
        [*argv, str(sandbox.storage)], check=False, capture_output=True, text=True
    )
    assert second.returncode == 1
    assert second.stderr.splitlines()[0].startswith("Error: The storage ")
    assert second.stderr.splitlines()[1].startswith("Hint: ")
    assert second.stdout == ""


def test_a_port_that_is_taken_is_an_error(sandbox: Sandbox, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "arcsecond.sandbox", "--port", str(sandbox.port)]
    second = subprocess.run(
        [*argv, "--storage", str(tmp_path / "other")], check=False, capture_output=True, text=True
    )
    assert second.returncode == 1
    assert "is taken" in second.stderr


def test_the_keys_are_for_the_owner_alone(sandbox: Sandbox) -> None:
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in [sandbox.storage, *sandbox.storage.glob("sandbox.db*")]
    }
    assert modes.pop(sandbox.storage.name) == 0o700
    assert set(modes.values()) == {0o600}


def test_a_thousand_files_in_four_threads_arrive(sandbox: Sandbox) -> None:
    dataset = sandbox.create_dataset("M31")

    def send(worker: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=60)
        with closing(connection):
            for number in range(250):
                name = f"{worker}_{number}.fits"
                body, content_type = form([("dataset", dataset), ("file", (name, name.encode()))])
                headers = {"Content-Type": content_type}
                headers["X-Arcsecond-API-Authorization"] = f"Key {sandbox.upload_key}"
                connection.request("POST", "/datafiles/", body, headers)
                reply = connection.getresponse()
                reply.read()
                assert reply.status == 201

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(4)))
    stored = {file["name"]: file["sha256"] for file in sandbox.files()}
    assert len(stored) == 1000
    assert all(
        sha256 == hashlib.sha256(name.encode()).hexdigest() for name, sha256 in stored.items()
    )


def test_two_uploads_of_one_name_at_once_store_one(shared: Sandbox) -> None:
    dataset = shared.create_dataset("M31")
    with ThreadPoolExecutor(8) as pool:
        replies = pool.map(lambda n: shared.upload(dataset, "a.fits", bytes([n])), range(8))
    assert sorted(reply.status for reply in replies) == [201] + [400] * 7
    assert shared.get(f"/datasets/{dataset}/").json()["data_files_count"] == 1


def test_what_was_answered_before_a_kill_is_there_after_it(sandbox: Sandbox) -> None:
    dataset = sandbox.create_dataset("M31")
    answered: list[str] = []

    def send(worker: int) -> None:
        with suppress(ConnectionError, http.client.HTTPException):
            for number in itertools.count():
                name = f"{worker}_{number}.fits"
                reply = sandbox.upload(dataset, name, name.encode() * 1000)
                answered.extend([name] * (reply.status == 201))

    for _ in range(3):
        target = len(answered) + 20
        with ThreadPoolExecutor(4) as pool:
            for worker in range(4):
                pool.submit(send, worker)
            wait_until(lambda: len(answered) >= target)  # noqa: B023  # called in this round only
            sandbox.kill()
        sandbox.start()
        stored = {file["name"]: file["sha256"] for file in sandbox.files()}
        assert set(answered) <= set(stored)
        for name, sha256 in stored.items():
            content = (sandbox.storage / "files" / dataset / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == sha256
        assert list((sandbox.storage / "incoming").iterdir()) == []
    count = sandbox.get(f"/datasets/{dataset}/").json()["data_files_count"]
    assert count == len(sandbox.files())


def test_a_storage_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "sandbox.db").write_text(
        "this is no database, and it is long enough to tell\n" * 99
    )
    argv = [sys.executable, "-m", "arcsecond.sandbox", "--port", "0", "--storage", str(tmp_path)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"Error: The storage {tmp_path} cannot be used: file is not a database.\n"


def test_the_default_storage_is_in_the_users_data_folder(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "arcsecond.sandbox", "--port", "0", "--json"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        said = json.loads(process.stdout.readline())
        process.terminate()
        assert process.stdout.read() == ""
    assert process.wait(20) == 0
    assert sorted(said) == ["access_key", "storage", "upload_key", "url", "username"]
    assert Path(said["storage"]).is_relative_to(tmp_path / "home")
