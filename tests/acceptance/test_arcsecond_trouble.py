"""`arcsecond` where the network, a certificate, the clock or the server is wrong: words, never a key."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from arcsecond.config import KeyType, Secret, add_api, config_file, store_key, use_api
from tests.support.certificates import Authority
from tests.support.proxy import Proxy
from tests.support.wall_clock import WallClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.command import Command
    from tests.support.sandbox import Sandbox

ARCSECOND = str(Path(sys.executable).with_name("arcsecond"))


def run(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ARCSECOND, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def register(server: str, sandbox: Sandbox) -> None:
    """Store an address with the sandbox's account, as after a login that went well."""
    add_api("box", server, allow_http=True)
    use_api("box")
    store_key(
        "box",
        username=sandbox.username,
        key_type=KeyType.ACCESS,
        key=Secret(sandbox.access_key),
    )


# --- the clock ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (timedelta(days=-3650), "is not yet valid by this computer's clock"),
        (timedelta(days=40), "has expired by this computer's clock"),
    ],
)
def test_a_wrong_clock_is_named_where_it_spoils_a_certificate(
    step: timedelta, words: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The certificate is good from yesterday to next month, and the clock is set wrong."""
    authority = Authority(tmp_path)
    clock = WallClock(tmp_path)
    environment = clock.environment | {"SSL_CERT_FILE": str(authority.bundle)}
    with Proxy(sandbox.port, tls=authority.valid_for(days_ago=1, days_on=30)) as server:
        register(server.url, sandbox)
        good = run("telescopes", environment=environment)
        clock.step(step)
        bad = run("telescopes", "-v", environment=environment)

    assert good.returncode == 0, good.stderr
    assert bad.returncode == 1
    assert f"{words} ({clock.now():%Y-%m-%d})" in bad.stderr
    assert f"Hint: This computer's clock shows {clock.now():%Y-%m-%d} " in bad.stderr
    assert "Traceback" not in bad.stderr


def test_a_login_warns_of_a_clock_that_differs_from_the_servers(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    clock = WallClock(tmp_path)
    clock.step(timedelta(hours=-5))
    add_api("box", sandbox.url)

    done = subprocess.run(
        [ARCSECOND, "login", "--api", "box", "-u", sandbox.username, "--upload_key", "-", "-v"],
        input=sandbox.upload_key,
        env=os.environ | clock.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Warning: this computer's clock is 5 h 0 min behind the server's; set it" in done.stderr
    assert "! this computer's clock is 5 h 0 min behind the server's" in done.stderr


# --- the network --------------------------------------------------------------------------------


def test_each_trouble_of_the_network_is_one_line_and_a_remedy(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Nobody listens; no such name; an authority nobody knows; no TLS; a proxy that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = f"127.0.0.1:{listener.getsockname()[1]}"
    authority = Authority(tmp_path)
    with Proxy(sandbox.port, tls=authority.of_nobody_known()) as unknown:
        troubles: list[tuple[str, dict[str, str], str, str]] = [
            (f"http://{closed}", {}, "Connection refused", "Does the server run"),
            ("https://no-such-host.invalid", {}, "no such host", "Is this computer online?"),
            (unknown.url, {}, "its certificate is not trusted", "REQUESTS_CA_BUNDLE"),
            (sandbox.url.replace("http:", "https:"), {}, "speaks no TLS", "arcsecond api"),
            (
                "https://dome.example.org",
                {"HTTPS_PROXY": f"http://ludwig:pass-word@{closed}"},
                "the proxy: Connection refused",
                "NO_PROXY",
            ),
            (
                "http://dome.example.org",
                {"ALL_PROXY": f"http://ludwig:pass-word@{closed}"},
                "the proxy: Connection refused",
                "HTTPS_PROXY",
            ),
            (
                "https://dome.example.org",
                {"HTTPS_PROXY": "socks9://ludwig:pass-word@dome"},
                "the proxy's address cannot be used",
                "HTTPS_PROXY",
            ),
        ]
        for server, environment, words, hint in troubles:
            register(server, sandbox)
            plain = run("datasets", environment=environment)
            full = run("datasets", "-v", "--debug", environment=environment)

            assert (plain.returncode, plain.stdout) == (1, ""), server
            error, remedy = plain.stderr.splitlines()
            assert error.startswith("Error: "), error
            assert words in error, error
            assert remedy.startswith("Hint: "), remedy
            assert hint in remedy, remedy
            assert full.stderr.endswith(plain.stderr), full.stderr
            assert "Traceback" in full.stderr
            for secret in ("pass-word", sandbox.access_key):
                assert secret not in plain.stderr + full.stdout + full.stderr


def test_a_damaged_config_is_one_line_with_its_place() -> None:
    config_file().parent.mkdir(mode=0o700)
    config_file().write_text("[cloud]\nusername = u\nthe-key-itself\n")
    config_file().chmod(0o600)

    for command in ("me", "api", "logout"):
        done = run(command, environment={})

        assert done.returncode == 1
        error, remedy = done.stderr.splitlines()
        assert error.startswith(f"Error: {config_file()}, line 3: ")
        assert remedy.startswith("Hint: Mend that line")
        assert "the-key-itself" not in run(command, "--debug", environment={}).stderr


def test_a_disk_that_takes_no_more_leaves_the_stored_key(sandbox: Sandbox) -> None:
    """Files may have 16 bytes: the key is accepted by the server and cannot be stored."""
    register(sandbox.url, sandbox)
    before = config_file().read_bytes()

    done = subprocess.run(
        [ARCSECOND, "login", "-u", sandbox.username, "--upload_key", "-"],
        input=sandbox.upload_key,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == f"Error: {config_file()} cannot be written: File too large\n"
    assert config_file().read_bytes() == before
    assert [path.name for path in config_file().parent.iterdir()] == ["config.ini"]


@pytest.mark.parametrize("command", ["me", "api", "logout"])
def test_a_config_that_others_may_read_is_mended_with_a_warning_each(
    sandbox: Sandbox, command: str
) -> None:
    register(sandbox.url, sandbox)
    config_file().chmod(0o644)
    config_file().parent.chmod(0o755)

    first = run(command, environment={})
    second = run(command, environment={})

    assert first.stderr == (
        f"Warning: {config_file().parent} was open to others (mode 755): mended to 700\n"
        f"Warning: {config_file()} was open to others (mode 644): mended to 600\n"
    )
    assert second.stderr == ""


# --- the key ------------------------------------------------------------------------------------


def test_whatever_the_server_says_no_output_has_the_key(
    logged_in: Sandbox, arcsecond: Command
) -> None:
    """The server repeats the key: in what it lists, in an error, a page, a redirect, as no JSON."""
    upload_key, access_key = logged_in.upload_key, logged_in.access_key
    code = arcsecond("login", "-u", logged_in.username, "--upload_key", "-", stdin=upload_key)
    assert code == 0
    words = f"Key {access_key}, {upload_key}"
    told = {"uuid": "0b1c", "username": words, "name": words, "key": access_key, "email": words}
    host = f"https://{access_key}.example.org/"
    answers: dict[str, dict[str, object]] = {
        "object": {"status": 200, "body": told},
        "list": {"status": 200, "body": [told]},
        "error": {"status": 400, "body": {"detail": words, words: [words]}},
        "page": {"status": 500, "body": f"<h1>{words}</h1>", "content_type": "text/html"},
        "text": {"status": 403, "body": words, "content_type": "text/plain"},
        "redirect": {"status": 302, "headers": {"Location": host}},
        "next": {"status": 200, "body": {"next": host, "results": [told]}},
    }
    commands = (
        ("me",),
        ("datasets",),
        ("datasets", "--filter", f"name={access_key}"),
        ("datasets", "read", access_key),
        ("datasets", "create", f"name={access_key}"),
        ("datasets", "update", "0b1c", "name=b"),
        ("datasets", "delete", "0b1c"),
        ("login", "-u", logged_in.username, "--access-key", access_key),
        ("login", "-u", logged_in.username, "--type", "upload", "--key", upload_key),
    )
    seen = ""
    for name, answer in answers.items():
        logged_in.clear()
        logged_in.rule(path="/", times=1000, **answer)
        for command in commands:
            for flags in ((), ("--json",), ("-v", "--debug")):
                if command[0] == "login" and "--json" in flags:
                    continue
                arcsecond(*command, *flags, stdin="n\n")
                told_now = arcsecond.out + arcsecond.err
                assert access_key not in told_now, (name, command, flags)
                assert upload_key not in told_now, (name, command, flags)
                seen += told_now
    logged_in.clear()

    assert "Traceback" in seen
    assert "…" in seen
