"""The transport against servers that misbehave on the wire; real sockets throughout."""

from __future__ import annotations

import io
import re
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
import trustme

from arcsecond.config import Secret
from arcsecond.errors import (
    BodyChangedError,
    BrokenError,
    CancelledError,
    ConfigError,
    NotReachedError,
    RedirectError,
    UnclearAnswerError,
)
from arcsecond.multipart import MultipartBody
from arcsecond.transport import Timeouts, Transport
from tests.support.raw_server import ANSWER, Connection, RawServer
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = Secret("a-key-that-stays-put")
QUICK = Timeouts(connect_s=10, read_s=1)
"""For what is expected to time out; everything else may wait on a busy machine."""
MEGABYTE = 1024 * 1024


def body_of(size: int, **options: object) -> MultipartBody:
    return MultipartBody(
        fields=[("dataset", "d")],
        file=io.BytesIO(b"\0" * size),
        filename="M31_0001.fits",
        size=size,
        **options,  # type: ignore[arg-type]  # whatever the test wants
    )


def answers(answer: bytes = ANSWER) -> Callable[[Connection], bytes]:
    def handler(connection: Connection) -> bytes:
        head = connection.read_request()
        connection.sock.sendall(answer)
        return head

    return handler


def error_of(transport: Transport, body: MultipartBody | None = None) -> str:
    """Return the words of a NotReachedError, closed."""
    with transport, pytest.raises(NotReachedError) as caught:
        transport.request("POST", "datafiles/", body=body or body_of(1000))
    return str(caught.value)


# --- before the first byte -------------------------------------------------------------------


def test_a_refused_connection_was_not_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    words = error_of(Transport(f"http://127.0.0.1:{port}", key=KEY))

    assert words == f"127.0.0.1:{port} could not be reached: Connection refused"


def test_a_server_that_never_accepts_was_not_reached() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]  # fill the backlog
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(address)

        words = error_of(
            Transport(f"http://127.0.0.1:{address[1]}", timeouts=Timeouts(connect_s=0.5))
        )

        for sock in waiting:
            sock.close()
    assert words.endswith("no connection within 0.5 s")


def test_a_certificate_that_is_not_trusted_was_not_reached(server_tls: ssl.SSLContext) -> None:
    with RawServer(answers(), tls=server_tls) as server:
        words = error_of(Transport(server.url, key=KEY))

        assert "its certificate is not trusted" in words
        assert server.results == []


def test_a_server_that_speaks_no_tls_was_not_reached() -> None:
    def handler(connection: Connection) -> None:
        connection.sock.recv(100)
        connection.sock.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

    with RawServer(handler) as server:
        words = error_of(Transport(server.url.replace("http:", "https:"), key=KEY))

        assert "TLS failed" in words


def test_a_handshake_that_hangs_was_not_reached() -> None:
    with RawServer(Connection.hold) as server:
        words = error_of(
            Transport(
                server.url.replace("http:", "https:"), timeouts=Timeouts(connect_s=0.5, read_s=0.5)
            )
        )

        assert "no connection within 0.5 s" in words


def test_a_name_that_does_not_exist_was_not_reached() -> None:
    words = error_of(Transport("https://no-such-host.invalid"))

    assert words == ("no-such-host.invalid could not be reached: no such host, or no name server")


def test_a_proxy_that_is_not_there_is_named_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    words = error_of(
        Transport("https://api.example.org", proxy=f"http://user:pass-word@127.0.0.1:{port}")
    )

    assert words == "api.example.org could not be reached: the proxy: Connection refused"


def test_a_proxy_that_refuses_the_tunnel_is_named_as_such() -> None:
    with RawServer(
        answers(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    ) as server:
        words = error_of(
            Transport("https://api.example.org", proxy=f"http://user:pass-word@{server.url[7:]}")
        )

        assert "the proxy: Tunnel connection failed: 407" in words
        assert "pass-word" not in words


# --- after bytes went out ----------------------------------------------------------------------


def test_a_server_that_never_answers_leaves_the_outcome_open() -> None:
    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.hold()

    with RawServer(handler) as server, Transport(server.url, timeouts=QUICK) as transport:
        body = body_of(1000)
        with pytest.raises(BrokenError) as caught:
            transport.request("POST", "datafiles/", body=body)

        assert caught.value.body_complete
        assert caught.value.bytes_sent == len(body)
        assert str(caught.value).endswith("nothing answered within 1 s")


def test_an_answer_that_trickles_for_ever_is_given_up() -> None:
    """A byte now and then starts the read time-out anew each time: patience must end by itself."""

    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.sock.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n")
        while not connection.stopping.wait(0.05):
            connection.sock.sendall(b" ")

    quick = Timeouts(connect_s=10, read_s=0.2)
    with RawServer(handler) as server, Transport(server.url, timeouts=quick) as transport:
        with pytest.raises(BrokenError) as caught:
            transport.request("POST", "datafiles/", body=body_of(1000))

        assert caught.value.body_complete
        assert "bytes of an answer came within 2 s" in str(caught.value)


def test_a_reset_after_n_bytes_leaves_the_outcome_open() -> None:
    def handler(connection: Connection) -> None:
        connection.read_head()
        connection.read_body(300_000)
        connection.reset()

    with RawServer(handler) as server, Transport(server.url) as transport:
        with pytest.raises(BrokenError) as caught:
            transport.request("POST", "datafiles/", body=body_of(64 * MEGABYTE))

        assert not caught.value.body_complete
        assert caught.value.bytes_sent > 200_000  # the piece that failed is not counted


def test_a_lost_answer_leaves_the_outcome_open() -> None:
    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.reset()

    with RawServer(handler) as server, Transport(server.url) as transport:
        with pytest.raises(BrokenError) as caught:
            transport.request("POST", "datafiles/", body=body_of(1000))

        assert caught.value.body_complete


def test_an_answer_that_is_cut_short_leaves_the_outcome_open() -> None:
    with (
        RawServer(answers(ANSWER[:-3])) as server,
        Transport(server.url) as transport,
    ):
        with pytest.raises(BrokenError) as caught:
            transport.request("POST", "datafiles/", body=body_of(1000))

        assert caught.value.body_complete
        assert str(caught.value).endswith("the answer was cut short")


def test_what_is_no_http_leaves_the_outcome_open() -> None:
    with (
        RawServer(answers(b"220 smtp.example.org ready\r\n")) as server,
        Transport(server.url) as transport,
        pytest.raises(BrokenError, match="no HTTP"),
    ):
        transport.request("GET", "")


def test_a_server_that_stops_reading_fails_after_the_read_time_out() -> None:
    def handler(connection: Connection) -> None:
        connection.read_head()
        connection.hold()

    timeouts = Timeouts(connect_s=0.5, read_s=1.5)
    with RawServer(handler) as server, Transport(server.url, timeouts=timeouts) as transport:
        started = time.monotonic()
        with pytest.raises(BrokenError) as caught:
            transport.request("POST", "datafiles/", body=body_of(64 * MEGABYTE))

        assert time.monotonic() - started >= 1.5
        assert not caught.value.body_complete
        assert 0 < caught.value.bytes_sent < 64 * MEGABYTE
        assert str(caught.value).endswith("no byte taken within 1.5 s")


def test_a_server_that_reads_slowly_is_waited_for() -> None:
    """As long as bytes move nothing times out, though each step takes longer than it may."""

    def handler(connection: Connection) -> int:
        # What waits is to wait in the sender's buffer: here it would count as taken.
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
        found = re.search(rb"Content-Length: (\d+)", connection.read_head())
        assert found
        size = int(found[1])
        while len(connection.received) < size:
            connection.stopping.wait(0.3)
            connection.read_body(min(size, len(connection.received) + 256 * 1024))
        connection.sock.sendall(ANSWER)
        return len(connection.received)

    with (
        RawServer(handler) as server,
        Transport(server.url, timeouts=Timeouts(connect_s=10, read_s=3)) as transport,
    ):
        body = body_of(6 * MEGABYTE)
        answer = transport.request("POST", "datafiles/", body=body)

        assert answer.http_status == 201
        assert server.result() == len(body) == transport.bytes_moved


# --- early answers -----------------------------------------------------------------------------

REFUSAL = (
    b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: 26\r\n"
    b'Connection: close\r\n\r\n{"detail": "Invalid key."}\n'
)[:-1]


def refuse_early(connection: Connection) -> None:
    connection.read_head()
    connection.read_body(100_000)
    connection.sock.sendall(REFUSAL)


def test_an_early_refusal_is_read_before_the_broken_pipe_is_believed() -> None:
    with RawServer(refuse_early) as server, Transport(server.url) as transport:
        answer = transport.request("POST", "datafiles/", body=body_of(64 * MEGABYTE))

        assert answer.http_status == 401
        assert answer.words() == "Invalid key."
        assert not answer.body_complete


def test_an_early_refusal_over_tls_is_read_too(server_tls: ssl.SSLContext, ca_bundle: Path) -> None:
    with (
        RawServer(refuse_early, tls=server_tls) as server,
        Transport(server.url, ca_bundle=str(ca_bundle)) as transport,
    ):
        answer = transport.request("POST", "datafiles/", body=body_of(64 * MEGABYTE))

        assert answer.http_status == 401
        assert not answer.body_complete


def test_an_abrupt_close_over_tls_leaves_the_outcome_open(
    server_tls: ssl.SSLContext, ca_bundle: Path
) -> None:
    def handler(connection: Connection) -> None:
        connection.read_head()
        connection.read_body(300_000)
        connection.reset()

    with (
        RawServer(handler, tls=server_tls) as server,
        Transport(server.url, ca_bundle=str(ca_bundle)) as transport,
    ):
        with pytest.raises(BrokenError) as caught:
            transport.request("POST", "datafiles/", body=body_of(64 * MEGABYTE))

        assert caught.value.bytes_sent > 200_000  # the piece that failed is not counted


def test_a_close_over_tls_in_place_of_the_answer_leaves_the_outcome_open(
    server_tls: ssl.SSLContext, ca_bundle: Path
) -> None:
    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.reset()

    with (
        RawServer(handler, tls=server_tls) as server,
        Transport(server.url, ca_bundle=str(ca_bundle)) as transport,
    ):
        with pytest.raises(BrokenError) as caught:
            transport.request("POST", "datafiles/", body=body_of(1000))

        assert caught.value.body_complete


def test_a_body_goes_through_tls_whole(server_tls: ssl.SSLContext, ca_bundle: Path) -> None:
    with (
        RawServer(answers(), tls=server_tls) as server,
        Transport(server.url, ca_bundle=str(ca_bundle)) as transport,
    ):
        answer = transport.request("POST", "datafiles/", body=body_of(3 * MEGABYTE))

        assert answer.http_status == 201
        assert answer.body_complete


# --- cuts of our own ---------------------------------------------------------------------------


def record_the_end(connection: Connection) -> tuple[str, bytes]:
    connection.read_head()
    return connection.how_it_ends(), connection.received


def closing_boundary(body: MultipartBody) -> bytes:
    return body.content_type.rpartition("=")[2].encode() + b"--"


def test_a_file_that_changed_is_never_completed_and_the_server_sees_a_reset() -> None:
    with RawServer(record_the_end) as server, Transport(server.url) as transport:
        body = body_of(MEGABYTE, unchanged=lambda _: False)
        with pytest.raises(BodyChangedError) as caught:
            transport.request("POST", "datafiles/", body=body)

        assert not caught.value.body_complete
        ending, received = server.result()  # type: ignore[misc]  # record_the_end's
        assert ending == "reset"
        assert closing_boundary(body) not in received


def test_a_file_that_became_shorter_is_never_completed() -> None:
    with RawServer(record_the_end) as server, Transport(server.url) as transport:
        body = MultipartBody(
            fields=[], file=io.BytesIO(bytes(100_000)), filename="a", size=MEGABYTE, unchanged=None
        )
        with pytest.raises(BodyChangedError, match="shorter"):
            transport.request("POST", "datafiles/", body=body)

        assert server.result()[0] == "reset"  # type: ignore[index]  # record_the_end's


def test_a_file_that_cannot_be_read_is_no_matter_of_the_network() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError(5, "Input/output error")
            return super().read(size)

    with RawServer(record_the_end) as server, Transport(server.url) as transport:
        file = Broken(bytes(MEGABYTE))
        body = MultipartBody(fields=[], file=file, filename="a", size=MEGABYTE)
        with pytest.raises(OSError, match="Input/output error"):
            transport.request("POST", "datafiles/", body=body)

        assert server.result()[0] == "reset"  # type: ignore[index]  # record_the_end's


def test_an_interrupt_while_sending_is_a_reset() -> None:
    def interrupt(_: int) -> None:
        if transport.bytes_moved:
            raise KeyboardInterrupt

    with RawServer(record_the_end) as server, Transport(server.url) as transport:
        with pytest.raises(KeyboardInterrupt):
            transport.request("POST", "datafiles/", body=body_of(MEGABYTE, on_block=interrupt))

        assert server.result()[0] == "reset"  # type: ignore[index]  # record_the_end's


SENDER = """
import io, sys
from arcsecond.multipart import MultipartBody
from arcsecond.transport import Transport

body = MultipartBody(fields=[], file=io.BytesIO(bytes(2**26)), filename="a", size=2**26)
Transport(sys.argv[1]).request("POST", "datafiles/", body=body)
"""


def test_a_killed_process_leaves_a_reset_and_no_end() -> None:
    """Who is killed can say nothing more; the kernel says it for him."""
    begun, go_on = threading.Event(), threading.Event()

    def handler(connection: Connection) -> str:
        connection.read_head()
        connection.read_body(100_000)
        begun.set()
        go_on.wait(30)
        return connection.how_it_ends()

    with RawServer(handler) as server:
        process = subprocess.Popen([sys.executable, "-c", SENDER, server.url])
        wait_until(begun.is_set)
        process.kill()
        process.wait()
        go_on.set()

        assert server.result() == "reset"


def cancelled_by_another_thread(
    transport: Transport, when: Callable[[], object], body: MultipartBody | None
) -> CancelledError:
    def cancel() -> None:
        wait_until(when)
        transport.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(CancelledError) as caught:
        transport.request("POST", "datafiles/", body=body)
    thread.join()
    return caught.value


def test_cancel_cuts_a_stalled_body_by_a_reset() -> None:
    go_on = threading.Event()

    def handler(connection: Connection) -> tuple[str, bytes]:
        connection.read_head()
        go_on.wait(30)
        return connection.how_it_ends(), connection.received

    with RawServer(handler) as server, Transport(server.url) as transport:
        body = body_of(64 * MEGABYTE)
        error = cancelled_by_another_thread(
            transport, lambda: transport.bytes_moved > 100_000, body
        )
        go_on.set()

        assert 0 < error.bytes_sent < len(body)
        assert not error.body_complete
        ending, received = server.result()  # type: ignore[misc]  # record_the_end's
        assert ending == "reset"
        assert closing_boundary(body) not in received


@pytest.mark.parametrize("encrypted", [False, True])
def test_cancel_cuts_the_wait_for_an_answer(
    encrypted: bool, server_tls: ssl.SSLContext, ca_bundle: Path
) -> None:
    arrived = threading.Event()

    def handler(connection: Connection) -> str:
        connection.read_request()
        arrived.set()
        return connection.how_it_ends()

    with (
        RawServer(handler, tls=server_tls if encrypted else None) as server,
        Transport(server.url, ca_bundle=str(ca_bundle)) as transport,
    ):
        error = cancelled_by_another_thread(transport, arrived.is_set, body_of(1000))

        assert error.body_complete
        assert server.result() == "reset" or server.errors


def test_cancel_does_nothing_when_nothing_is_in_hand() -> None:
    with RawServer(answers()) as server, Transport(server.url) as transport:
        transport.cancel()

        assert transport.request("GET", "").http_status == 201


# --- where the key goes ------------------------------------------------------------------------


def test_a_redirect_is_an_answer_and_the_key_does_not_travel() -> None:
    with RawServer(answers()) as other:
        redirect = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {other.url}/datafiles/\r\n"
        with (
            RawServer(answers(f"{redirect}Content-Length: 0\r\n\r\n".encode())) as server,
            Transport(server.url, key=KEY) as transport,
        ):
            answer = transport.request("POST", "datafiles/", body=body_of(10))

            assert answer.http_status == 307
            assert KEY.reveal().encode() in server.result()  # type: ignore[operator]  # bytes
        assert other.accepted == 0


def test_the_next_page_of_another_origin_is_refused() -> None:
    with (
        RawServer(answers()) as other,
        Transport("http://127.0.0.1:1", key=KEY) as transport,
    ):
        with pytest.raises(RedirectError, match="another server"):
            transport.request("GET", f"{other.url}/datasets/?page=2")

        assert other.accepted == 0


def test_the_key_is_left_out_where_it_is_not_wanted() -> None:
    with RawServer(answers()) as server, Transport(server.url, key=KEY) as transport:
        transport.request("POST", "auth/key/verify/", json={"a": 1}, authenticated=False)

        assert KEY.reveal().encode() not in server.result()  # type: ignore[operator]  # bytes


def test_loopback_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(answers()) as proxy, RawServer(answers()) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        with Transport(server.url, proxy=proxy.url) as transport:
            transport.request("GET", "")

        assert (server.accepted, proxy.accepted) == (1, 0)


def test_the_environments_proxy_is_used_for_other_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(answers()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", "//ludwig:word@"))
        with Transport("http://dome.example.org", allow_http=True) as transport:
            transport.request("GET", "telescopes/")

        assert b"Proxy-Authorization: Basic bHVkd2lnOndvcmQ=" in proxy.result()  # type: ignore[operator]  # bytes
        assert proxy.result().startswith(b"GET http://dome.example.org/telescopes/ HTTP/1.1")  # type: ignore[attr-defined]  # bytes


def test_a_tunnel_through_a_proxy_carries_tls_to_the_server(
    authority: trustme.CA, ca_bundle: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("dome.example.org").configure_cert(context)
    with RawServer(keep_answering, tls=context) as server:

        def tunnel(connection: Connection) -> bytes:
            head = connection.read_head()
            connection.sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with socket.create_connection(("127.0.0.1", server.port)) as onwards:
                ends = {connection.sock: onwards, onwards: connection.sock}
                while ends:
                    for end in select.select(list(ends), [], [])[0]:
                        if data := end.recv(65536):
                            ends[end].sendall(data)
                        else:
                            ends = {}
                            break
            return head

        with (
            RawServer(tunnel) as proxy,
            Transport(
                "https://dome.example.org", key=KEY, proxy=proxy.url, ca_bundle=str(ca_bundle)
            ) as transport,
        ):
            for _ in range(2):
                answer = transport.request("POST", "datafiles/", body=body_of(MEGABYTE))
                assert answer.http_status == 201
            transport.close()

            assert (proxy.accepted, server.accepted) == (1, 1)
            assert KEY.reveal().encode() not in proxy.result()  # type: ignore[operator]  # bytes


def test_netrc_is_never_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ludwig password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with RawServer(answers()) as server, Transport(server.url, key=KEY) as transport:
        transport.request("GET", "")

        assert b"\r\nauthorization:" not in server.result().lower()  # type: ignore[attr-defined]  # bytes


def test_neither_trace_nor_answer_nor_error_shows_the_key() -> None:
    lines: list[str] = []
    echo = b'{"detail": "no such key: a-key-that-stays-put"}'
    head = f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(echo)}\r\n\r\n".encode()
    with (
        RawServer(answers(head + echo)) as server,
        Transport(server.url, key=KEY, trace=lines.append) as transport,
    ):
        answer = transport.request("POST", "datasets/", json={"name": "M31"})

    shown = f"{answer!r} {answer.words()} {transport!r} {lines}"
    assert KEY.reveal() not in shown
    assert answer.words() == "no such key: …"
    assert lines[0] == f"> POST {server.url}/datasets/"
    assert lines[1].startswith("< 400 Bad Request")


# --- the connection ----------------------------------------------------------------------------


def keep_answering(connection: Connection) -> None:
    while connection.read_request():
        connection.received = b""
        connection.sock.sendall(ANSWER)


@pytest.mark.parametrize("encrypted", [False, True])
def test_the_connection_is_kept_alive(
    encrypted: bool, server_tls: ssl.SSLContext, ca_bundle: Path
) -> None:
    with (
        RawServer(keep_answering, tls=server_tls if encrypted else None) as server,
        Transport(server.url, ca_bundle=str(ca_bundle)) as transport,
    ):
        for _ in range(3):
            transport.request("POST", "datafiles/", body=body_of(1000))

        assert server.accepted == 1


def test_a_connection_that_rested_too_long_is_not_used_again() -> None:
    with (
        RawServer(keep_answering) as server,
        Transport(server.url, timeouts=Timeouts(idle_s=0)) as transport,
    ):
        for _ in range(2):
            transport.request("POST", "datafiles/", body=body_of(1000))

        assert server.accepted == 2


def test_after_an_early_answer_the_next_request_has_a_connection_of_its_own() -> None:
    with RawServer(refuse_early) as server, Transport(server.url) as transport:
        for _ in range(2):
            answer = transport.request("POST", "datafiles/", body=body_of(64 * MEGABYTE))
            assert answer.http_status == 401

        assert server.accepted == 2


def test_an_interim_answer_is_not_taken_for_the_answer() -> None:
    """Else the next request on that connection would be given the answer of this one."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"

    def handler(connection: Connection) -> None:
        for number in (b"1", b"2"):
            connection.read_request()
            connection.received = b""
            connection.sock.sendall(interim + b"HTTP/1.1 102 Processing\r\n\r\n")
            connection.sock.sendall(ANSWER.replace(b'"pk":1', b'"pk":' + number))

    with RawServer(handler) as server, Transport(server.url, key=KEY) as transport:
        for number in (1, 2):
            answer = transport.request("POST", "datafiles/", body=body_of(1000))
            assert (answer.http_status, answer.json()) == (201, {"pk": number})


def test_a_server_that_only_says_that_it_is_busy_is_given_up() -> None:
    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.sock.sendall(b"HTTP/1.1 102 Processing\r\n\r\n" * 2000)
        connection.how_it_ends()

    with (
        RawServer(handler) as server,
        Transport(server.url, key=KEY) as transport,
        pytest.raises(BrokenError),
    ):
        transport.request("POST", "datafiles/", body=body_of(1000))


def test_switched_protocols_is_no_answer_and_ends_the_connection() -> None:
    """Nobody asked for another protocol; what comes after it may be the answer to this request."""

    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n")
        connection.received = b""
        connection.read_request()
        connection.sock.sendall(ANSWER)

    with RawServer(handler) as server, Transport(server.url, key=KEY) as transport:
        with pytest.raises(BrokenError):
            transport.request("POST", "datafiles/", body=body_of(1000))
        with pytest.raises(BrokenError):
            transport.request("POST", "datafiles/", body=body_of(1000))

        assert server.accepted == 2


WHOLE_BUFFER = 8192 - 78
"""With its headers such an answer ends where a buffer of Python's ends: nothing is read ahead."""


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("length", [8, WHOLE_BUFFER, 100_000])
@pytest.mark.parametrize("at_once", [True, False])
def test_what_nobody_asked_for_is_not_taken_for_the_next_answer(
    encrypted: bool, length: int, at_once: bool, server_tls: ssl.SSLContext, ca_bundle: Path
) -> None:
    content = b'{"pk":1}'.ljust(length)
    stray = ANSWER.replace(b'"pk":1', b'"pk":9')
    is_sent = threading.Event()
    first = ANSWER.replace(b"Length: 8", b"Length: %d" % length).replace(b'{"pk":1}', content)

    def handler(connection: Connection) -> None:
        connection.read_request()
        if at_once:
            connection.sock.sendall(first + stray)
        else:
            connection.sock.sendall(first)
            connection.sock.sendall(stray)
        is_sent.set()
        connection.received = b""
        if connection.read_request():
            connection.sock.sendall(ANSWER.replace(b'"pk":1', b'"pk":2'))

    with (
        RawServer(handler, tls=server_tls if encrypted else None) as server,
        Transport(server.url, ca_bundle=str(ca_bundle)) as transport,
    ):
        assert transport.request("POST", "datafiles/", body=body_of(1000)).json() == {"pk": 1}
        assert is_sent.wait(20)
        answer = transport.request("POST", "datafiles/", body=body_of(1000)).json()

    assert answer != {"pk": 9}


def test_an_answer_that_is_too_long_is_given_up() -> None:
    with RawServer(answers()) as server, Transport(server.url) as transport:
        with pytest.raises(UnclearAnswerError, match="longer than 5 bytes"):
            transport.request("GET", "", longest_answer_bytes=5)

        assert transport.request("GET", "").http_status == 201


def test_what_the_reader_of_an_answer_meets_is_no_trouble_of_the_connection() -> None:
    """A closed pipe, for one, where an answer is printed as it comes."""

    def take(_: bytes) -> None:
        raise BrokenPipeError("the pager has gone")

    with RawServer(answers()) as server, Transport(server.url) as transport:
        with pytest.raises(BrokenPipeError, match="the pager has gone"):
            transport.request("GET", "", on_content=take)

        assert transport.request("GET", "").http_status == 201


def test_a_trace_tells_the_bytes_of_an_answer_that_was_read_as_it_came() -> None:
    lines: list[str] = []
    pieces: list[bytes] = []
    with RawServer(answers()) as server, Transport(server.url, trace=lines.append) as transport:
        answer = transport.request("GET", "", on_content=pieces.append)

    assert (answer.content, b"".join(pieces)) == (b"", b'{"pk":1}')
    assert "< 201 Created, 8 bytes" in lines[-1]


@pytest.mark.parametrize("bundle", ["missing.pem", "not-a-certificate.pem"])
def test_a_ca_bundle_that_cannot_be_used_is_a_matter_of_configuration(
    bundle: str, tmp_path: Path
) -> None:
    (tmp_path / "not-a-certificate.pem").write_text("hello")
    with (
        Transport("https://127.0.0.1:1", ca_bundle=str(tmp_path / bundle)) as transport,
        pytest.raises(ConfigError, match="CA bundle"),
    ):
        transport.request("GET", "")


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def ca_bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path
