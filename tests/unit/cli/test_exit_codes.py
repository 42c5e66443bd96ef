"""How a command may end: the frame that all of them share."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import click
import pytest

from arcsecond.errors import NotLoggedInError
from oort.cli import main, options
from oort.errors import OortError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def command() -> Iterator[Callable[[BaseException | None], None]]:
    """Put a command into the real group that raises what the test says."""
    raised: list[BaseException | None] = []

    @click.command(name="probe")
    @options.yes
    def probe(*, yes: bool) -> None:
        options.confirm("Sure?", yes=yes)
        if raised[0] is not None:
            raise raised[0]

    main.cli.add_command(options.equip(probe))
    yield raised.append
    del main.cli.commands["probe"]


def test_an_error_for_people_is_two_lines_and_exit_1(
    command: Callable[[BaseException | None], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(OortError("it failed", hint="Do this."))

    assert 1 == main.run(["probe", "-y"])
    assert ("", "Error: it failed\nHint: Do this.\n") == capsys.readouterr()


def test_an_error_of_the_client_is_told_the_same_way(
    command: Callable[[BaseException | None], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(NotLoggedInError("no key", hint="`arcsecond login`"))

    assert 1 == main.run(["probe", "-y"])
    assert "Error: no key\nHint: `arcsecond login`\n" == capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--debug", "probe", "-y"], ["probe", "-y", "--debug"]])
def test_debug_shows_the_traceback_before_or_after_the_command(
    command: Callable[[BaseException | None], None],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    command(OortError("it failed"))

    assert 1 == main.run(arguments)
    found = capsys.readouterr().err
    assert "Traceback" in found
    assert found.endswith("Error: it failed\n")


def test_what_nobody_expected_is_one_line_too(
    command: Callable[[BaseException | None], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(ZeroDivisionError("division by zero"))

    assert 1 == main.run(["probe", "-y"])
    assert capsys.readouterr().err.splitlines() == [
        "Error: ZeroDivisionError: division by zero",
        "Hint: Run it again with --debug to see where.",
    ]


def test_trouble_of_the_system_names_the_file(
    command: Callable[[BaseException | None], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(PermissionError(13, "Permission denied", "/data/bad\udcff"))

    assert 1 == main.run(["probe", "-y"])
    assert "Error: /data/bad\\xff: Permission denied\n" in capsys.readouterr().err


def test_ctrl_c_is_quiet_and_130(
    command: Callable[[BaseException | None], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(KeyboardInterrupt())

    assert 130 == main.run(["probe", "-y"])
    assert ("", "") == tuple(text.strip() for text in capsys.readouterr())


@pytest.mark.parametrize("answer", ["", "n\n", "\n", "what\n"])
def test_a_question_that_is_not_answered_with_yes_is_exit_1(
    command: Callable[[BaseException | None], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
) -> None:
    command(AssertionError("it went on"))
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))

    assert 1 == main.run(["probe"])
    assert "Error" not in capsys.readouterr().err


def test_a_reader_who_has_gone_is_no_error(
    command: Callable[[BaseException | None], None], capfd: pytest.CaptureFixture[str]
) -> None:
    command(BrokenPipeError())

    assert 1 == main.run(["probe", "-y"])
    assert "" == capfd.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["nope"], ["status", "--nope"], ["retry"], ["skip"], ["uploads", "--limit", "-1"]]
)
def test_wrong_usage_is_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main.run(arguments)
    assert "Error: " in capsys.readouterr().err


def test_a_command_that_is_nearly_right_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main.run(["statsu"])
    assert 'Did you mean "status"?' in capsys.readouterr().err


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_has_help_a_version_and_creates_no_file(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for asked in ("-h", "--help", "-V", "--version"):
        assert 0 == main.run([name, asked])
    found = capsys.readouterr()

    assert "--debug" in found.out
    assert 2 == found.out.count("oort 5")
    assert "" == found.err
    assert [tmp_path / "home"] == list(tmp_path.iterdir())
    assert not list((tmp_path / "home").iterdir())


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_has_a_short_line_of_its_own(name: str) -> None:
    command = main.cli.get_command(click.Context(main.cli), name)

    assert command is not None
    assert command.name == name
    assert command.help
    assert len(command.get_short_help_str(limit=70)) <= 60
    assert command.get_short_help_str(limit=70)[-1] in ".?"


def test_help_shows_every_command_in_its_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main.run(["-h"])
    text = capsys.readouterr().out

    assert [section for section in main.SECTIONS if f"\n{section}:\n" in text] == list(
        main.SECTIONS
    )
    assert all(f"\n  {name} " in text for name in main.COMMANDS)
