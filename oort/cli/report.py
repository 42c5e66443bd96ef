"""`oort report`: one night as a ledger; text, JSON, and a page to print."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from oort.cli import options, output
from oort.cli.uploads import Night

INCOMPLETE = 1


@click.command(short_help="One night: what was taken, and is it safe?")
@click.option(
    "--night",
    type=Night(),
    help="The date of its evening; left out, the newest night that has files.",
)
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it as one page that needs no network, to keep or to print.",
)
@click.option("--check", is_flag=True, help="Exit 1 unless the night is complete.")
@click.option(
    "--strict",
    is_flag=True,
    help="Files that are at the server by name and size alone do not count as safe.",
)
@options.as_json
@click.pass_context
def report(
    ctx: click.Context,
    *,
    night: str | None,
    page: Path | None,
    check: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Show one night as a ledger: what was taken, what is safe, what is missing.

    A night runs from noon to noon where the telescope stands, and is named by the date of its
    evening. It is complete when every file is at the server, or was put aside by `oort skip`, and
    every watch was scanned in full after the night's end.
    """
    from oort import report as source
    from oort.clock import SystemClock

    here = options.here(last_good=True)
    found = source.read_night(
        here.locations,
        here.settings,
        now=SystemClock().now(),
        night=date.fromisoformat(night) if night else None,
        strict=strict,
    )
    document = source.document_of(found)
    if page is not None:
        from oort.report.page import render, write

        write(page, render(found, document))
    if as_json:
        output.document(document)
    else:
        from oort.cli import ledger

        output.show(ledger.render(document))
        if page is not None:
            output.line(f"\nWritten: {output.words(page)}")
    if check and not found.is_complete:
        ctx.exit(INCOMPLETE)
