"""The `arcsecond` command against a sandbox: what it does, prints, and ends with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from arcsecond.cli.main import COMMANDS
from arcsecond.config import ArcsecondConfig, Secret, config_file
from arcsecond.version import __version__
from tests.support.sandbox import Sandbox, running_sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command import Command


# --- login -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "stored"),
    [
        (("--username", "U", "--upload_key", "K"), "upload"),
        (("--username", "U", "--upload-key", "K"), "upload"),
        (("-u", "U", "--access_key", "K"), "access"),
        (("-u", "U", "--access-key", "K"), "access"),
        (("-u", "U", "--type", "upload", "--key", "K"), "upload"),
        (("-u", "U", "--type", "access", "--key", "K"), "access"),
        (("-u", "U", "--type", "access", "--access-key", "K", "--api", "box"), "access"),
    ],
)
def test_a_key_on_the_command_line_is_stored_with_a_warning(
    options: tuple[str, ...], stored: str, server: Sandbox, arcsecond: Command
) -> None:
    key = getattr(server, f"{stored}_key")
    given = {"U": server.username, "K": key}

    assert arcsecond("login", *(given.get(o, o) for o in options)) == 0, arcsecond.err

    assert getattr(ArcsecondConfig("box"), f"{stored}_key") == Secret(key)
    assert ArcsecondConfig("box").username == server.username
    assert "with - instead of the key" in arcsecond.err
    assert key not in arcsecond.out + arcsecond.err


def test_a_key_from_stdin_needs_no_warning(server: Sandbox, arcsecond: Command) -> None:
    code = arcsecond(
        "login", "-u", server.username, "--upload_key", "-", stdin=f" {server.upload_key} \n"
    )

    assert code == 0
    assert arcsecond.err == ""
    assert ArcsecondConfig().upload_key == Secret(server.upload_key)


@pytest.mark.parametrize("stdin", ["", "\n", "\nA KEY ON THE SECOND LINE\n"])
def test_no_key_on_stdin_is_said(stdin: str, server: Sandbox, arcsecond: Command) -> None:
    assert arcsecond("login", "-u", server.username, "--upload_key", "-", stdin=stdin) == 1
    assert arcsecond.err.startswith("Error: there is no key on stdin\nHint: ")
    assert ArcsecondConfig().upload_key is None


def test_an_e_mail_address_is_kept_where_the_profile_does_not_tell_more(
    server: Sandbox, arcsecond: Command
) -> None:
    email = server.get(f"/profiles/{server.username}/").json()["email"]

    code = arcsecond("login", "-u", email, "--upload_key", "-", stdin=server.upload_key)

    assert code == 0, arcsecond.err
    assert ArcsecondConfig().username == email
    assert "give your username instead" in arcsecond.err


def test_an_e_mail_address_becomes_the_profiles_username(
    server: Sandbox, arcsecond: Command
) -> None:
    profile = json.dumps({"username": server.username})
    server.rule(method="GET", path="/profiles/", status=200, body=profile)

    server.rule(method="POST", path="/auth/key/verify/", status=204, body="")

    code = arcsecond("login", "-u", "a@b.org", "--upload_key", "-", stdin=server.upload_key)

    assert code == 0, arcsecond.err
    assert ArcsecondConfig().username == server.username


def test_both_keys_of_a_user_are_kept(server: Sandbox, arcsecond: Command) -> None:
    for kind in ("upload", "access"):
        key = getattr(server, f"{kind}_key")
        assert arcsecond("login", "-u", server.username, f"--{kind}-key", "-", stdin=key) == 0

    stored = ArcsecondConfig()
    assert stored.upload_key == Secret(server.upload_key)
    assert stored.access_key == Secret(server.access_key)


def failing_logins(sandbox: Sandbox) -> dict[str, tuple[list[str], str, str]]:
    """Return ways to fail: the options, what comes from stdin, and words of the error."""
    login = ["-u", sandbox.username, "--upload_key", "-"]
    return {
        "wrong key": (login, "wrong-key", "does not accept this key"),
        "no key": (login, "two words", "no key"),
        "empty key": (login, "", ""),
        "wrong user": (["-u", "nobody", "--upload_key", "-"], sandbox.upload_key, "nobody"),
        "empty user": (["-u", " ", "--upload_key", "-"], sandbox.upload_key, "username"),
        "unknown API": ([*login, "--api", "nowhere"], sandbox.upload_key, "'nowhere'"),
        "no server": ([*login, "--api", "dead"], sandbox.upload_key, "could not be reached"),
    }


WAYS = ("wrong key", "no key", "empty key", "wrong user", "empty user", "unknown API", "no server")


@pytest.mark.parametrize("way", WAYS)
def test_a_failed_login_leaves_the_stored_key(
    way: str, logged_in: Sandbox, arcsecond: Command
) -> None:
    arcsecond("api", "add", "dead", "http://127.0.0.1:1")
    before = config_file().read_bytes()
    options, stdin, words = failing_logins(logged_in)[way]

    assert arcsecond("login", *options, stdin=stdin) == 1

    assert words in arcsecond.err
    assert config_file().read_bytes() == before
    assert "Traceback" not in arcsecond.err


@pytest.mark.parametrize(
    "rule",
    [
        {"status": 500, "body": "<h1>Server Error (500)</h1>", "content_type": "text/html"},
        {"status": 200, "body": "<h1>Welcome to the hotel</h1>", "content_type": "text/html"},
        {"status": 302, "headers": {"Location": "https://elsewhere.example.org/"}},
        {"drop": True, "when": "before"},
        {"drop": True, "when": "after"},
    ],
    ids=["server error", "captive portal", "redirect", "reset", "lost answer"],
)
def test_a_server_in_trouble_leaves_the_stored_key(
    rule: dict[str, object], logged_in: Sandbox, arcsecond: Command
) -> None:
    before = config_file().read_bytes()
    logged_in.rule(method="POST", path="/auth/key/verify/", **rule)

    code = arcsecond("login", "-u", "visitor", "--access-key", "-", stdin=logged_in.access_key)

    assert code == 1
    assert arcsecond.err.startswith("Error: ")
    assert config_file().read_bytes() == before


def test_two_keys_at_once_are_wrong_usage(server: Sandbox, arcsecond: Command) -> None:
    assert arcsecond("login", "--upload_key", "a", "--access_key", "b") == 2
    assert arcsecond("login", "--upload_key", "a", "--type", "access") == 2
    assert arcsecond("login", "--upload_key", "-") == 2
    assert server.requests() == []


# --- logout, me --------------------------------------------------------------------------------


def test_logging_out_forgets_the_keys(logged_in: Sandbox, arcsecond: Command) -> None:
    assert arcsecond("logout") == 0
    assert arcsecond.out == "Logged out of box.\n"
    assert logged_in.access_key not in config_file().read_text()

    assert arcsecond("me") == 1
    assert "arcsecond login --api box" in arcsecond.err
    assert arcsecond("logout", "--api", "box") == 0


def test_me_shows_the_profile(logged_in: Sandbox, arcsecond: Command) -> None:
    assert arcsecond("me") == 0
    assert logged_in.username in arcsecond.out
    assert f"{logged_in.portal} (admin)" in arcsecond.out

    profile = arcsecond.json("me")
    assert isinstance(profile, dict)
    assert profile["username"] == logged_in.username


# --- api ---------------------------------------------------------------------------------------


def test_servers_are_listed_shown_chosen_and_removed(arcsecond: Command) -> None:
    assert arcsecond("api", "dome", "https://dome.example.org/") == 0
    assert arcsecond("api", "add", "lab", "http://127.0.0.1:8000") == 0
    assert arcsecond("api", "use", "dome") == 0

    assert arcsecond.json("api") == [
        {"name": "cloud", "url": "https://api.arcsecond.io", "chosen": False},
        {"name": "dome", "url": "https://dome.example.org", "chosen": True},
        {"name": "lab", "url": "http://127.0.0.1:8000", "chosen": False},
    ]
    assert arcsecond("api", "lab") == 0
    assert arcsecond.out == "lab  http://127.0.0.1:8000\n"
    assert arcsecond.json("api", "lab") == {
        "name": "lab",
        "url": "http://127.0.0.1:8000",
        "chosen": False,
    }

    assert arcsecond("api", "remove", "dome") == 0
    assert arcsecond("api") == 0
    assert "dome" not in arcsecond.out


def test_asking_creates_no_file(arcsecond: Command) -> None:
    for arguments in ((), ("api",), ("api", "-h"), ("-h",), ("--version",), ("datasets", "-h")):
        arcsecond(*arguments)

    assert not config_file().parent.exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("api", "nowhere"), 1),
        (("api", "use", "nowhere"), 1),
        (("api", "remove", "nowhere"), 1),
        (("api", "remove", "cloud"), 1),
        (("api", "cloud", "https://b.org"), 1),
        (("api", "add", "dome", "http://dome.example.org"), 1),
        (("api", "add", "dome", "dome.example.org"), 1),
        (("api", "add", "dome"), 2),
        (("api", "use"), 2),
        (("api", "a", "b", "c"), 2),
    ],
)
def test_what_cannot_be_done_is_refused(
    arguments: tuple[str, ...], code: int, arcsecond: Command
) -> None:
    assert arcsecond(*arguments) == code
    assert "Error: " in arcsecond.err
    assert not config_file().exists()


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_every_command_tells_the_version(option: str, arcsecond: Command) -> None:
    below = [("datasets", name) for name in ("list", "read", "create", "update", "delete")]
    for command in ((), *((name,) for name in COMMANDS), *below):
        assert arcsecond(*command, option) == 0, arcsecond.err
        assert arcsecond.out == f"arcsecond, version {__version__}\n"


def test_plain_http_is_taken_when_it_is_asked_for(arcsecond: Command) -> None:
    assert arcsecond("api", "dome", "http://dome.example.org", "--allow-http") == 0


# --- keys and servers -------------------------------------------------------------------------


def test_without_a_key_the_remedy_is_named(server: Sandbox, arcsecond: Command) -> None:
    assert arcsecond("datasets") == 1
    assert arcsecond.err == (
        f"Error: no key is stored for box ({server.url})\n"
        "Hint: Log in with `arcsecond login --api box`.\n"
    )


def test_a_key_that_was_renewed_is_told_so(tmp_path: Path, arcsecond: Command) -> None:
    with running_sandbox(tmp_path / "box") as box:
        arcsecond("api", "add", "box", box.url)
        arcsecond("login", "--api", "box", "-u", box.username, "--key", "-", "--type", "upload",
                  stdin=box.upload_key)  # fmt: skip
        box.renew_key("upload")

        for command in ("datasets", "me"):
            assert arcsecond(command, "--api", "box") == 1
            assert arcsecond.err.endswith(
                "Hint: The key is not accepted: store another with `arcsecond login --api box`.\n"
            )


def test_of_two_keys_the_one_that_is_refused_is_named(tmp_path: Path, arcsecond: Command) -> None:
    (tmp_path / "M31").mkdir()
    with running_sandbox(tmp_path / "box") as box:
        arcsecond("api", "add", "box", box.url)
        for kind, key in (("upload", box.upload_key), ("access", box.access_key)):
            arcsecond("login", "--api", "box", "-u", box.username, "--key", "-", "--type", kind,
                      stdin=key)  # fmt: skip
            box.renew_key(kind)

        for command, login in (
            (("datasets", "read", "x"), "`arcsecond login --api box --type access`."),
            (("upload", str(tmp_path / "M31"), "-d", "M31"), "`arcsecond login --api box`."),
        ):
            assert arcsecond(*command, "--api", "box") == 1
            assert arcsecond.err.splitlines()[-1].endswith(login)


def test_the_environment_chooses_the_server(
    logged_in: Sandbox, arcsecond: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    arcsecond("api", "add", "dead", "http://127.0.0.1:1")
    monkeypatch.setenv("ARCSECOND_API", "dead")

    assert arcsecond("telescopes") == 1
    assert "dead" in arcsecond.err
    assert arcsecond("telescopes", "--api", "box") == 0
    for arguments in (("api",), ("api", "use", "box")):
        assert arcsecond(*arguments) == 0
        assert arcsecond.err == "In this shell ARCSECOND_API chooses dead.\n"
    assert logged_in.username


# --- what is told on the way -------------------------------------------------------------------


def test_verbose_tells_what_was_asked_and_never_the_key(
    logged_in: Sandbox, arcsecond: Command
) -> None:
    for arguments in (("-v", "datasets"), ("datasets", "-v"), ("datasets", "--verbose")):
        assert arcsecond(*arguments) == 0
        assert f"> GET {logged_in.url}/datasets/\n< 200 OK" in arcsecond.err
        assert logged_in.access_key not in arcsecond.err

    code = arcsecond(
        *("login", "-v", "-u", logged_in.username, "--upload_key", "-"),
        stdin=logged_in.upload_key,
    )
    assert code == 0
    assert f"> POST {logged_in.url}/auth/key/verify/" in arcsecond.err
    assert logged_in.upload_key not in arcsecond.err


@pytest.mark.parametrize("position", [0, 1])
def test_debug_shows_the_traceback(position: int, arcsecond: Command) -> None:
    arguments = ["me"]
    arguments.insert(position, "--debug")

    assert arcsecond(*arguments) == 1
    assert "Traceback" in arcsecond.err
    assert arcsecond.err.endswith("Hint: Log in with `arcsecond login`.\n")


def test_names_from_the_server_do_not_steer_the_terminal(
    logged_in: Sandbox, arcsecond: Command
) -> None:
    logged_in.create_dataset("red \x1b[31m alert")

    assert arcsecond("datasets") == 0
    assert "\x1b" not in arcsecond.out
    assert "red \\x1b[31m alert" in arcsecond.out
