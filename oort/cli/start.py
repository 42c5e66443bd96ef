"""`oort start`: run the daemon in the foreground, as systemd and launchd call it."""

from __future__ import annotations

import click

from oort.cli import options


@click.command(short_help="Run the daemon in the foreground.")
@click.pass_context
def start(ctx: click.Context) -> None:
    """Run the daemon until it is stopped by Ctrl-C, SIGTERM or `oort stop`.

    It watches the folders that `oort watch` added, and takes changes of config.toml and of the
    stored key by itself. A second daemon on the same queue refuses to start.
    """
    from oort.log import load_structlog

    load_structlog()
    from oort.daemon.app import Daemon

    ctx.exit(Daemon(options.here().locations).run())
