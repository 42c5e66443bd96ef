"""`oort skip`: leave files out, or acknowledge what cannot be mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from oort.cli import options, orders, output

if TYPE_CHECKING:
    from pathlib import Path


@click.command(short_help="Leave files out, or acknowledge their loss.")
@click.argument("files", nargs=-1, required=True, metavar="PATH|ID…", type=options.PATH)
def skip(files: tuple[Path, ...]) -> None:
    """Leave files out for good: those in Error, waiting, gone, or changed after upload.

    A number is an ID as `oort uploads` shows it; a file whose name is a number is given as ./7.
    """
    moved = orders.give("skip", orders.which(files))
    output.line(f"{output.count(moved, 'file')} left out.")
