"""Options that several commands share, and what was asked for with them.

They may stand before or behind the name of a command or a subcommand (`arcsecond --api dome datasets`,
`arcsecond datasets -p P read ID`, `arcsecond datasets read ID -p P`), so they are kept in one `Asked`
for the whole command line; what stands last wins.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.shell_completion import CompletionItem

    from arcsecond.config import ArcsecondConfig

F = TypeVar("F", bound="Callable[..., Any]")


@dataclass
class Asked:
    """What the shared options said; `debug` and `verbose` are known even when the rest is wrong."""

    debug: bool = False
    verbose: bool = False
    as_json: bool = False
    api: str | None = None
    portal: str | None = None

    def config(self) -> ArcsecondConfig:
        """Return the API server to use: `--api`, ARCSECOND_API, the chosen one, `cloud`.

        From here on no output shows its keys, and what is wrong with the file's modes is told.
        """
        from arcsecond.cli.output import hide
        from arcsecond.config import ArcsecondConfig, mend_modes

        tell_warnings()
        mend_modes()
        config = ArcsecondConfig(self.api)
        hide(config.upload_key, config.access_key)
        return config

    def trace(self) -> Callable[[str], None] | None:
        """Return where the transport's lines go: to stderr with `-v`."""
        from arcsecond.cli.output import note

        return note if self.verbose else None


def asked() -> Asked:
    """Return what was asked for in the command that runs."""
    return click.get_current_context().ensure_object(Asked)


def tell_warnings() -> None:
    """Have the warnings about config.ini printed as this command prints them."""
    from arcsecond.private_file import log

    if not log.handlers:
        log.addHandler(_Teller())
        log.propagate = False


class _Teller(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from arcsecond.cli.output import warning

        warning(record.getMessage())


def shared(*names: str, keep: str, **attributes: Any) -> Callable[[F], F]:
    """Return an option whose value goes to the field `keep` of `Asked`."""
    return click.option(*names, expose_value=False, callback=_keeper(keep), **attributes)


def every_command_has() -> tuple[click.Option, click.Option]:
    """Return `--debug` and `--version`."""
    return (
        click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            callback=_keeper("debug"),
            help="Show the traceback of an error.",
        ),
        click.Option(
            ["-V", "--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_say_version,
            help="Show the version and exit.",
        ),
    )


def equip(command: click.Command) -> None:
    """Give a command, and those below it, what every command has."""
    if not any("--debug" in parameter.opts for parameter in command.params):
        command.params += every_command_has()
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            equip(inner)


def _say_version(context: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if is_asked and not context.resilient_parsing:
        from arcsecond.cli.output import say
        from arcsecond.version import __version__

        say(f"arcsecond, version {__version__}")
        context.exit()


def _keeper(field: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def keep(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        value = not_empty(context, parameter, value)
        if value:
            setattr(context.ensure_object(Asked), field, value)
        return value

    return keep


def not_empty(_context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
    """Return the value; raises a BadParameter for a text that is empty, or none.

    "$PORTAL" of a script where it is not set: the account is not what was meant.
    """
    if isinstance(value, str) and not text_of(value).strip():
        raise click.BadParameter("it is empty.")
    return value


def text_of(value: str) -> str:
    """Return an argument that is text; raises a BadParameter for bytes that are none."""
    try:
        value.encode()
    except UnicodeEncodeError:
        from arcsecond.cli.output import printable

        raise click.BadParameter(f"{printable(value)} is no UTF-8 text.") from None
    return value


def api_names(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the known API servers that begin so, with their addresses, for the shell to offer."""
    from click.shell_completion import CompletionItem

    from arcsecond.config import list_apis
    from arcsecond.errors import ConfigError

    try:
        known = list_apis()
    except ConfigError:  # said when the command runs; a shell that completes has no place for it
        return []
    return [
        CompletionItem(api.name, help=api.url) for api in known if api.name.startswith(incomplete)
    ]


api_option = shared(
    "--api",
    keep="api",
    metavar="NAME",
    shell_complete=api_names,
    help="Use this API server instead of the chosen one.",
)
portal_option = shared(
    "-p", "--portal", keep="portal", metavar="SUBDOMAIN", help="In this portal, not the account."
)
json_option = shared("--json", keep="as_json", is_flag=True, help="Print one JSON document.")
verbose_option = shared(
    "-v", "--verbose", keep="verbose", is_flag=True, help="Show what is asked and answered."
)

BEFORE_THE_COMMAND = {
    "--json": shared("--json", keep="as_json", is_flag=True, hidden=True),
    "--portal": shared("-p", "--portal", keep="portal", metavar="SUBDOMAIN", hidden=True),
}
"""Taken in front of a command that has them too; `refuse_what_it_has_not` sees to the others."""


def before_the_command(group: F) -> F:
    """Give the whole command the options that most people write in front of a command."""
    for option in (*BEFORE_THE_COMMAND.values(), api_option, verbose_option):
        group = option(group)
    return group


def refuse_what_it_has_not(command: click.Command) -> None:
    """Raise a UsageError for an option in front of a command that does not know it."""
    given = {"--json": asked().as_json, "--portal": asked().portal, "--api": asked().api}
    has = {name for parameter in command.params for name in parameter.opts}
    for name, value in given.items():
        if value and name not in has:
            raise click.UsageError(f"`arcsecond {command.name}` has no {name}.")
