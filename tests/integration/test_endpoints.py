"""The endpoints: `(result, error)` at the public edge, pages, and answers that prove nothing."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from arcsecond.api import ArcsecondAPI
from arcsecond.config import ArcsecondConfig, KeyType, Secret, add_api, store_key
from arcsecond.errors import (
    AnswerError,
    InputError,
    NotLoggedInError,
    NotReachedError,
    RedirectError,
    UnclearAnswerError,
)
from arcsecond.transport import Transport
from arcsecond.upload.patience import Patience
from arcsecond.upload.remote import Remote
from tests.support.raw_server import Connection, RawServer

if TYPE_CHECKING:
    from collections.abc import Iterator

UUID = "0b1cd3f2-0000-4000-8000-000000000001"


class Script:
    """A server that gives prepared answers, one a request, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._answers: list[bytes] = []
        self.url = ""

    def add(self, status: int, content: object = b"", **headers: str) -> None:
        """Prepare an answer; JSON unless it is bytes. `{url}` in it becomes the server's address."""
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        raw = raw.replace(b"{url}", self.url.encode())
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(raw)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._answers.append("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)

    def add_cut(self, status: int, content: object, *, missing: int) -> None:
        """Prepare an answer that lacks so many bytes at its end."""
        self.add(status, content)
        self._answers[-1] = self._answers[-1][:-missing]

    def __call__(self, connection: Connection) -> None:
        while head := connection.read_request():
            body, connection.received = connection.received, b""
            self.asked.append(head.partition(b" HTTP/")[0].decode() + f" {body.decode()}".rstrip())
            answer = self._answers.pop(0)
            connection.sock.sendall(answer)
            head, _, content = answer.partition(b"\r\n\r\n")
            if f"Content-Length: {len(content)}".encode() not in head:
                return


@pytest.fixture
def script() -> Iterator[Script]:
    script = Script()
    with RawServer(script) as server:
        script.url = server.url
        add_api("test", server.url)
        store_key(
            "test", username="ludwig", key_type=KeyType.ACCESS, key=Secret("a-key-that-stays-put")
        )
        yield script


@pytest.fixture
def api(script: Script) -> Iterator[ArcsecondAPI]:
    assert script
    with ArcsecondAPI(ArcsecondConfig("test")) as api:
        yield api


def test_a_bare_array_is_a_listing(script: Script, api: ArcsecondAPI) -> None:
    script.add(200, [{"uuid": "a"}, {"uuid": "b"}])

    assert api.datasets.list(name="M 31", tags=["a", "b"], empty=None) == (
        [{"uuid": "a"}, {"uuid": "b"}],
        None,
    )
    assert script.asked == ["GET /datasets/?name=M+31&tags=a&tags=b"]


def test_every_page_is_followed(script: Script, api: ArcsecondAPI) -> None:
    script.add(200, {"count": 3, "next": "{url}/datasets/?page=2", "results": [{"uuid": "a"}]})
    script.add(200, {"count": 3, "next": "{url}/datasets/?page=3", "results": [{"uuid": "b"}]})
    script.add(200, {"count": 3, "next": None, "results": [{"uuid": "c"}]})

    found, error = api.datasets.list()

    assert error is None
    assert found == [{"uuid": "a"}, {"uuid": "b"}, {"uuid": "c"}]
    assert script.asked[1:] == ["GET /datasets/?page=2", "GET /datasets/?page=3"]


def test_pages_on_another_server_are_refused(script: Script, api: ArcsecondAPI) -> None:
    script.add(200, {"count": 2, "next": "https://b.org/datasets/?page=2", "results": []})

    found, error = api.datasets.list()

    assert found is None
    assert isinstance(error, RedirectError)
    assert len(script.asked) == 1


def test_pages_in_circles_are_given_up(script: Script, api: ArcsecondAPI) -> None:
    for _ in range(2):
        script.add(200, {"count": 2, "next": "{url}/datasets/?page=2", "results": []})

    _, error = api.datasets.list()

    assert isinstance(error, UnclearAnswerError)
    assert len(script.asked) == 2


def test_a_bare_array_may_be_longer_than_any_other_answer(
    script: Script, api: ArcsecondAPI
) -> None:
    entry = json.dumps({"uuid": "a", "notes": "x" * 1024 * 1024}).encode()
    with Transport(script.url) as transport:
        remote = Remote(transport, None, Patience(threading.Event()))
        for resource in (api.datasets.raising, remote.resource("datasets/")):
            script.add(200, b"[" + b",".join([entry] * 70) + b"]")
            assert list(resource.pages(lambda one: one["uuid"])) == [["a"] * 70]


def test_what_is_kept_of_a_page_is_of_one_answer(script: Script) -> None:
    """One that breaks off is asked for again, and what came of it is not kept."""
    entries = [{"uuid": "a", "notes": "x" * 300_000}, {"uuid": "b", "notes": "x" * 300_000}]
    script.add_cut(200, entries, missing=5)
    script.add(200, entries)
    given: list[str] = []

    def uuid_of(one: dict[str, Any]) -> str:
        given.append(one["uuid"])
        return given[-1]

    with Transport(script.url) as transport:
        remote = Remote(transport, None, Patience(threading.Event()))
        assert list(remote.resource("datasets/").pages(uuid_of)) == [["a", "b"]]

    assert given == ["a", "a", "b"]


def test_objects_are_given_before_the_rest_of_a_bare_array_has_come() -> None:
    is_given = threading.Event()

    def handler(connection: Connection) -> bool:
        connection.read_request()
        connection.sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b'[{"uuid": "a"}, ', b'{"uuid": "b"}]', b""):
            connection.sock.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            if not is_given.wait(20):
                return False
        return True

    with RawServer(handler) as server, Transport(server.url) as transport:
        remote = Remote(transport, None, Patience(threading.Event()))
        for _ in remote.resource("datasets/").pages(lambda _: is_given.set()):
            pass
        assert server.result() is True


def test_a_long_page_of_a_hotel_is_not_read_to_its_end(script: Script, api: ArcsecondAPI) -> None:
    script.add_cut(200, b"<html>" + b"x" * 2 * 1024 * 1024, missing=1)

    _, error = api.datasets.list()

    assert isinstance(error, UnclearAnswerError)
    assert "answered with a page" in error.message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html></html>",
        b'[{"uuid": "a"}, oh',
        {"detail": "?"},
        {"results": {}},
        {"results": [], "next": 3},
        7,
    ],
)
def test_a_listing_that_is_none_proves_nothing(
    content: object, script: Script, api: ArcsecondAPI
) -> None:
    script.add(200, content)

    found, error = api.datasets.list()

    assert found is None
    assert isinstance(error, UnclearAnswerError)


@pytest.mark.parametrize("content", [b"", b"<html></html>", [], None])
def test_an_object_that_is_none_proves_nothing(
    content: object, script: Script, api: ArcsecondAPI
) -> None:
    script.add(200, content)

    assert isinstance(api.datasets.read(UUID)[1], UnclearAnswerError)


def test_identifiers_are_encoded_and_slashes_close_every_path(
    script: Script, api: ArcsecondAPI
) -> None:
    for _ in range(4):
        script.add(200, {})

    api.datasets.read(UUID)
    api.profiles.read("a/b@c.org?d#é%")
    api.datasets.update(UUID, json={"name": "M31"})
    api.datasets.create(json={"name": "M31"})

    assert script.asked == [
        f"GET /datasets/{UUID}/",
        "GET /profiles/a%2Fb%40c.org%3Fd%23%C3%A9%25/",
        f'PATCH /datasets/{UUID}/ {{"name": "M31"}}',
        'POST /datasets/ {"name": "M31"}',
    ]


@pytest.mark.parametrize("identifier", ["", ".", ".."])
def test_what_is_no_identifier_is_not_asked(
    identifier: str, script: Script, api: ArcsecondAPI
) -> None:
    assert isinstance(api.datasets.delete(identifier)[1], InputError)
    assert script.asked == []


def test_a_portal_is_a_prefix_but_for_what_belongs_to_none(script: Script) -> None:
    with ArcsecondAPI(ArcsecondConfig("test"), "dome/1") as api:
        for endpoint in (api.datasets, api.members, api.organisations, api.profiles):
            script.add(200, [])
            endpoint.list()

    assert script.asked == [
        "GET /dome%2F1/datasets/",
        "GET /dome%2F1/members/",
        "GET /organisations/",
        "GET /profiles/",
    ]


def test_an_empty_success_is_one(script: Script, api: ArcsecondAPI) -> None:
    script.add(201)
    script.add(204)
    script.add(204)

    assert api.datasets.create(json={}) == ({}, None)
    assert api.datasets.update(UUID, json={}) == ({}, None)
    assert api.datasets.delete(UUID) == (None, None)


def test_a_captive_portal_deletes_nothing(script: Script, api: ArcsecondAPI) -> None:
    script.add(200, b"<h1>Welcome to the hotel</h1>")

    assert isinstance(api.datasets.delete(UUID)[1], UnclearAnswerError)


@pytest.mark.parametrize(
    "refusal",
    [
        (400, {"name": ["Too long."]}, "datasets: name: Too long.", ""),
        (401, {"detail": "Invalid key."}, "datasets: Invalid key.", "arcsecond login"),
        (403, {"detail": "Not allowed."}, "datasets: Not allowed.", "upload key"),
        (404, {"detail": "Not found."}, "datasets: Not found.", ""),
        (404, b"<h1>x</h1>", "datasets: 404 Not Found: the server, or a proxy", "API address"),
        (413, b"<h1>x</h1>", "datasets: 413 ", "client_max_body_size"),
        (503, b"<h1>x</h1>", "datasets: 503 Service Unavailable", "try again later"),
    ],
)
def test_a_refusal_says_what_and_what_to_do(
    refusal: tuple[int, object, str, str], script: Script, api: ArcsecondAPI
) -> None:
    status, content, message, hint = refusal
    script.add(status, content)

    found, error = api.datasets.create(json={})

    assert found is None
    assert isinstance(error, AnswerError)
    assert error.status == status
    assert str(error).startswith(message)
    assert hint in (error.hint or "")
    assert bool(hint) == bool(error.hint)


def test_a_redirect_is_an_error_that_names_the_host(script: Script, api: ArcsecondAPI) -> None:
    script.add(301, Location="https://b.org/datasets/?secret=1")

    _, error = api.datasets.create(json={})

    assert isinstance(error, RedirectError)
    assert error.status == 301
    assert "b.org" in str(error)
    assert "secret" not in str(error)


def test_without_a_key_nothing_is_asked(script: Script) -> None:
    add_api("other", script.url)
    with ArcsecondAPI(ArcsecondConfig("other")) as api:
        _, error = api.datasets.list()

    assert isinstance(error, NotLoggedInError)
    assert error.status is None
    assert script.asked == []


def test_a_server_that_is_not_there_is_an_error_without_a_status() -> None:
    add_api("dead", "http://127.0.0.1:1")
    store_key(
        "dead", username="ludwig", key_type=KeyType.UPLOAD, key=Secret("a-key-that-stays-put")
    )
    with ArcsecondAPI(ArcsecondConfig("dead")) as api:
        _, error = api.datasets.list()

    assert isinstance(error, NotReachedError)
    assert error.status is None


def test_neither_api_nor_endpoint_shows_a_key(api: ArcsecondAPI) -> None:
    api.transport()

    assert "Secret" not in f"{api!r} {api.datasets!r}"


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, datetime(2026, 1, 1, tzinfo=UTC)])
def test_what_is_no_json_is_an_error_and_not_sent(
    value: object, script: Script, api: ArcsecondAPI
) -> None:
    for ask in (
        lambda: api.datasets.create(json={"name": value}),
        lambda: api.datasets.update("0b1c", json={"name": value}),
    ):
        found, error = ask()
        assert found is None
        assert isinstance(error, InputError)
        assert "no JSON" in error.message
    assert script.asked == []


def test_bytes_that_are_no_text_are_an_error(script: Script, api: ArcsecondAPI) -> None:
    for _, error in (
        api.datasets.read("bad\udcff"),
        api.datasets.list(name="bad\udcff"),
        api.datasets.list(name=["a", "bad\udcff"]),
    ):
        assert isinstance(error, InputError)
    with pytest.raises(InputError):
        ArcsecondAPI(api.config, "bad\udcff")
    assert script.asked == []
