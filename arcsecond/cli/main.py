"""The `arcsecond` command: a table of commands that load when they are used, and the way out.

Every error ends here: one `Error:` line, a `Hint:` line where there is a remedy, and the exit code
(0 done, 1 failed, 2 wrong usage).
"""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING

import click

from arcsecond.cli import output
from arcsecond.cli.groups import Group
from arcsecond.cli.options import (
    Asked,
    before_the_command,
    equip,
    every_command_has,
    refuse_what_it_has_not,
)
from arcsecond.errors import ArcsecondError

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED = 1
WRONG_USAGE = 2

COMMANDS: dict[str, tuple[str, str, str]] = {
    "login": ("arcsecond.cli.login", "login", "Verify a key with the server and store it."),
    "logout": ("arcsecond.cli.logout", "logout", "Forget the keys for an API server."),
    "me": ("arcsecond.cli.me", "me", "Show the profile of the account."),
    "api": ("arcsecond.cli.api", "api", "List, show, add, choose or remove API servers."),
    "upload": ("arcsecond.cli.upload", "upload", "Upload a folder to a dataset."),
    "sandbox": ("arcsecond.cli.sandbox", "sandbox", "Run an Arcsecond-compatible server here."),
    **{
        name: ("arcsecond.cli.resources", name, f"List the {words}, or work on one.")
        for name, words in {
            "datasets": "datasets",
            "datafiles": "data files",
            "datapackages": "data packages",
            "telescopes": "telescopes",
            "observingsites": "observing sites",
            "allskycameras": "all-sky cameras",
            "nightlogs": "night logs",
            "observations": "observations",
            "calibrations": "calibrations",
            "targets": "targets",
            "targetlists": "target lists",
            "organisations": "organisations",
            "members": "members of a portal",
            "profiles": "profiles",
        }.items()
    },
}
"""Command -> module, attribute, and the help's line, which is here so that `arcsecond -h` loads
none of them."""


class LazyGroup(Group):
    """A group whose commands are imported when they run."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        """Import the command, and see that it has what every command has."""
        if name not in COMMANDS:
            return None
        module, attribute, _short_help = COMMANDS[name]
        command: click.Command = getattr(import_module(module), attribute)
        equip(command)
        return command

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table's own words."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, _, words) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    params=[*every_command_has()],
    context_settings={"help_option_names": ["-h", "--help"]},
)
@before_the_command
@click.pass_context
def arcsecond(context: click.Context) -> None:
    """Work with the resources of Arcsecond.io, and upload data to it.

    Begin with `arcsecond login`. Each command has its own --help.
    """
    command = arcsecond.get_command(context, context.invoked_subcommand or "")
    if command is not None:
        refuse_what_it_has_not(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; never raises, never shows a traceback unasked."""
    output.prepare_streams()
    asked = Asked()
    try:
        code = arcsecond.main(
            args=None if arguments is None else list(arguments),
            prog_name="arcsecond",
            standalone_mode=False,
            obj=asked,
        )
        sys.stdout.flush()
    except click.exceptions.Abort:  # Ctrl-C, or no answer to a question
        output.note("")
        return FAILED
    except Exception as error:  # noqa: BLE001  # the way out: whatever it is, it is told in words
        return _told(error, asked)
    return code if isinstance(code, int) else 0


def _told(error: Exception, asked: Asked) -> int:
    if asked.debug:
        output.note("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, click.ClickException):
        words = io.StringIO()
        error.show(words)
        output.note(words.getvalue().rstrip("\n"))
        return error.exit_code
    if isinstance(error, ArcsecondError):
        output.error(error.message, error.hint)
    elif isinstance(error, OSError) and error.errno == errno.EPIPE:
        # Who read our output has enough. Python would say so once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    elif isinstance(error, OSError):
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        output.error(f"{where}{error.strerror or type(error).__name__}")
    else:
        output.error(
            f"unexpected trouble ({type(error).__name__})",
            "This is a defect: run it again with --debug and report what that shows.",
        )
    return FAILED
