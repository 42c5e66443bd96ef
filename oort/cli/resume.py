"""`oort resume`: go on after `oort pause`."""

from __future__ import annotations

import click

from oort.cli import output


@click.command(short_help="Go on after a pause.")
def resume() -> None:
    """Go on sending after `oort pause`."""
    from oort.daemon import control
    from oort.locations import locate
    from oort.lock import daemon_of

    locations = locate()
    control.ask(locations, "resume", {})
    if daemon_of(locations.lock_file) is None:
        output.line("Resumed; the daemon is not running: `oort start` sends what waits.")
    else:
        output.line("Resumed: what waits is sent.")
