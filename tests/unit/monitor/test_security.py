"""Who may look and who may change, by a request's headers."""

from __future__ import annotations

import pytest

from oort.monitor.security import COOKIE, Access, host_name, is_loopback, is_same_origin

TOKEN = "a-token-of-the-observatory"
GUARDED = Access(token=TOKEN, hosts=frozenset({"dome.example"}))


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost", "localhost"),
        ("LOCALHOST:5001", "localhost"),
        ("127.0.0.1:5001", "127.0.0.1"),
        ("[::1]:5001", "::1"),
        ("dome.example.:80", "dome.example"),
        ("", None),
        (":5001", None),
        ("a b", None),
        ("user@localhost", None),
        ("localhost/evil", None),
        ("localhost:5001:1", None),
        ("[::1", None),
    ],
)
def test_the_name_in_a_host(host: str, name: str | None) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:5001", "dome.example:5001"])
def test_our_names_are_ours_whatever_the_port(host: str) -> None:
    assert GUARDED.is_our_host([host])


@pytest.mark.parametrize(
    "hosts",
    [
        ["evil.example"],
        ["localhost.evil.example"],
        ["127.0.0.1.evil.example"],
        ["dome.example.evil"],
        ["192.168.7.9"],
        [],
        [""],
        ["localhost", "evil.example"],
        ["localhost", "localhost"],
    ],
)
def test_any_other_name_is_not(hosts: list[str]) -> None:
    assert not GUARDED.is_our_host(hosts, "192.168.7.8")


def test_the_address_that_a_connection_came_to_is_ours_a_name_is_not() -> None:
    assert GUARDED.is_our_host(["192.168.7.8:5001"], "192.168.7.8")
    assert not GUARDED.is_our_host(["evil.example"], "evil.example")


def test_without_a_token_everybody_may_look() -> None:
    assert Access().may_look(None, None)


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Bearer  {TOKEN} "])
def test_who_sends_the_token_may_look(header: str) -> None:
    assert GUARDED.may_look(header, None)


@pytest.mark.parametrize(
    ("authorization", "cookie"),
    [
        (None, None),
        (None, ""),
        (None, f"{COOKIE}="),
        (None, f"{COOKIE}={TOKEN}"),
        (None, f"other={GUARDED.cookie}"),
        (None, f"{COOKIE}={GUARDED.cookie}x"),
        ("", None),
        (TOKEN, None),
        ("Bearer", None),
        ("Bearer ", None),
        (f"Basic {TOKEN}", None),
        (f"Bearer {TOKEN}x", None),
        (f"Bearer {TOKEN[:-1]}", None),
        ("Bearer ünïcode", None),
    ],
)
def test_who_has_it_not_may_not(authorization: str | None, cookie: str | None) -> None:
    assert not GUARDED.may_look(authorization, cookie)


def test_a_wrong_token_is_not_mended_by_a_cookie() -> None:
    assert not GUARDED.may_look("Bearer wrong", f"{COOKIE}={GUARDED.cookie}")


def test_the_cookie_proves_the_token_and_is_not_it() -> None:
    assert GUARDED.may_look(None, f"a=b; {COOKIE}={GUARDED.cookie}; c=d")
    assert TOKEN not in GUARDED.cookie
    assert Access(token="another").cookie != GUARDED.cookie


@pytest.mark.parametrize(
    ("origin", "host", "is_same"),
    [
        ("http://localhost:5001", "localhost:5001", True),
        ("https://dome.example", "dome.example", True),
        ("http://LOCALHOST:5001", "localhost:5001", True),
        (None, "localhost:5001", False),
        ("", "localhost:5001", False),
        ("null", "localhost:5001", False),
        ("http://localhost:5002", "localhost:5001", False),
        ("http://evil.example", "localhost:5001", False),
        ("http://localhost:5001.evil.example", "localhost:5001", False),
        ("file://localhost:5001", "localhost:5001", False),
    ],
)
def test_a_change_comes_from_where_the_page_is(
    origin: str | None, host: str, *, is_same: bool
) -> None:
    assert is_same_origin(origin, host) is is_same


def test_only_our_own_page_may_change() -> None:
    access = Access()
    here = ("http://localhost:5001", "localhost:5001")

    assert access.may_change(*here, access.page_token)
    assert not access.may_change(*here, None)
    assert not access.may_change(*here, "")
    assert not access.may_change(*here, Access().page_token)
    assert not access.may_change("http://evil.example", "localhost:5001", access.page_token)
    assert not Access(read_only=True, page_token="t" * 20).may_change(*here, "t" * 20)


@pytest.mark.parametrize(
    ("addresses", "is_so"),
    [
        (["127.0.0.1"], True),
        (["127.0.0.1", "::1"], True),
        (["127.9.9.9"], True),
        (["0.0.0.0"], False),  # noqa: S104  # nothing is bound
        (["::"], False),
        (["127.0.0.1", "192.168.7.8"], False),
        (["fe80::1%eth0"], False),
        ([], False),
    ],
)
def test_what_only_this_machine_reaches(addresses: list[str], *, is_so: bool) -> None:
    assert is_loopback(addresses) is is_so
