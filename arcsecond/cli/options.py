"""Options that several commands share, and what was asked for with them.

They may stand before or behind a subcommand's name (`arcsecond datasets -p P read ID`, `arcsecond
datasets read ID -p P`), so they are kept in one `Asked` for the whole command line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

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
        """Return the API server to use: `--api`, ARCSECOND_API, the chosen one, `cloud`."""
        from arcsecond.config import ArcsecondConfig, mend_modes

        mend_modes()
        return ArcsecondConfig(self.api)

    def trace(self) -> Callable[[str], None] | None:
        """Return where the transport's lines go: to stderr with `-v`."""
        from arcsecond.cli.output import note

        return note if self.verbose else None


def asked() -> Asked:
    """Return what was asked for in the command that runs."""
    return click.get_current_context().ensure_object(Asked)


def shared(*names: str, keep: str, **attributes: Any) -> Callable[[F], F]:
    """Return an option whose value goes to the field `keep` of `Asked`."""
    return click.option(*names, expose_value=False, callback=_keeper(keep), **attributes)


def debug_option() -> click.Option:
    """Return `--debug`, which every command has."""
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        callback=_keeper("debug"),
        help="Show the traceback of an error.",
    )


def _keeper(field: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def keep(context: click.Context, _: click.Parameter, value: Any) -> Any:
        if value:
            setattr(context.ensure_object(Asked), field, value)
        return value

    return keep


api_option = shared(
    "--api", keep="api", metavar="NAME", help="Use this API server instead of the chosen one."
)
portal_option = shared(
    "-p", "--portal", keep="portal", metavar="SUBDOMAIN", help="In this portal, not the account."
)
json_option = shared("--json", keep="as_json", is_flag=True, help="Print one JSON document.")
verbose_option = shared(
    "-v", "--verbose", keep="verbose", is_flag=True, help="Show what is asked and answered."
)
