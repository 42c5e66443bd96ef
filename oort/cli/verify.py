"""`oort verify`: is all that lies in the folders at the server?"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from oort.cli import looking, options, output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from oort.cli.options import Here
    from oort.values import RelPath, Watch
    from oort.verify import Result

_SHOWN_MOST: Final = 20
"""Files of each kind that are shown; `--json` has them all."""
_ANSWERS_S: Final = 300.0
"""What a daemon may take to put a thousand rows back."""


@click.command(short_help="Compare folders, queue and server.")
@click.argument("name", required=False)
@options.as_json
@options.verbose
@click.pass_context
def verify(ctx: click.Context, *, name: str | None, as_json: bool, verbose: bool) -> None:
    """Compare what lies in the watched folders with the queue and with the server.

    Each dataset is listed once. What the server lacks goes back into the queue; what differs is
    named. One that was interrupted goes on with the next dataset.

    Exit 0: all that is on the disk is on the server (files whose content nothing proves are counted
    apart). 1: something is missing or differs, or could not be looked at.
    """
    from oort.verify import Result

    here = options.here()
    total = Result()
    for watch in _chosen(here, name):
        total.include(_verify(watch, here, verbose=verbose))
    if as_json:
        output.document({name: sorted(found) for name, found in total.lists.items()})
    else:
        _show(total)
    ctx.exit(0 if total.all_there else 1)


def _chosen(here: Here, name: str | None) -> Sequence[Watch]:
    """Return the watch of that name, or all that are enabled. Raises OortError."""
    from oort.errors import OortError

    if name is None:
        return [watch for watch in here.settings.watches if watch.enabled]
    watch = here.settings.watch(name)
    if watch is None:
        raise OortError(f"there is no watch {output.words(name)}", hint="`oort folders` lists them")
    return [watch]


def _verify(watch: Watch, here: Here, *, verbose: bool) -> Result:
    from oort.clock import SystemClock
    from oort.daemon import control
    from oort.remote import Remote
    from oort.verify import Bookmark, Verifying

    settings = here.settings
    remote = Remote(
        watch.api,
        connect_timeout_s=settings.connect_timeout_s,
        read_timeout_s=settings.read_timeout_s,
        proxy=settings.proxy,
        ca_bundle=settings.ca_bundle,
        trace=output.complain if verbose else None,
    )
    _require_account(watch, remote.account.username)

    def send_again(ids: Sequence[int], paths: Sequence[RelPath]) -> int:
        import os

        asked = {
            "watch": watch.name,
            "ids": list(ids),
            "paths": [os.fsdecode(path) for path in paths],
        }
        told = control.ask(here.locations, "verify", asked, timeout_s=_ANSWERS_S)
        return int(told.get("moved", 0)) + len(paths)

    now = SystemClock().now()
    bookmark = Bookmark.of(here.locations.state_folder, watch.name, now)
    try:
        with _progress(watch.name) as on_progress:
            return Verifying(
                watch,
                settings,
                here.locations,
                remote,
                never=looking.own_places(here),
                send_again=send_again,
                on_progress=on_progress,
            ).run(bookmark, now)
    finally:
        remote.close()


def _require_account(watch: Watch, username: str | None) -> None:
    """Raise OortError where the stored key is another user's: its datasets are not this watch's."""
    from oort.errors import OortError

    if watch.username and username != watch.username:
        raise OortError(
            f'the watch "{watch.name}" sends for {watch.username}, the stored key is '
            f"{username or 'nobody'}'s",
            hint=f"log in: `arcsecond login --api {watch.api} --username {watch.username}`",
        )


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal how far it is, in files; nothing where nobody looks."""
    import sys

    if not output.is_terminal(sys.stderr):
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True, no_color=not output.has_colour(sys.stderr))
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(f"{output.words(name)}", total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def _show(total: Result) -> None:
    missing, differs, unproven = (total.lists[key] for key in ("missing", "differs", "unproven"))
    proven = output.count(total.there, "file")
    if total.all_there and not unproven:
        output.line(f"All is there: {proven} proven by SHA-256.")
    else:
        output.line(
            f"{proven} proven; {len(missing)} missing, {len(differs)} differ, "
            f"{len(unproven)} unproven."
        )
    if total.left_out:
        output.line(f"{output.count(total.left_out, 'file')} ignored by your word.")
    _list("Missing at the server", missing)
    _list("Another content at the server, or here", differs)
    _list("There by name and size, not proven", unproven)
    if total.queued:
        output.line(f"{output.count(total.queued, 'file')} back in the queue, or looked at again.")
    for trouble in total.troubles:
        output.warning(trouble)


def _list(heading: str, found: dict[str, str]) -> None:
    if not found:
        return
    output.line(f"\n{heading}:")
    for path, reason in sorted(found.items())[:_SHOWN_MOST]:
        output.line(f"  {output.words(path)}{f'  ({reason})' if reason else ''}")
    if len(found) > _SHOWN_MOST:
        output.line(f"  and {len(found) - _SHOWN_MOST:,} more: `oort verify --json` lists all")
