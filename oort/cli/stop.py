"""`oort stop`: end the daemon of this machine."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import click

from oort.cli import options, output
from oort.errors import OortError

if TYPE_CHECKING:
    from oort.locations import Locations

_MARGIN_S: Final = 10.0
"""What the daemon may take beyond the grace: cutting connections, closing the queue."""

_LOOK_EVERY_S: Final = 0.05


@click.command(short_help="Stop the daemon.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, max=86400),
    metavar="S",
    help="Seconds that uploads in hand may go on; default `stop_grace_s`.",
)
def stop(*, timeout_s: float | None) -> None:
    """Stop the daemon of this machine, and return when it is gone.

    Uploads in hand may finish; what does not is settled with the server at the next start.
    """
    from oort.daemon import control
    from oort.lock import daemon_of

    here = options.here(last_good=True)
    running = daemon_of(here.locations.lock_file)
    if running is None:
        output.line("The daemon is not running.")
        return
    if timeout_s is None and _stopped_as_service(running.service):
        _wait_until_gone(here.locations, _MARGIN_S)
        output.line("The service is stopped.")
        return
    grace_s = here.settings.stop_grace_s if timeout_s is None else timeout_s
    control.ask(here.locations, "stop", {"timeout_s": grace_s}, timeout_s=grace_s + _MARGIN_S)
    _wait_until_gone(here.locations, grace_s + _MARGIN_S)
    output.line("The daemon is stopped.")


def _stopped_as_service(service: str) -> bool:
    """Have the daemon's service manager stop it; False: it has none, or one that does not listen."""
    from oort.service import manager_of

    manager = manager_of(service)
    if manager is None:
        return False
    try:
        manager.stop()
    except OortError:
        return False  # the daemon itself takes the command, and its exit 0 is no failure
    return True


def _wait_until_gone(locations: Locations, timeout_s: float) -> None:
    """Wait for the daemon's lock to be free. Raises OortError where it stays held."""
    from oort.lock import daemon_of

    pause = threading.Event()
    for _ in range(round(timeout_s / _LOOK_EVERY_S) + 1):
        if daemon_of(locations.lock_file) is None:
            return
        pause.wait(_LOOK_EVERY_S)
    raise OortError(
        f"the daemon is still there after {timeout_s:.0f} s", hint="`oort logs` says what it does."
    )
