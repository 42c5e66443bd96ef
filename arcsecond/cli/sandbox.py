"""`arcsecond sandbox`: an Arcsecond-compatible server on loopback, to rehearse without an account."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from arcsecond.cli import output

if TYPE_CHECKING:
    from arcsecond.sandbox.server import Ready

DEFAULT_PORT = 8765


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Listen on this port; 0 takes any free one.",
)
@click.option(
    "--storage",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep everything in this folder. [default: one of the user's data folder]",
)
@click.option(
    "--page-size",
    type=click.IntRange(min=1),
    help="Answer listings in pages of that many instead of bare arrays.",
)
@click.option("--faults", is_flag=True, help="Open the fault switchboard at /_faults/.")
@click.option("--json", "as_json", is_flag=True, help="Announce the server as one JSON object.")
def sandbox(
    port: int, storage: Path | None, page_size: int | None, faults: bool, as_json: bool
) -> None:
    """Run an Arcsecond-compatible server on loopback, to rehearse without an account.

    Uploaded files lie as they came below the storage folder, and outlive a restart with the same
    one. Ctrl-C ends it.
    """
    from arcsecond.sandbox.server import serve

    def announce(ready: Ready) -> None:
        output.say(json.dumps(asdict(ready)) if as_json else _words(ready))
        sys.stdout.flush()

    serve(
        (storage or _default_storage()).absolute(),
        port=port,
        page_size=page_size,
        faults=faults,
        announce=announce,
    )


def _default_storage() -> Path:
    from platformdirs import user_data_path

    return user_data_path("arcsecond") / "sandbox"


def _words(ready: Ready) -> str:
    return f"""\
The sandbox listens on {ready.url}
  username     {ready.username}
  upload key   {ready.upload_key}
  access key   {ready.access_key}
  storage      {ready.storage}

Try it in another terminal:
  arcsecond api add sandbox {ready.url}
  arcsecond login --api sandbox --username {ready.username} --upload_key {ready.upload_key}

Ctrl-C ends it; the storage stays."""
