"""`oort config`: settings shown and set."""

from __future__ import annotations

import json

import pytest

from oort.cli.main import run
from oort.locations import locate
from oort.settings import FIELDS


def test_every_setting_is_shown_with_where_it_comes_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 0 == run(["config", "set", "workers", "3"])
    monkeypatch.setenv("OORT_DATABASE_URL", "postgresql+psycopg://oort:geheim@db/oort")

    assert 0 == run(["config", "--json"])
    shown = json.loads(capsys.readouterr().out)

    assert list(FIELDS) == list(shown)
    assert {"value": 3, "source": "config.toml"} == shown["workers"]
    assert {"value": 300.0, "source": "default"} == shown["rescan_s"]
    assert {"value": None, "source": "default"} == shown["proxy"]
    assert {
        "value": "postgresql+psycopg://oort:***@db/oort",
        "source": "environment",
    } == shown["database"]


def test_the_table_names_the_file_and_never_a_password(capsys: pytest.CaptureFixture[str]) -> None:
    run(["config", "set", "proxy", "http://me:geheim@proxy:3128"])

    assert 0 == run(["config"])
    text = capsys.readouterr().out

    assert text.startswith(f"{locate().config_file}\n")
    assert "geheim" not in text
    assert f"sqlite:///{locate().database}" in text
    assert "(from the environment)" in text


def test_one_setting_is_shown_and_its_default_put_back(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["get", "workers"],
        ["set", "workers", "8"],
        ["get", "workers"],
        ["set", "workers", ""],
        ["get", "workers"],
        ["get", "proxy"],
        ["get", "rescan_s"],
        ["path"],
    ):
        assert 0 == run(["config", *arguments])

    assert capsys.readouterr().out.splitlines() == [
        "auto",
        "8",
        "auto",
        "",
        "300",
        str(locate().config_file),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["set", "workers", "99"], 'Error: workers must be "auto" or 1 to 64, not 99'),
        (["set", "wrkers", "9"], 'Error: unknown setting "wrkers"\nHint: Did you mean "workers"?'),
        (["get", "nope"], 'Error: unknown setting "nope"'),
    ],
)
def test_what_cannot_be_is_exit_1(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert 1 == run(["config", *arguments])
    assert words in capsys.readouterr().err
    assert not locate().config_file.exists()


def test_a_broken_file_is_named_and_its_place_is_still_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = locate().config_file
    file.parent.mkdir()
    file.write_text("workers = 99\n")

    assert 1 == run(["config"])
    assert 1 == run(["config", "set", "poll_s", "5"])
    assert 0 == run(["config", "path"])

    found = capsys.readouterr()
    assert 2 == found.err.count(f'Error: {file}:1: workers must be "auto" or 1 to 64, not 99\n')
    assert f"{file}\n" == found.out
    assert "workers = 99\n" == file.read_text()
