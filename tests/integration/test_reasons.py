"""Why a server cannot be reached: what the network, TLS and proxies do, and the remedy that is named."""

from __future__ import annotations

import re
import socket
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from arcsecond.config import Secret
from arcsecond.errors import ConfigError, NotReachedError
from arcsecond.server_clock import ServerClock, this_computers_time
from arcsecond.transport import Timeouts, Transport
from tests.support.certificates import Authority
from tests.support.raw_server import ANSWER, Connection, RawServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

KEY = Secret("a-key-that-stays-put")


def answering(answer: bytes) -> Callable[[Connection], None]:
    """Return a handler that answers one request."""

    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.sock.sendall(answer)

    return handler


def failure(transport: Transport) -> NotReachedError:
    """Return why the transport, which is closed afterwards, gets no answer."""
    with transport, pytest.raises(NotReachedError) as caught:
        transport.request("GET", "datasets/")
    return caught.value


def closed_port() -> int:
    """Return a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def behind(tls: ssl.SSLContext, authority: Authority) -> NotReachedError:
    """Return what is said of a server with this certificate by who trusts its authority."""
    with RawServer(answering(ANSWER), tls=tls) as server:
        return failure(Transport(server.url, key=KEY, ca_bundle=str(authority.bundle)))


def test_who_refuses_is_asked_whether_the_server_runs() -> None:
    error = failure(Transport(f"http://127.0.0.1:{closed_port()}"))

    assert error.message.endswith("could not be reached: Connection refused")
    assert (
        error.hint == "Does the server run, and at this port: see the address with `arcsecond api`?"
    )


def test_a_name_that_is_not_found_asks_whether_this_computer_is_online() -> None:
    error = failure(Transport("https://no-such-host.invalid"))

    assert str(error.hint).startswith("Is this computer online? Is the name right")


def test_a_time_out_asks_for_the_network_and_a_proxy() -> None:
    with RawServer(Connection.hold) as server:
        url = server.url.replace("http:", "https:")
        error = failure(Transport(url, timeouts=Timeouts(connect_s=0.3, read_s=0.3)))

    assert "no connection within 0.3 s" in error.message
    assert "HTTPS_PROXY" in str(error.hint)


def test_an_unknown_authority_is_told_where_to_be_named(authority: Authority) -> None:
    error = behind(authority.of_nobody_known(), authority)

    assert "its certificate is not trusted (" in error.message
    assert "REQUESTS_CA_BUNDLE, SSL_CERT_FILE" in str(error.hint)


def test_a_certificate_of_another_host_asks_for_the_address(authority: Authority) -> None:
    error = behind(authority.of_another_host(), authority)

    assert "its certificate is not trusted (" in error.message
    assert "of another host" in str(error.hint)


@pytest.mark.parametrize(
    ("kind", "words"), [("expired", "has expired"), ("not_yet_valid", "is not yet valid")]
)
def test_a_certificate_out_of_its_time_names_this_computers_clock(
    kind: str, words: str, authority: Authority
) -> None:
    today = this_computers_time()
    error = behind(getattr(authority, kind)(), authority)

    assert f"its certificate {words} by this computer's clock ({today:%Y-%m-}" in error.message
    shown = re.match(r"This computer's clock shows (\S+ \S+) UTC: if that", str(error.hint))
    assert shown
    then = datetime.strptime(f"{shown[1]} +0000", "%Y-%m-%d %H:%M %z")
    assert abs(then - today) < timedelta(minutes=2)


def test_a_server_that_told_its_time_before_tells_by_how_much_the_clock_is_wrong(
    authority: Authority,
) -> None:
    """Its first answer says that it is nine days ago; its next certificate is over."""
    date = format_datetime(this_computers_time() - timedelta(days=9, hours=1), usegmt=True)
    answer = ANSWER.replace(b"\r\n\r\n", f"\r\nDate: {date}\r\n\r\n".encode(), 1)
    lines: list[str] = []
    server = RawServer(answering(answer), tls=authority.good())
    transport = Transport(server.url, ca_bundle=str(authority.bundle), trace=lines.append)
    with server, transport:
        transport.request("GET", "")
        transport.close()
        server._tls = authority.expired()
        with pytest.raises(NotReachedError) as caught:
            transport.request("GET", "")

    assert "! this computer's clock is 9 days ahead of the server's" in lines
    assert caught.value.hint == "This computer's clock is 9 days ahead of the server's: set it."


def test_a_date_that_a_cache_kept_says_nothing_of_the_clock() -> None:
    date = format_datetime(this_computers_time() - timedelta(hours=9), usegmt=True)
    head = f"\r\nDate: {date}\r\nAge: 32400\r\n\r\n".encode()
    server = RawServer(answering(ANSWER.replace(b"\r\n\r\n", head, 1)))
    with server, Transport(server.url) as transport:
        transport.request("GET", "")

        assert transport.clock_difference is None


@pytest.mark.parametrize(
    ("behind_s", "words"),
    [
        (0, None),
        (58, None),
        (-58, None),
        (125, "2 min ahead of"),
        (-3 * 3600 - 600, "3 h 10 min behind"),
        (86400 * 400, "400 days ahead of"),
    ],
)
def test_a_difference_of_the_clocks_is_told_from_a_minute_on(
    behind_s: int, words: str | None
) -> None:
    clock = ServerClock()
    assert clock.difference() is None

    clock.heard(this_computers_time() - timedelta(seconds=behind_s))
    clock.heard(None)

    assert clock.difference() == words


def test_the_servers_time_goes_on_between_its_answers() -> None:
    """An hour after the answer this computer's clock still shows the time of the answer."""
    clock = ServerClock()
    clock.heard(this_computers_time())
    clock._heard_s -= 3600

    assert clock.difference() == "60 min behind"


# --- certificates and proxies of the environment ------------------------------------------------


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificates_of_the_environment_are_trusted(
    variable: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(authority.bundle))
    with (
        RawServer(answering(ANSWER), tls=authority.good()) as server,
        Transport(server.url) as transport,
    ):
        assert transport.request("GET", "").http_status == 201


def test_the_setting_wins_over_the_environment(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "no such file"))
    with (
        RawServer(answering(ANSWER), tls=authority.good()) as server,
        Transport(server.url, ca_bundle=str(authority.bundle)) as transport,
    ):
        assert transport.request("GET", "").http_status == 201


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file or directory"), (b"words", "holds no certificates")]
)
def test_a_bundle_that_cannot_be_used_is_named_with_its_variable(
    content: bytes | None, why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))

    with Transport("https://127.0.0.1:1") as transport, pytest.raises(ConfigError) as caught:
        transport.request("GET", "")

    assert caught.value.message.startswith(f"the CA bundle {path} (named by SSL_CERT_FILE) cannot")
    assert why in caught.value.message


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_that_is_not_there_names_the_variables_and_not_its_password(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f"http://ludwig:pass-word@127.0.0.1:{closed_port()}")

    error = failure(Transport("https://dome.example.org"))

    assert error.message == ("dome.example.org could not be reached: the proxy: Connection refused")
    assert "HTTPS_PROXY" in str(error.hint)
    assert "pass-word" not in f"{error!r}{error.hint}{error.__cause__}"


def test_a_proxy_that_wants_a_user_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with RawServer(answering(refusal)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        error = failure(Transport("https://dome.example.org"))

    assert "the proxy: Tunnel connection failed: 407" in error.message
    assert "USER:PASSWORD@" in str(error.hint)


def test_who_needs_no_proxy_is_reached_without(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(answering(ANSWER)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "elsewhere.org,.invalid")
        error = failure(Transport("https://no-such-host.invalid"))

        assert "no such host" in error.message
        assert proxy.accepted == 0
