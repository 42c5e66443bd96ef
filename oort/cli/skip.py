"""`oort skip`: leave files out, or acknowledge what cannot be mended."""

from __future__ import annotations

import click

from oort.cli import options, orders, output


@click.command(short_help="Leave files out, or acknowledge their loss.")
@click.argument("files", nargs=-1, required=True, metavar="PATH|ID…", type=options.TYPED)
def skip(files: tuple[str, ...]) -> None:
    """Leave files out for good: those in Error, waiting, gone, or changed after upload.

    A number is an ID as `oort uploads` shows it; a file whose name is a number is given as ./7.
    """
    moved = orders.give("skip", files)
    output.line(f"{output.count(moved, 'file')} left out.")
