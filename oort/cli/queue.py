"""`oort queue`: what is done to the queue as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from oort.cli import options, output

if TYPE_CHECKING:
    from pathlib import Path


@click.group(short_help="Copy the queue.")
def queue() -> None:
    """Copy the queue, while the daemon runs or not."""


@queue.command(short_help="Write a consistent copy of the queue.")
@click.argument("file", type=options.PATH)
def backup(file: Path) -> None:
    """Write a consistent copy of the queue into FILE, while the daemon runs.

    FILE must not be there yet. To use a copy: stop the daemon, and put it in place of `oort.db`.
    """
    import sqlite3

    from oort.errors import OortError
    from oort.queue.database import Database, copy

    here = options.here(last_good=True)
    database = Database.at(here.settings.database_url(here.locations))
    if database.file is None:
        raise OortError("the queue is on a server", hint="copy it with `pg_dump`")
    if not database.exists:
        raise OortError("there is no queue yet", hint="start the daemon once: `oort start`")
    if file.exists():
        raise OortError(
            f"{output.words(file)} is there already", hint="name a new file, or move that one away"
        )
    try:
        copy(database.file, file.absolute())
    except (OSError, sqlite3.Error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise OortError(f"{output.words(file)} cannot be written: {why}") from error
    output.line(f"{output.words(file)}: {output.size(file.stat().st_size)}")
