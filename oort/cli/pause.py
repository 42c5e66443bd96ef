"""`oort pause`: send nothing until `oort resume`."""

from __future__ import annotations

import click

from oort.cli import output


@click.command(short_help="Send nothing for now.")
def pause() -> None:
    """Send nothing until `oort resume`, also after a restart; what appears is still noted.

    What is being sent is finished.
    """
    from oort.daemon import control
    from oort.locations import locate

    control.ask(locate(), "pause", {})
    output.line("Paused: nothing is sent until `oort resume`.")
