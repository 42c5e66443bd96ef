"""`oort monitor`: the queue as a page in the browser, and its numbers for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from oort.cli import options, output

if TYPE_CHECKING:
    from pathlib import Path


@click.command(short_help="Show everything as a page in the browser.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="H",
    help="Where to listen; one that other machines can reach needs a token.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=5001,
    show_default=True,
    metavar="P",
    help="0 takes any free one.",
)
@click.option(
    "--token-file",
    type=options.PATH,
    metavar="F",
    help="Who looks must have the token in this file, as with OORT_MONITOR_TOKEN.",
)
@click.option("--read-only", is_flag=True, help="A page without buttons that changes nothing.")
@click.option(
    "--allow-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Answer to this name, too (repeatable).",
)
def monitor(
    *,
    host: str,
    port: int,
    token_file: Path | None,
    read_only: bool,
    allowed_hosts: tuple[str, ...],
) -> None:
    """Serve a page that shows the night and renews itself, until Ctrl-C; it needs no daemon.

    /metrics has the numbers for Prometheus, /healthz answers 200 or 503. On this machine only,
    unless --host names another address.
    """
    from oort.locations import locate
    from oort.monitor.server import Options, serve
    from oort.monitor.token import SHORT, read_token

    token = read_token(token_file)
    if token is not None and len(token) < SHORT:
        output.warning(f"the token has fewer than {SHORT} characters: it can be guessed")
    serve(
        locate(),
        Options(host, port, token, read_only, allowed_hosts),
        announce=_announce,
    )


def _announce(url: str) -> None:
    output.line(f"The page is at {url} (Ctrl-C ends it).")
    output.flush()
