"""What several commands share: their options, and the settings that they work with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from oort.locations import Locations
    from oort.settings import Settings

F = TypeVar("F", bound="Callable[..., Any]")

CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

PATH: Final = click.Path(path_type=Path)
"""A path as it was typed; one that is not UTF-8 keeps its bytes."""

TYPED: Final = click.Path()
"""The same as text: `./7` stays what it is, and is no `7`."""


@dataclass
class Invocation:
    """One run of the command, as far as all of it must know."""

    debug: bool = False


@dataclass(frozen=True, slots=True)
class Here:
    """Where this command works: the places, and what config.toml says."""

    locations: Locations
    settings: Settings


def here(*, last_good: bool = False) -> Here:
    """Return the places and settings of this process; creates nothing.

    With `last_good` a broken config.toml is no reason to say nothing: what the daemon took last
    is used, and the daemon's own warning tells of the broken one.
    """
    from oort.locations import locate
    from oort.settings import load, load_last_good

    locations = locate()
    if last_good:
        return Here(locations, load_last_good(locations))
    return Here(locations, load(locations.config_file))


def equip(command: click.Command) -> click.Command:
    """Give a command, and those below it, what every command has: `--debug` and `--version`."""
    if not any(parameter.name == "debug" for parameter in command.params):
        command.params += [
            click.Option(
                ["--debug"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_note_debug,
                help="Show the traceback of an error.",
            ),
            click.Option(
                ["-V", "--version"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_print_version,
                help="Show the version and exit.",
            ),
        ]
    if isinstance(command, click.Group):
        for below in command.commands.values():
            equip(below)
    return command


def _print_version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from oort import __version__
        from oort.cli import output

        output.line(f"oort {__version__}")
        ctx.exit()


def _note_debug(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    invocation = ctx.find_object(Invocation)
    if asked and invocation is not None:
        invocation.debug = True


def as_json(function: F) -> F:
    """Add `--json`."""
    add = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
    return add(function)


def yes(function: F) -> F:
    """Add `-y`."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(function)


def verbose(function: F) -> F:
    """Add `-v`."""
    words = "Show what the server was asked, and its answers."
    return click.option("-v", "--verbose", is_flag=True, help=words)(function)


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless `yes`; anything but a yes ends the command with exit 1."""
    if not yes and not click.confirm(question, default=False):
        raise click.exceptions.Exit(1)
