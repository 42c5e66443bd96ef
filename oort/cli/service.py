"""`oort service`: have systemd or launchd run the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from oort.cli import options, output

if TYPE_CHECKING:
    from collections.abc import Callable

    from oort.service.installation import Manager


def _where(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--system` and `--user`."""
    user = click.option(
        "--user",
        metavar="NAME",
        help="With --system: the account that it runs as; default, who asks.",
    )
    system = click.option(
        "--system", is_flag=True, help="For the whole machine, before anybody logs in."
    )
    return system(user(function))


@click.group(short_help="Run the daemon by systemd or launchd.")
def service() -> None:
    """Have systemd (Linux) or launchd (macOS) run the daemon, and start it again after a crash."""


@service.command(short_help="Write the service's file, and enable it.")
@_where
def install(*, system: bool, user: str | None) -> None:
    """Write the service's file with the command of this installation, and enable it.

    OORT_HOME and ARCSECOND_CONFIG_DIR are written into it where they are set. A second time does no
    harm: it brings the file up to date.
    """
    from oort.service import Installation

    manager = _manager(system=system, user=user)
    here = options.here(last_good=True)
    todo = manager.install(Installation.here(stop_grace_s=here.settings.stop_grace_s))
    output.line(f"Installed: {output.words(manager.file)}")
    for words in todo:
        output.line(words)
    options_again = f"{' --system' if system else ''}{f' --user {user}' if user else ''}"
    output.line(f"Start it now with `oort service start{options_again}`.")


@service.command(short_help="Stop the service, and remove what install made.")
@_where
def uninstall(*, system: bool, user: str | None) -> None:
    """Stop the service and remove its files; queue, settings and keys stay."""
    _manager(system=system, user=user).uninstall()
    output.line("The service is removed. The queue, the settings and the keys are where they were.")


@service.command(short_help="Start the service.")
@_where
def start(*, system: bool, user: str | None) -> None:
    """Start the service, and return when the daemon's queue is open."""
    from oort.errors import OortError
    from oort.locations import locate
    from oort.lock import daemon_of

    manager = _manager(system=system, user=user)
    running = daemon_of(locate().lock_file)
    if running is not None and not running.service and not system:
        raise OortError(
            f"the daemon runs already (pid {running.pid}), and not as a service",
            hint="end it with `oort stop`, then start the service",
        )
    manager.start()
    output.line("The service runs.")


@service.command(short_help="Stop the service.")
@_where
def stop(*, system: bool, user: str | None) -> None:
    """Stop the service until it is started again, or the machine is."""
    _manager(system=system, user=user).stop()
    output.line("The service is stopped.")


@service.command(short_help="Show how the service is.")
@_where
@options.as_json
def status(*, system: bool, user: str | None, as_json: bool) -> None:
    """Show whether the service is installed, starts by itself, and runs."""
    from dataclasses import asdict

    manager = _manager(system=system, user=user)
    state = manager.state()
    if as_json:
        output.document({**asdict(state), "file": output.words(manager.file)})
        return
    if not state.installed:
        output.line("The service is not installed: `oort service install` does that.")
        return
    output.line(f"{state.words}{f', pid {state.pid}' if state.pid else ''}")
    if state.told:
        output.line(state.told)
    output.line("starts by itself" if state.enabled else "does not start by itself")
    output.line(output.words(manager.file))


def _manager(*, system: bool, user: str | None) -> Manager:
    from oort.service import manager

    if user is not None and not system:
        raise click.UsageError("--user goes with --system: your own service runs as you.")
    return manager(system=system, user=user)
