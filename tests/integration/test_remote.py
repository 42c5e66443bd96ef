"""Questions to a real server: accounts, probes, datasets, listings, and what `oort watch` asks."""

from __future__ import annotations

import io
import itertools
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from arcsecond.config import ArcsecondConfig, KeyType, Secret, config_file, drop_keys, store_key
from oort.errors import OortError, RemoteError
from oort.policy.outcome import (
    Broken,
    Interrupted,
    NotReached,
    ServerBusy,
    Unauthorised,
    WatchRefused,
)
from oort.remote import (
    Absence,
    Ended,
    MayNotLookError,
    NotThereError,
    Remote,
    TooLongError,
    UnusableListingError,
    account,
    check_watch,
)
from oort.values import RemoteFile
from tests.support.attempts import API, log_in, log_in_at
from tests.support.raw_server import Connection, RawServer
from tests.support.sandbox import running_sandbox
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.sandbox import Sandbox

NOWHERE = "00000000-0000-0000-0000-000000000000"
EVERYTHING = "^/(?!_faults)"


@pytest.fixture
def server(lasting_sandbox: Sandbox) -> Sandbox:
    lasting_sandbox.clear()
    lasting_sandbox.forget_requests()
    log_in(lasting_sandbox)
    return lasting_sandbox


def listed(remote: Remote, dataset: str, longest_bytes: int | None = None) -> list[RemoteFile]:
    found: list[RemoteFile] = []
    remote.files(dataset, None, found.append, longest_bytes=longest_bytes)
    return found


@pytest.fixture
def remote(server: Sandbox) -> Iterator[Remote]:
    assert server.url
    made = Remote(API, connect_timeout_s=5, read_timeout_s=10)
    yield made
    made.close()


# -- accounts ------------------------------------------------------------------------------------


def test_an_account_shows_nothing_of_its_key(server: Sandbox) -> None:
    found = account(API)
    assert (found.api, found.server, found.username) == (API, server.url, server.username)
    assert found.has_upload_right
    assert server.upload_key not in repr(found)


def test_a_fingerprint_tells_another_key_or_user_from_the_same(server: Sandbox) -> None:
    before = account(API).fingerprint
    assert account(API).fingerprint == before
    store_key(API, username=server.username, key_type=KeyType.UPLOAD, key=Secret("another"))
    after = account(API).fingerprint
    assert after != before
    store_key(API, username="visitor", key_type=KeyType.UPLOAD, key=Secret("another"))
    assert account(API).fingerprint not in (before, after)


def test_without_a_key_there_is_no_right(server: Sandbox) -> None:
    assert server.url
    drop_keys(API)
    assert not account(API).has_upload_right


def test_an_access_key_will_do(server: Sandbox) -> None:
    drop_keys(API)
    store_key(API, username=server.username, key_type=KeyType.ACCESS, key=Secret(server.access_key))
    assert account(API).has_upload_right
    made = Remote(API, connect_timeout_s=5, read_timeout_s=10)
    made.check_key()
    made.close()


def test_an_unknown_server_is_told_with_the_remedy() -> None:
    with pytest.raises(OortError) as caught:
        account("nowhere")
    assert "nowhere" in caught.value.message
    assert caught.value.hint


def test_an_unreadable_configuration_is_told(server: Sandbox) -> None:
    assert server.url
    config_file().write_text("no ini file\n")
    with pytest.raises(OortError):
        account(API)
    with pytest.raises(OortError):
        Remote(API, connect_timeout_s=1, read_timeout_s=1)


def test_a_proxy_that_cannot_be_used_is_told() -> None:
    log_in_at("https://arcsecond.invalid")
    with pytest.raises(OortError):
        Remote(API, connect_timeout_s=1, read_timeout_s=1, proxy="socks5://127.0.0.1:9")


# -- probes --------------------------------------------------------------------------------------


def test_a_ping_tells_the_servers_clock(remote: Remote) -> None:
    told = remote.ping()
    assert told is not None
    assert told.tzinfo is not None


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 500, 503])
def test_any_answer_is_a_ping(server: Sandbox, remote: Remote, status: int) -> None:
    server.rule(path=EVERYTHING, status=status)
    remote.ping()


def test_a_ping_carries_no_key(server: Sandbox, remote: Remote) -> None:
    remote.ping()
    (request,) = server.requests()
    assert request["key"] is None


def test_a_ping_that_nothing_answers_ends_as_not_reached() -> None:
    log_in_at("http://127.0.0.1:1")
    made = Remote(API, connect_timeout_s=1, read_timeout_s=1)
    with pytest.raises(Ended) as caught:
        made.ping()
    made.close()
    assert isinstance(caught.value.outcome, NotReached)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_told(server: Sandbox, remote: Remote, status: int) -> None:
    server.rule(path=EVERYTHING, status=status)
    with pytest.raises(Ended) as caught:
        remote.check_key()
    assert isinstance(caught.value.outcome, Unauthorised)
    assert caught.value.outcome.http_status == status


@pytest.mark.parametrize("status", [200, 404, 429, 503])
def test_no_other_answer_says_that_the_key_is_refused(
    server: Sandbox, remote: Remote, status: int
) -> None:
    server.rule(path=EVERYTHING, status=status)
    remote.check_key()


def test_a_probe_has_no_patience(server: Sandbox) -> None:
    assert server.url

    def never_answer(connection: Connection) -> None:
        connection.hold()

    with RawServer(never_answer) as silent:
        log_in_at(silent.url)
        made = Remote(API, connect_timeout_s=0.5, read_timeout_s=600)
        with pytest.raises(Ended) as caught:
            made.ping()
        made.close()
    assert isinstance(caught.value.outcome, Broken)


def test_a_cut_ends_a_question_and_all_that_follow(server: Sandbox, remote: Remote) -> None:
    server.rule(method="GET", path="/datasets/", delay_s=30)
    cutter = threading.Thread(target=lambda: (wait_until(server.requests), remote.cancel()))
    cutter.start()
    for _ in range(2):
        with pytest.raises(Ended) as caught:
            remote.dataset(NOWHERE, None)
        assert isinstance(caught.value.outcome, Interrupted)
    cutter.join()
    server.clear()
    remote.begin()
    assert remote.dataset(NOWHERE, None) is None


# -- questions -----------------------------------------------------------------------------------


def test_datasets_are_told_oldest_first(server: Sandbox, remote: Remote) -> None:
    made = [server.create_dataset("Triplet") for _ in range(3)]
    assert [one.uuid for one in remote.datasets_named("Triplet", None)] == made


def test_a_file_is_found_by_its_name(server: Sandbox, remote: Remote) -> None:
    dataset = server.create_dataset("by name")
    server.upload(dataset, "a.fits", b"content", tags=["x"])
    found = remote.find_file(dataset, "a.fits", None)
    assert isinstance(found, RemoteFile)
    assert (found.name, found.size, found.tags) == ("a.fits", 7, ("x",))
    assert remote.find_file(dataset, "b.fits", None) is Absence.NO_SUCH_FILE


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 404, "content_type": "text/html"},
        {"status": 405},
        {"status": 200, "body": "<html>"},
        {"status": 200, "body": []},
        {"alter": {"name": "other.fits"}},
        {"alter": {"dataset": NOWHERE}},
        {"omit": ["pk", "id"]},
    ],
)
def test_what_is_no_answer_to_the_question_tells_nothing(
    server: Sandbox, remote: Remote, fault: dict[str, Any]
) -> None:
    dataset = server.create_dataset("tells nothing")
    server.upload(dataset, "a.fits", b"content")
    server.rule(method="GET", path="/datafiles/", **fault)
    assert remote.find_file(dataset, "a.fits", None) is Absence.NOT_TOLD


def test_a_key_that_may_not_look_is_told_from_a_refused_one(
    server: Sandbox, remote: Remote
) -> None:
    server.rule(path="/datafiles/", status=403)
    with pytest.raises(MayNotLookError):
        remote.find_file(NOWHERE, "a.fits", None)
    with pytest.raises(MayNotLookError):
        listed(remote, NOWHERE)
    server.rule(path="/profiles/", status=403)
    with pytest.raises(Ended) as caught:
        remote.find_file(NOWHERE, "a.fits", None)
    assert isinstance(caught.value.outcome, Unauthorised)


def test_files_of_a_dataset_that_is_not_there(remote: Remote) -> None:
    with pytest.raises(NotThereError):
        listed(remote, NOWHERE)


def test_a_listing_is_given_up_where_it_is_too_long(server: Sandbox, remote: Remote) -> None:
    dataset = server.create_dataset("long")
    for number in range(5):
        server.upload(dataset, f"{number}.fits", b"x")
    assert len(listed(remote, dataset, longest_bytes=100_000)) == 5
    with pytest.raises(TooLongError):
        listed(remote, dataset, longest_bytes=500)


@pytest.mark.parametrize("following", ["https://elsewhere.invalid/?page=2", "{own}"])
def test_a_listing_that_leads_elsewhere_or_in_a_circle_is_refused(
    server: Sandbox, remote: Remote, following: str
) -> None:
    following = following.replace("{own}", f"{server.url}/datasets/{NOWHERE}/datafiles/?page=2")
    server.rule(
        method="GET", path="/datafiles/", status=200, body={"next": following, "results": []}
    )
    with pytest.raises(UnusableListingError) as caught:
        listed(remote, NOWHERE)
    assert isinstance(caught.value.ended.outcome, ServerBusy)


def test_a_listing_of_pages_without_entries_does_not_go_on_for_ever() -> None:
    numbers = itertools.count(1)

    def handler(connection: Connection) -> None:
        while connection.read_request():
            connection.received = b""
            number = next(numbers)
            following = f"{endless.url}/datasets/?page={number}" if number < 50 else None
            body = json.dumps({"next": following, "results": []}).encode()
            connection.sock.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )

    with RawServer(handler) as endless:
        log_in_at(endless.url)
        made = Remote(API, connect_timeout_s=5, read_timeout_s=10)
        with pytest.raises(UnusableListingError):
            listed(made, NOWHERE)
        made.close()


def test_a_telescope_is_found_by_uuid_and_alias(server: Sandbox, remote: Remote) -> None:
    (telescope, *_) = server.telescopes()
    by_alias = remote.telescope(telescope["alias"], None)
    assert by_alias is not None
    assert by_alias.uuid == telescope["uuid"]
    assert by_alias.longitude_deg == -70.4045
    assert remote.telescope(telescope["uuid"], None) == by_alias
    assert remote.telescope("no such", None) is None


def test_odd_names_travel_in_a_path(server: Sandbox, remote: Remote) -> None:
    dataset = server.create_dataset("odd / names?")
    server.upload(dataset, "100%.fits", b"content")
    assert isinstance(remote.find_file(dataset, "100%.fits", None), RemoteFile)
    assert remote.telescope("../../profiles", None) is None
    assert remote.datasets_named("odd / names?", None)[0].uuid == dataset


def test_a_file_that_cannot_be_read_is_no_broken_connection(
    server: Sandbox, remote: Remote
) -> None:
    class Torn(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            self.left = getattr(self, "left", 1_000_000) - size
            if self.left < 0:
                raise OSError(5, "Input/output error")
            return bytes(size)

    with pytest.raises(OSError, match="Input/output error"):
        remote.send(
            dataset=server.create_dataset("torn"),
            portal=None,
            is_raw=True,
            tags=(),
            with_hash=True,
            file=Torn(),  # type: ignore[arg-type]  # a file that is read
            filename=b"a.fits",
            size=5_000_000,
            unchanged=lambda _: True,
            on_block=lambda _count: None,
        )
    (upload,) = wait_until(lambda: [u for u in server.uploads() if u["done"]])
    assert not upload["body_complete"]
    assert [file for file in server.files() if file["dataset"] == "torn"] == []


# -- pages ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def paged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("paged") / "sandbox", page_size=2) as running:
        yield running


def test_pages_are_followed_to_the_end(paged: Sandbox) -> None:
    log_in(paged)
    dataset = paged.create_dataset("paged")
    for number in range(7):
        paged.upload(dataset, f"{number}.fits", b"x")
    made = Remote(API, connect_timeout_s=5, read_timeout_s=10)
    names = [file.name for file in listed(made, dataset)]
    made.close()
    assert sorted(names) == [f"{number}.fits" for number in range(7)]
    assert len(paged.requests("GET", "/datafiles/")) == 4


def test_a_page_that_fails_makes_no_complete_listing(paged: Sandbox) -> None:
    log_in(paged)
    dataset = paged.create_dataset("paged too")
    for number in range(4):
        paged.upload(dataset, f"{number}.fits", b"x")
    made = Remote(API, connect_timeout_s=5, read_timeout_s=10)
    for status in (404, 500):
        paged.rule(method="GET", path="/datafiles/", status=status, skip=1, times=1)
        with pytest.raises((Ended, UnusableListingError)):
            listed(made, dataset)
        paged.clear()
    made.close()


# -- what `oort watch` asks ----------------------------------------------------------------------


def check(dataset: str = "M31", telescope: str | None = None, portal: str | None = None) -> Any:
    return check_watch(API, dataset=dataset, telescope=telescope, portal=portal)


def refused(**options: Any) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        check(**options)
    assert caught.value.message
    return caught.value


def test_a_watch_of_new_things_is_fine_and_creates_nothing(server: Sandbox) -> None:
    found = check(dataset="not there yet")
    assert found.dataset is None
    assert found.account.username == server.username
    assert [request["method"] for request in server.requests() if request["method"] != "GET"] == []


def test_a_watch_of_known_things_tells_them(server: Sandbox) -> None:
    dataset = server.create_dataset("known thing")
    telescope = server.telescopes()[0]
    found = check(dataset="known thing", telescope=telescope["alias"])
    assert found.dataset.uuid == dataset
    assert found.telescope.uuid == telescope["uuid"]
    assert check(dataset=dataset).dataset.name == "known thing"


def test_a_template_is_not_looked_up(server: Sandbox) -> None:
    assert check(dataset="{folder} {night}").dataset is None
    assert server.requests("GET", "/datasets/") == []


def test_an_ambiguous_dataset_is_refused_with_the_uuids(server: Sandbox) -> None:
    uuids = [server.create_dataset("twins") for _ in range(2)]
    error = refused(dataset="twins")
    for uuid in uuids:
        assert uuid in error.message
    assert error.hint


def test_a_dataset_that_is_not_there_is_refused(server: Sandbox) -> None:
    assert server.url
    assert NOWHERE in refused(dataset=NOWHERE).message


def test_a_telescope_that_is_not_there_is_refused(server: Sandbox) -> None:
    assert server.url
    error = refused(telescope="no-such")
    assert "no-such" in error.message
    assert "arcsecond telescopes" in (error.hint or "")


def test_a_portal_that_is_not_there_is_refused(server: Sandbox) -> None:
    assert server.url
    assert "nobody" in refused(portal="nobody").message


@pytest.mark.parametrize(
    ("role", "is_enough"),
    [(None, False), ("guest", False), ("member", True), ("admin", True), ("superadmin", True)],
)
def test_members_and_above_may_watch_into_a_portal(
    server: Sandbox, role: str | None, *, is_enough: bool
) -> None:
    server.add_portal("observatory", role=role)
    if is_enough:
        assert check(portal="observatory").role == role
    else:
        assert refused(portal="observatory").hint


def test_a_personal_dataset_is_not_seen_from_a_portal(server: Sandbox) -> None:
    uuid = server.create_dataset("personal")
    assert refused(dataset=uuid, portal=server.portal).hint


def test_a_refused_key_names_the_remedy(server: Sandbox) -> None:
    store_key(API, username=server.username, key_type=KeyType.UPLOAD, key=Secret("wrong"))
    error = refused()
    assert "arcsecond login" in (error.hint or "")
    assert "wrong" not in error.message


def test_without_a_key_nothing_is_asked_of_the_server(server: Sandbox) -> None:
    drop_keys(API)
    assert "arcsecond login" in (refused().hint or "")
    assert server.requests() == []


def test_a_server_that_is_away_says_how_to_go_on_without_it() -> None:
    log_in_at("http://127.0.0.1:1")
    assert "--offline" in (refused().hint or "")


def test_what_was_asked_can_be_traced_without_the_key(server: Sandbox) -> None:
    lines: list[str] = []
    check_watch(API, dataset="traced", telescope=None, portal=None, trace=lines.append)
    text = "\n".join(lines)
    assert "/datasets/?name=traced" in text
    assert server.upload_key not in text
    assert ArcsecondConfig(API).api_server in text


def test_words_of_the_server_end_a_check(server: Sandbox) -> None:
    server.rule(path="/datasets/", status=403, body={"detail": "Your plan has ended."})
    assert "Your plan has ended." in refused().message


def test_a_listing_that_is_refused_ends_as_the_watchs_trouble(
    server: Sandbox, remote: Remote
) -> None:
    server.rule(path="/datasets/", status=403)
    with pytest.raises(Ended) as caught:
        remote.datasets_named("M31", None)
    assert isinstance(caught.value.outcome, WatchRefused)
