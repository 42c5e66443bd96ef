"""`oort resume`: go on after `oort pause`."""

from __future__ import annotations

import click

from oort.cli import output


@click.command(short_help="Go on after a pause.")
def resume() -> None:
    """Go on sending after `oort pause`."""
    from oort.daemon import control
    from oort.locations import locate

    control.ask(locate(), "resume", {})
    output.line("Resumed: what waits is sent.")
