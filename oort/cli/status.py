"""`oort status`: is last night's data safe, and what became of one file."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Final

import click

from oort.cli import options, output

if TYPE_CHECKING:
    from pathlib import Path

    from oort.cli.options import Here

_REDRAW_S: Final = 0.5


@click.command(short_help="Is everything safe? What became of a file?")
@click.argument("path", required=False, type=options.PATH)
@click.option("--live", is_flag=True, help="Go on showing it; Ctrl-C ends it.")
@options.as_json
def status(path: Path | None, *, live: bool, as_json: bool) -> None:
    """Show the queue at a glance; of a folder, its counts; of a file, what happened to it.

    The first line is the answer. What needs a person stands at the end, with the command to type.
    """
    if live and (as_json or path is not None):
        raise click.UsageError("--live shows the whole queue on a terminal.")
    here = options.here(last_good=True)
    if path is not None:
        _show_path(here, path, as_json=as_json)
    elif live:
        with contextlib.suppress(KeyboardInterrupt):
            _show_live(here)
    elif as_json:
        output.document(_overview(here))
    else:
        from oort.cli import overview
        from oort.clock import SystemClock

        output.show(overview.render(_overview(here), SystemClock().now()))


def _overview(here: Here) -> dict[str, Any]:
    from oort import status as source

    return source.overview(here.locations, here.settings)


def _show_path(here: Here, path: Path, *, as_json: bool) -> None:
    from oort import status as source
    from oort.cli import explain
    from oort.clock import SystemClock
    from oort.lock import daemon_of

    found = source.of_path(here.locations, here.settings, path)
    if as_json:
        output.document(found)
        return
    if "substatus" in found:
        running = daemon_of(here.locations.lock_file) is not None
        lines = explain.of_file(found, SystemClock().now(), running=running)
    else:
        lines = explain.of_folder(found)
    for line in lines:
        output.line(line)


def _show_live(here: Here) -> None:
    """Redraw in place; only what differs is sent to the terminal, so that nothing flickers."""
    from rich.live import Live

    from oort.cli import overview
    from oort.clock import SystemClock

    clock, pause = SystemClock(), threading.Event()
    first = overview.render(_overview(here), clock.now())
    if not output.is_terminal():
        output.show(first)
        return
    with Live(first, console=output.make_console(), auto_refresh=False, screen=False) as shown:
        while True:
            pause.wait(_REDRAW_S)
            here = options.here(last_good=True)
            shown.update(overview.render(_overview(here), clock.now()), refresh=True)
