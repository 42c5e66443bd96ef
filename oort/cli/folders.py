"""`oort folders`: the watched folders, how they are, and how many files each has."""

from __future__ import annotations

import click

from oort.cli import options, output


@click.command(short_help="List the watched folders.")
@options.as_json
def folders(*, as_json: bool) -> None:
    """List the watched folders with their state, dataset and counts."""
    from oort import status
    from oort.cli import overview

    here = options.here(last_good=True)
    found = status.watches(here.locations, here.settings)
    if as_json:
        output.document(found)
    elif found:
        output.show(overview.Watches(found))
    else:
        output.line("No folder is watched yet: `oort watch FOLDER` adds one.")
