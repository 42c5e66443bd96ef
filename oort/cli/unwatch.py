"""`oort unwatch`: take a folder away from the daemon; what it has sent stays known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from oort.cli import completion, options, output
from oort.cli.planning import is_same_folder
from oort.errors import OortError

if TYPE_CHECKING:
    from oort.settings import Settings
    from oort.values import Watch


@click.command(short_help="Stop watching a folder.")
@click.argument("watch", metavar="NAME|FOLDER", shell_complete=completion.watches_or_folders)
@options.yes
def unwatch(watch: str, *, yes: bool) -> None:
    """Stop watching a folder, by its watch's name or its path.

    Its waiting files become Skipped `ignored`, and settle again if a watch covers them later. Files
    that were sent stay in the history. Neither the folder nor the server is touched.
    """
    from oort.daemon import control
    from oort.settings import remove_watch

    here = options.here()
    found = _find(here.settings, watch)
    output.line(f'Watch "{found.name}" of {output.words(found.path)}')
    options.confirm("Stop watching it?", yes=yes)
    remove_watch(here.locations.config_file, found.name)
    told = control.ask(here.locations, "unwatch", {"watch": found.name})
    output.line(f'No longer watched: "{found.name}".')
    if told.get("moved"):
        output.line(f"{output.count(told['moved'], 'waiting file')} will not be sent.")


def _find(settings: Settings, watch: str) -> Watch:
    """Return the watch of that name, or of that folder."""
    by_name = settings.watch(watch)
    if by_name is not None:
        return by_name
    folder = Path(watch).expanduser().absolute()
    for candidate in settings.watches:
        if is_same_folder(candidate.path, folder):
            return candidate
    raise OortError(
        f"{output.words(watch)} is neither the name of a watch nor a watched folder",
        hint="`oort folders` lists them.",
    )
