"""What a transport refuses before it asks anything."""

from __future__ import annotations

import pytest
from urllib3.exceptions import HTTPError, LocationParseError

from arcsecond.config import Secret
from arcsecond.errors import ConfigError, RedirectError
from arcsecond.transport import Transport, is_of_settings


def test_an_address_that_urllib3_refuses_is_a_matter_of_the_settings() -> None:
    assert is_of_settings(LocationParseError("a..b"))
    assert not is_of_settings(HTTPError())
    assert not is_of_settings(OSError())


@pytest.mark.parametrize(
    "server",
    [
        "http://dome.example.org",
        "ftp://127.0.0.1",
        "https://",
        "https://a@b.org",
        "https://b.org/?q",
    ],
)
def test_an_address_that_cannot_be_used_is_refused(server: str) -> None:
    with pytest.raises(ConfigError):
        Transport(server)


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "ünïcode"])
def test_a_key_that_would_break_the_header_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Transport("https://api.example.org", key=Secret(key))

    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "http://", "http://[::1", "http://:0"])
def test_a_proxy_that_cannot_be_used_is_refused(proxy: str) -> None:
    with pytest.raises(ConfigError, match="proxy"):
        Transport("https://api.example.org", proxy=proxy)


@pytest.mark.parametrize(
    ("server", "following", "asked"),
    [
        ("https://a.org/api", "https://a.org/api/d/?page=2", "https://a.org/api/d/?page=2"),
        ("https://a.org", "HTTPS://A.org:443/d/?p=%C3%A9", "https://a.org/d/?p=%C3%A9"),
        ("https://a.org", "http://a.org/d/?page=2", "https://a.org/d/?page=2"),
        ("https://a.org:8443", "http://a.org:8443/d/", "https://a.org:8443/d/"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/d/", "http://127.0.0.1:9/d/"),
        ("https://a.org", "datasets/?p=1", "https://a.org/datasets/%3Fp=1"),
        ("https://a.org", "//b.org/d/", "https://a.org/b.org/d/"),
    ],
)
def test_the_next_page_is_asked_of_the_configured_origin(
    server: str, following: str, asked: str
) -> None:
    assert Transport(server)._url(following, None) == asked


@pytest.mark.parametrize(
    "following",
    [
        "https://b.org/d/",
        "https://a.org:8443/d/",
        "https://a.org.b.org/d/",
        "https://b.org@a.org/d/",
        "https://a.org@b.org/d/",
        "http://a.org:8080/d/",
        "https://[a.org/d/",
        "https://a.org:port/",
        "https:///d/",
    ],
)
def test_the_next_page_of_another_origin_is_refused(following: str) -> None:
    with pytest.raises(RedirectError):
        Transport("https://a.org")._url(following, None)
