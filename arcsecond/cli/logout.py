"""`arcsecond logout`: forget the keys for an API server, not the server."""

from __future__ import annotations

import click

from arcsecond.cli import output
from arcsecond.cli.options import api_option, asked


@click.command()
@api_option
def logout() -> None:
    """Forget the keys for an API server.

    The server stays known. A key that others may have seen is made useless in your settings at
    https://www.arcsecond.io.
    """
    from arcsecond.config import drop_keys

    name = asked().config().api_name
    output.say(
        f"Logged out of {name}." if drop_keys(name) else f"There was no key stored for {name}."
    )
