"""The proxy of the tests does to a connection what was planned, and nothing else."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.support.proxy import Plan, Proxy
from tests.support.raw_server import Connection, RawServer
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
BODY = bytes(range(256)) * 4000


def _serve(connection: Connection) -> bytes:
    """Answer every request of a connection; return all that came."""
    everything = b""
    while head := connection.read_request():
        everything += head + connection.received
        connection.received = b""
        connection.sock.sendall(ANSWER)
    return everything


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer(_serve) as running:
        yield running


def _post(
    proxy: Proxy, body: bytes = BODY, *, timeout: float = 20.0, tls: ssl.SSLContext | None = None
) -> bytes:
    connection: http.client.HTTPConnection
    if tls is None:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=timeout)
    else:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", proxy.port, timeout=timeout, context=tls
        )
    with closing(connection):
        connection.request("POST", "/", body)
        return connection.getresponse().read()


def test_without_a_plan_everything_is_carried_through(server: RawServer) -> None:
    with Proxy(server.port) as proxy:
        assert _post(proxy) == b"hello"
        assert _post(proxy) == b"hello"
    assert proxy.accepted == 2
    received = server.result()
    assert isinstance(received, bytes)
    assert received.endswith(BODY)


def test_tls_ends_in_front_of_the_server(server: RawServer) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    with Proxy(server.port, tls=context) as proxy:
        assert _post(proxy, tls=client) == b"hello"
        with pytest.raises(ssl.SSLCertVerificationError):
            _post(proxy, tls=ssl.create_default_context())
    assert len(proxy.tls_errors) == 1


def test_a_refused_port_is_open_again_afterwards(server: RawServer) -> None:
    with Proxy(server.port) as proxy:
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            _post(proxy)
        proxy.listen()
        assert _post(proxy) == b"hello"


def test_who_is_never_accepted_waits(server: RawServer) -> None:
    with Proxy(server.port) as proxy:
        proxy.never_accept()
        with pytest.raises(TimeoutError):
            _post(proxy, timeout=0.5)
        proxy.listen()
        assert _post(proxy) == b"hello"


@pytest.mark.parametrize("after", [0, 1000, 500_000])
def test_a_connection_is_reset_after_so_many_bytes_to_the_server(
    server: RawServer, after: int
) -> None:
    with Proxy(server.port) as proxy:
        proxy.plan_next(Plan(once=b"POST /", resets_after_up=after))
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            _post(proxy)
        assert _post(proxy) == b"hello"  # the plan was for one connection
    assert server.errors or server.results


def test_a_connection_is_reset_after_so_many_bytes_of_the_answer(server: RawServer) -> None:
    with Proxy(server.port) as proxy:
        proxy.plan = Plan(resets_after_down=0)
        with pytest.raises(ConnectionResetError):
            _post(proxy)
        proxy.plan = Plan(resets_after_down=len(ANSWER) - 1)
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            _post(proxy)
    wait_until(lambda: len(server.results) + len(server.errors) == 2)


@pytest.mark.parametrize("plan", [Plan(swallows=True), Plan(never_reads=True)])
def test_a_swallowed_answer_is_waited_for(server: RawServer, plan: Plan) -> None:
    with Proxy(server.port) as proxy:
        proxy.plan_next(plan)
        with pytest.raises(TimeoutError):
            _post(proxy, BODY * 10, timeout=0.5)
        assert _post(proxy) == b"hello"


def test_a_frozen_proxy_carries_nothing_until_it_listens_again(server: RawServer) -> None:
    with Proxy(server.port) as proxy:
        proxy.freeze()
        with pytest.raises(TimeoutError):
            _post(proxy, timeout=0.5)
        proxy.listen()
        assert _post(proxy) == b"hello"


def test_bytes_are_held_back(server: RawServer) -> None:
    with Proxy(server.port) as proxy:
        proxy.plan = Plan(bytes_per_s=100_000)
        began = time.monotonic()
        assert _post(proxy, bytes(100_000)) == b"hello"
        assert time.monotonic() - began > 0.9
        proxy.plan = Plan(drip_s=0.02)
        began = time.monotonic()
        assert _post(proxy, b"") == b"hello"
        assert time.monotonic() - began > 0.02 * (len(ANSWER) - 1)


def test_words_of_the_proxys_own(server: RawServer) -> None:
    with Proxy(server.port) as proxy:
        proxy.plan = Plan(answers=ANSWER.replace(b"hello", b"later"), closes=True)
        assert _post(proxy, b"x") == b"later"
    assert all(result == b"" for result in server.results)


def test_words_of_the_proxys_own_once_and_then_a_reset(server: RawServer) -> None:
    with Proxy(server.port) as proxy:
        proxy.plan = Plan(answers=ANSWER, heard_s=0.5)
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\nx")
            assert sock.recv(4096) == ANSWER
            with pytest.raises(ConnectionResetError):
                sock.recv(4096)
    assert all(result == b"" for result in server.results)
