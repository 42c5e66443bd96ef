"""The `oort` command: which commands there are, and how each of them may end.

Every command is a module that is imported when it is needed, so that `oort -h` is quick. An
error that a person is meant to read has `.message` and `.hint`; it becomes two lines and exit 1.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final, NoReturn

import click

from oort.cli import output
from oort.cli.options import CONTEXT, Invocation, equip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click import Context, HelpFormatter

EXIT_FAILED: Final = 1
EXIT_INTERRUPTED: Final = 130

SECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "Folders": ("watch", "unwatch", "folders"),
    "The daemon": ("start", "stop", "pause", "resume", "service"),
    "Look": ("status", "report", "uploads", "check", "logs", "monitor"),
    "Repair": ("doctor", "retry", "skip", "verify", "queue"),
    "Settings": ("config",),
    "Rehearse": ("demo",),
}
"""The commands as `oort -h` shows them: `status` is `status` in the module `oort.cli.status`."""

COMMANDS: Final = tuple(name for names in SECTIONS.values() for name in names)


class LazyGroup(click.Group):
    """A group that imports a command's module when that command is asked for."""

    def list_commands(self, ctx: Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return every command, in the order of the sections."""
        return list(COMMANDS)

    def get_command(self, ctx: Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, imported now."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        return equip(getattr(import_module(f"oort.cli.{cmd_name}"), cmd_name))

    def resolve_command(
        self, ctx: Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was asked for; name one that looks like it."""
        if args and self.get_command(ctx, args[0]) is None:
            from difflib import get_close_matches

            close = get_close_matches(args[0], COMMANDS, n=1)
            did_you_mean = f' Did you mean "{close[0]}"?' if close else ""
            ctx.fail(f"There is no command {args[0]!r}.{did_you_mean}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the commands in their sections, each with its first line."""
        for section, names in SECTIONS.items():
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                rows.append((name, command.get_short_help_str(limit=70) if command else ""))
            with formatter.section(section):
                formatter.write_dl(rows, col_spacing=4)


@click.group(
    cls=LazyGroup,
    context_settings=CONTEXT,
    invoke_without_command=True,
    epilog="Shell completion: docs/completion.md. Keys: `arcsecond login`.",
)
@click.pass_context
def cli(ctx: Context) -> None:
    """Bring every file of a telescope to Arcsecond.io, as soon as it is complete."""
    if ctx.invoked_subcommand is None:
        output.line(ctx.get_help())


equip(cli)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command, and end the process with its exit code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; its errors are on stderr."""
    output.prepare()
    invocation = Invocation()
    try:
        code = cli.main(
            args=list(arguments) if arguments is not None else None,
            prog_name="oort",
            standalone_mode=False,
            obj=invocation,
        )
        output.flush()
    except BrokenPipeError:  # whoever read us has seen enough (`oort uploads | head`)
        output.forget_stdout()
        return EXIT_FAILED
    except BaseException as error:  # noqa: BLE001  # each becomes words and an exit code
        return _explain(error, debug=invocation.debug)
    return code if isinstance(code, int) else 0


def _explain(error: BaseException, *, debug: bool) -> int:
    """Write on stderr what `error` means to a person; return the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else EXIT_FAILED
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        output.complain("")
        causes = (error, error.__cause__)
        interrupted = any(isinstance(cause, KeyboardInterrupt) for cause in causes)
        return EXIT_INTERRUPTED if interrupted else EXIT_FAILED
    if debug:
        output.traceback_of(error)
    message = getattr(error, "message", None)
    if isinstance(message, str):
        output.error(message, hint=getattr(error, "hint", None))
        return int(getattr(error, "exit_code", EXIT_FAILED))
    output.error(_unexpected(error), hint="Run it again with --debug to see where.")
    return EXIT_FAILED


def _unexpected(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        name = f"{output.words(error.filename)}: " if error.filename else ""
        return f"{name}{error.strerror}"
    return f"{type(error).__name__}: {error}"
