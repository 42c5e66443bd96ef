"""Connections that break, stall or never come to be: what they say of the file, and of the link."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
import trustme

from oort.policy import state
from oort.policy.doubt import NO_DOUBT, Doubt
from oort.policy.outcome import Broken, NotReached, Outcome, Stored, Unauthorised
from oort.remote import Remote
from oort.values import RemoteDataset
from tests.support.attempts import API, Night, log_in_at
from tests.support.raw_server import RawServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    from oort.transfer.attempt import Carried
    from tests.support.raw_server import Connection

DATASET = "4f5a0000-0000-4000-8000-000000000001"
LARGE = 8 * 1024 * 1024
REFUSAL = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def bring(
    server_url: str, folder: Path, *, size: int = LARGE, read_timeout_s: float = 1.0
) -> tuple[Night, Carried]:
    """Make one attempt, into a dataset that is known, so that the first request is the upload."""
    log_in_at(server_url)
    night = Night(None, folder)
    night.connect_timeout_s, night.read_timeout_s = 1.0, read_timeout_s
    night.around.known[night.watch.dataset] = RemoteDataset(DATASET, night.watch.dataset)
    return night, night.bring("a.fits", bytes(size), state=state.SYNCING)


def one_after_the_other(
    *handlers: Callable[[Connection], object],
) -> Callable[[Connection], object]:
    """Give each connection to the next handler, the last one to all that follow."""
    numbers = itertools.count()

    def handle(connection: Connection) -> object:
        return handlers[min(next(numbers), len(handlers) - 1)](connection)

    return handle


def reset_in_the_middle(connection: Connection) -> None:
    connection.read_head()
    connection.read_body(1_000_000)
    connection.reset()


def never_read(connection: Connection) -> None:
    connection.read_head()
    connection.hold()


def never_answer(connection: Connection) -> None:
    connection.read_request()
    connection.hold()


def close_at_once(connection: Connection) -> None:
    connection.reset()


def answer(words: bytes) -> Callable[[Connection], None]:
    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.sock.sendall(words)

    return handler


def test_a_reset_on_a_link_that_works_is_the_files(tmp_path: Path) -> None:
    with RawServer(one_after_the_other(reset_in_the_middle, answer(NOT_FOUND))) as server:
        _night, carried = bring(server.url, tmp_path / "dome")
    outcome = carried.outcome
    assert isinstance(outcome, Broken), outcome
    assert outcome.link_proven
    assert outcome.bytes_sent >= 1_000_000
    assert not outcome.body_complete
    assert carried.doubt == Doubt(may_be_stored=True)


def test_a_reset_on_a_link_that_is_gone_is_the_links(tmp_path: Path) -> None:
    with RawServer(one_after_the_other(reset_in_the_middle, close_at_once)) as server:
        _night, carried = bring(server.url, tmp_path / "dome")
    assert isinstance(carried.outcome, Broken)
    assert not carried.outcome.link_proven
    assert carried.doubt == Doubt(may_be_stored=True)


def test_bytes_that_move_on_another_worker_prove_the_link_too(tmp_path: Path) -> None:
    with RawServer(one_after_the_other(reset_in_the_middle, close_at_once)) as server:
        log_in_at(server.url)
        night = Night(None, tmp_path / "dome")
        night.around.known[night.watch.dataset] = RemoteDataset(DATASET, "M31")
        night.around.others_move = True
        carried = night.bring("a.fits", bytes(LARGE))
    assert isinstance(carried.outcome, Broken)
    assert carried.outcome.link_proven


def test_a_server_that_never_reads_is_given_up(tmp_path: Path) -> None:
    with RawServer(one_after_the_other(never_read, answer(NOT_FOUND))) as server:
        _night, carried = bring(server.url, tmp_path / "dome", size=32 * 1024 * 1024)
    assert isinstance(carried.outcome, Broken), carried.outcome
    assert carried.outcome.link_proven
    assert not carried.outcome.body_complete


def test_a_server_that_never_answers_leaves_a_complete_body_in_doubt(tmp_path: Path) -> None:
    with RawServer(one_after_the_other(never_answer, answer(NOT_FOUND))) as server:
        _night, carried = bring(server.url, tmp_path / "dome")
    assert isinstance(carried.outcome, Broken), carried.outcome
    assert carried.outcome.body_complete
    assert carried.doubt.must_be_asked_again


def test_a_server_that_never_answers_anything_proves_no_link(tmp_path: Path) -> None:
    with RawServer(never_answer) as server:
        _night, carried = bring(server.url, tmp_path / "dome")
    assert isinstance(carried.outcome, Broken)
    assert not carried.outcome.link_proven


def test_a_link_that_is_slower_than_any_timeout_succeeds(tmp_path: Path) -> None:
    """A block may take as long as it wants, as long as bytes are moving."""

    def slowly(connection: Connection) -> None:
        connection.read_head()
        while connection.received.find(b"--\r\n", max(0, len(connection.received) - 64)) < 0:
            connection.stopping.wait(0.02)
            connection.received += connection.sock.recv(40_000)
        connection.sock.sendall(
            b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
            b'Content-Length: 26\r\n\r\n{"pk":1, "name": "a.fits"}'
        )

    with RawServer(one_after_the_other(slowly, answer(NOT_FOUND))) as server:
        _night, carried = bring(server.url, tmp_path / "dome", size=3_000_000)
    assert isinstance(carried.outcome, Stored), carried.outcome
    assert carried.outcome.tags_pending  # that server knows nothing of PATCH, or of tags


@pytest.mark.parametrize("where", ["http://127.0.0.1:1", "https://no-such-host.invalid"])
def test_a_server_that_cannot_be_reached_is_the_links(tmp_path: Path, where: str) -> None:
    _night, carried = bring(where, tmp_path / "dome")
    assert isinstance(carried.outcome, NotReached), carried.outcome
    assert carried.doubt == NO_DOUBT


# -- over TLS ------------------------------------------------------------------------------------


def tls(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    import ssl

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    return context, bundle


def bring_over_tls(server: RawServer, bundle: Path, folder: Path) -> Outcome:
    log_in_at(server.url)
    night = Night(None, folder)
    night.around.known[night.watch.dataset] = RemoteDataset(DATASET, night.watch.dataset)
    night.write("a.fits", bytes(LARGE))
    remote = Remote(API, connect_timeout_s=5, read_timeout_s=5, ca_bundle=str(bundle))
    try:
        return night.try_once(night.row("a.fits"), remote).outcome
    finally:
        remote.close()


def test_a_key_that_is_refused_by_an_abrupt_close_is_a_refused_key(tmp_path: Path) -> None:
    """Over TLS an early 401 with a close looks like a broken connection: the probe has the key."""

    def refuse_early(connection: Connection) -> None:
        connection.read_head()
        connection.reset()

    context, bundle = tls(tmp_path)
    handler = one_after_the_other(refuse_early, answer(REFUSAL))
    with RawServer(handler, tls=context) as server:
        outcome = bring_over_tls(server, bundle, tmp_path / "dome")
    assert isinstance(outcome, Unauthorised), outcome


def test_a_certificate_that_is_not_trusted_is_the_links(tmp_path: Path) -> None:
    context, _bundle = tls(tmp_path)
    _context, other = tls(tmp_path)
    with RawServer(answer(REFUSAL), tls=context) as server:
        outcome = bring_over_tls(server, other, tmp_path / "dome")
    assert isinstance(outcome, NotReached), outcome
    assert "certificate" in outcome.reason
