"""`oort watch`, `oort unwatch`, `oort folders`: what they ask, show, write and refuse."""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "dome 1"
    (made / "M31").mkdir(parents=True)
    (made / "M31" / "a.fits").write_bytes(b"x" * 2048)
    (made / ".hidden").write_bytes(b"x")
    (made / "b.tmp").write_bytes(b"x")
    return made


def watches(home: Home) -> list[dict[str, Any]]:
    text = (home.folder / "oort" / "config.toml").read_text()
    found: list[dict[str, Any]] = tomllib.loads(text).get("watch", [])
    return found


def test_a_watch_is_shown_asked_for_and_written_with_its_account(
    home: Home, sandbox: Sandbox, folder: Path
) -> None:
    done = home.run("oort", "watch", folder, "--api", "sandbox", stdin="y\n")

    assert f"{folder}\n" in done.stdout
    assert "1 file, 2.0 KB; left out: 1 excluded, 1 hidden\n" in done.stdout
    assert f"{sandbox.username} at sandbox\n" in done.stdout
    assert "`oort start` begins to send" in done.stdout
    assert watches(home) == [
        {
            "name": "dome 1",
            "path": str(folder),
            "dataset": "{folder}",
            "api": "sandbox",
            "username": sandbox.username,
        }
    ]


@pytest.mark.parametrize("answer", ["", "n\n", "\n"])
def test_without_a_yes_nothing_changes(home: Home, folder: Path, answer: str) -> None:
    before = (home.folder / "oort" / "config.toml").read_bytes()

    done = home.run("oort", "watch", folder, "--api", "sandbox", stdin=answer, check=False)

    assert 1 == done.returncode
    assert "Error" not in done.stderr
    assert before == (home.folder / "oort" / "config.toml").read_bytes()
    assert not (home.folder / "oort" / "oort.db").exists()


def test_the_chosen_server_is_the_one_that_is_written(home: Home, folder: Path) -> None:
    home.run("arcsecond", "api", "use", "sandbox")

    home.oort("watch", folder, "-y")
    home.run("arcsecond", "api", "use", "cloud")

    assert ["sandbox"] == [watch["api"] for watch in watches(home)]


def test_every_option_is_written(home: Home, sandbox: Sandbox, folder: Path) -> None:
    home.oort(
        "watch",
        folder,
        *("--api", "sandbox", "-d", "{night} {object}", "-p", sandbox.portal, "--name", "east"),
        *("--tags", "a, b", "--no-raw", "--include", "*.fits", "--include", "*.xisf"),
        *(
            "--exclude",
            "flat*",
            "--settle",
            "3",
            "--polling",
            "--shared",
            "--follow-symlinks",
            "-y",
        ),
    )

    assert watches(home) == [
        {
            "name": "east",
            "path": str(folder),
            "dataset": "{night} {object}",
            "portal": sandbox.portal,
            "api": "sandbox",
            "username": sandbox.username,
            "tags": ["a", "b"],
            "raw": False,
            "include": ["*.fits", "*.xisf"],
            "exclude": ["flat*"],
            "settle_s": 3.0,
            "polling": True,
            "shared": True,
            "follow_symlinks": True,
        }
    ]


def test_a_watched_folder_gets_the_given_options_and_keeps_the_others(
    home: Home, folder: Path
) -> None:
    home.watch(folder, "--tags", "a", "--settle", "3")

    done = home.run("oort", "watch", folder, "--tags", "b", "--no-raw", stdin="y\n")

    assert "tags       a → b\n" in done.stdout
    assert "raw        yes → no\n" in done.stdout
    (watch,) = watches(home)
    assert (["b"], False, 3.0) == (watch["tags"], watch["raw"], watch["settle_s"])
    assert "nothing to change" in home.oort("watch", folder, "--tags", "b")


def test_only_the_change_to_new_only_says_that_what_lies_there_is_left_out(
    home: Home, folder: Path
) -> None:
    first = home.oort("watch", folder, "--api", "sandbox", "-y", "--new-only")
    later = home.oort("watch", folder, "-y", "--tags", "a")

    assert "left out for ever" in first
    assert "left out for ever" not in later


def test_an_empty_option_takes_the_old_one_away(home: Home, folder: Path) -> None:
    home.watch(folder, "--tags", "a", "--include", "*.fits", "-d", "by hand")

    home.oort("watch", folder, "--tags", "", "--include", "", "-d", "", "-y")

    (watch,) = watches(home)
    assert ("{folder}", [], []) == (watch["dataset"], watch["tags"], watch["include"])


def test_a_link_to_a_watched_folder_is_that_watch(home: Home, folder: Path, tmp_path: Path) -> None:
    home.watch(folder)
    (tmp_path / "link").symlink_to(folder)

    home.watch(tmp_path / "link", "--settle", "3")

    assert [(str(folder), 3.0)] == [(watch["path"], watch["settle_s"]) for watch in watches(home)]


def test_several_folders_are_several_watches(home: Home, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "west" / "dome 1"
    other.mkdir(parents=True)

    done = home.run(
        "oort", "watch", folder, other, folder, "--api", "sandbox", "-y", "-d", "{night}"
    )
    both = home.run("oort", "watch", folder, other, "--name", "x", check=False)

    assert ["dome 1", "dome 1-2"] == [watch["name"] for watch in watches(home)]
    assert 2 == done.stdout.count("Watched: ")
    assert 2 == both.returncode


def test_offline_asks_nobody(home: Home, sandbox: Sandbox, folder: Path) -> None:
    sandbox.stop()

    done = home.run("oort", "watch", folder, "--api", "sandbox", "--offline", "-y")

    assert "(not asked)" in done.stdout
    assert [sandbox.username] == [watch["username"] for watch in watches(home)]


def test_verbose_shows_what_was_asked_and_never_the_key(
    home: Home, sandbox: Sandbox, folder: Path
) -> None:
    done = home.run("oort", "watch", folder, "--api", "sandbox", "-v", "-y")

    assert f"GET {sandbox.url}/" in done.stderr
    assert "200" in done.stderr
    assert sandbox.upload_key not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-d", "{nope}"), "dataset has the unknown field {nope}"),
        (("--settle", "0"), "settle_s must be 0.1 to 3600, not 0"),
        (("--settle", "soon"), 'settle_s must be 0.1 to 3600, not "soon"'),
        (("--tags", "oort|origin|x"), "tags must be"),
        (("--include", "!"), "include must be a list of patterns"),
        (("--name", " x\n"), "name must be"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_range(
    home: Home, folder: Path, options: tuple[str, ...], words: str
) -> None:
    done = home.run("oort", "watch", folder, "--offline", "-y", *options, check=False)

    assert 1 == done.returncode
    assert f"Error: {words}" in done.stderr
    assert not watches(home)


def test_names_and_folders_that_cannot_be_are_refused(
    home: Home, folder: Path, tmp_path: Path
) -> None:
    home.watch(folder)
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "file").write_text("x")
    for words, told in (
        ((other, "--name", "dome 1"), 'the name "dome 1" is taken'),
        ((folder, "--name", "east"), "a watch keeps its name"),
        ((tmp_path / "file",), "is no folder"),
        ((tmp_path / "nowhere",), "does not exist"),
    ):
        done = home.run("oort", "watch", *words, "--offline", "-y", check=False)

        assert 1 == done.returncode
        assert told in done.stderr
    assert 1 == len(watches(home))


def test_what_somebody_should_know_is_said(
    home: Home, sandbox: Sandbox, folder: Path, tmp_path: Path
) -> None:
    home.watch(folder)
    twin = tmp_path / "west" / "dome 1"
    twin.mkdir(parents=True)

    def warned(path: Path, *options: str) -> str:
        done = home.run(
            "oort", "watch", path, "--api", "sandbox", *options, stdin="n\n", check=False
        )
        return done.stderr

    assert "is your home folder" in warned(home.folder)
    assert "holds your home folder" in warned(tmp_path)
    assert 'The watch "dome 1" is inside this folder' in warned(tmp_path)
    assert 'inside the watch "dome 1"' in warned(folder / "M31")
    assert 'The folder of the watch "dome 1" has the same name' in warned(twin)
    assert "shares its datasets" in warned(twin, "-p", sandbox.portal)
    assert "shares its datasets" not in warned(twin, "-p", sandbox.portal, "-d", "{night}")


def test_a_folder_whose_name_is_no_utf8_can_be_watched_listed_and_unwatched(
    home: Home, tmp_path: Path
) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)  # noqa: PTH102  # bytes

    home.oort("watch", folder, "--api", "sandbox", "-y")
    (listed,) = home.json("folders")

    assert "caf\\xe9" == listed["name"]
    assert 'No longer watched: "caf\\xe9"' in home.oort("unwatch", folder, "-y")
    assert [] == home.json("folders")


def test_unwatch_takes_names_and_folders_and_asks(home: Home, folder: Path) -> None:
    home.watch(folder)

    unsure = home.run("oort", "unwatch", "dome 1", check=False)
    unknown = home.run("oort", "unwatch", "dome 2", "-y", check=False)
    assert (1, 1) == (unsure.returncode, unknown.returncode)
    assert "neither the name of a watch nor a watched folder" in unknown.stderr
    assert 1 == len(watches(home))

    home.oort("unwatch", "dome 1", "-y")
    assert [] == watches(home)


def test_status_of_the_folder_that_is_not_sent_yet(home: Home, folder: Path) -> None:
    home.watch(folder)

    done = home.run("oort", "status", folder / "M31" / "a.fits", check=False)

    assert 1 == done.returncode
    assert "not seen yet" in done.stderr
