"""Bad input gets one clear line and exit 1, and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

NOWHERE = "00000000-0000-4000-8000-000000000000"


def refused(done: CompletedProcess[str]) -> str:
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1, done
    assert lines[0].startswith("Error: ")
    assert len(lines) <= 2
    assert "Traceback" not in done.stderr
    assert "<html" not in done.stderr.lower()
    return done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "dome"
    made.mkdir()
    return made


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-d", NOWHERE), NOWHERE),
        (("-t", NOWHERE), NOWHERE),
        (("-p", "no-such-portal"), "no-such-portal"),
        (("-d", "{nonsense}"), "nonsense"),
    ],
)
def test_a_watch_that_the_server_cannot_serve(
    home: Home, folder: Path, options: tuple[str, ...], words: str
) -> None:
    before = (home.folder / "oort" / "config.toml").read_text()

    done = home.run("oort", "watch", folder, "--api", "sandbox", "-y", *options, check=False)

    assert words in refused(done)
    assert (home.folder / "oort" / "config.toml").read_text() == before


def test_a_wrong_key(home: Home, sandbox: Sandbox) -> None:
    before = (home.folder / "arcsecond" / "config.ini").read_text()

    done = home.run(
        "arcsecond",
        "login",
        "--api",
        "sandbox",
        "--username",
        sandbox.username,
        "--type",
        "upload",
        "--key",
        "-",
        check=False,
        stdin="not-the-key\n",
    )

    assert "not-the-key" not in refused(done)
    assert (home.folder / "arcsecond" / "config.ini").read_text() == before


def test_a_dead_server(home: Home, sandbox: Sandbox, folder: Path) -> None:
    sandbox.stop()

    for words in (
        ("oort", "watch", folder, "--api", "sandbox", "-y"),
        ("arcsecond", "datasets", "--api", "sandbox"),
        ("arcsecond", "upload", folder, "-d", "x", "--api", "sandbox", "-y"),
    ):
        refused(home.run(*words, check=False))


def test_a_server_that_answers_with_web_pages(home: Home, sandbox: Sandbox, folder: Path) -> None:
    sandbox.rule(
        status=200, body="<html><b>Welcome to the hotel</b></html>", content_type="text/html"
    )

    for words in (
        ("oort", "watch", folder, "--api", "sandbox", "-y"),
        ("arcsecond", "datasets", "--api", "sandbox"),
    ):
        assert "hotel" not in refused(home.run(*words, check=False))


def test_a_broken_config_names_file_and_line(home: Home) -> None:
    config = home.folder / "oort" / "config.toml"
    config.write_text('settle_s = 2.0\nworkers = "many"\n')

    for words in (("oort", "status"), ("oort", "start"), ("oort", "folders")):
        told = refused(home.run(*words, check=False))
        assert f"{config}:2" in told
        assert "workers" in told
    assert config.read_text() == 'settle_s = 2.0\nworkers = "many"\n'


def test_a_folder_that_is_not_there(home: Home, tmp_path: Path) -> None:
    done = home.run("oort", "watch", tmp_path / "nowhere", "--api", "sandbox", "-y", check=False)

    assert "nowhere" in refused(done)


def test_a_server_that_nobody_registered(home: Home, folder: Path) -> None:
    done = home.run("oort", "watch", folder, "--api", "mars", "-y", check=False)

    assert "mars" in refused(done)
