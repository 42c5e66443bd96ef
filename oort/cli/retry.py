"""`oort retry`: send again what failed, was left out, or waits."""

from __future__ import annotations

import click

from oort.cli import options, orders, output


@click.command(short_help="Send files again.")
@click.argument("files", nargs=-1, metavar="[PATH|ID]…", type=options.TYPED)
@click.option("--all", "everything", is_flag=True, help="Every file in Error.")
@click.option("--force", is_flag=True, help="Send a truncated file as it is.")
def retry(files: tuple[str, ...], *, everything: bool, force: bool) -> None:
    """Put files at the front of the queue: those in Error, skipped or waiting.

    A number is an ID as `oort uploads` shows it; a file whose name is a number is given as ./7.
    """
    if bool(files) == everything:
        raise click.UsageError("Name files, or use --all.")
    moved = orders.give("retry", files, all=everything, force=force)
    if moved or not everything:
        output.line(f"{output.count(moved, 'file')} at the front of the queue.")
    else:
        output.line("No file is in Error.")
