"""`oort check`: one line for a monitoring system, and its exit code."""

from __future__ import annotations

import click

from oort.cli import options, output
from oort.policy import health as rules


@click.command(short_help="How well is it? One line for Nagios, Icinga, cron.")
@click.option(
    "--warn-age",
    "warn_age_s",
    type=click.FloatRange(min=0),
    default=rules.WARN_AGE_S,
    show_default=True,
    metavar="S",
    help="Warn when a file has waited for so many seconds.",
)
@click.option(
    "--crit-age",
    "crit_age_s",
    type=click.FloatRange(min=0),
    default=rules.CRIT_AGE_S,
    show_default=True,
    metavar="S",
    help="Be critical when it has waited for so many.",
)
@click.pass_context
def check(ctx: click.Context, *, warn_age_s: float, crit_age_s: float) -> None:
    """Say in one line how well it is, in the format of the monitoring plugins.

    Exit 0: OK. 1: warning (files in Error, gone or changed; a link that is offline, a watch that is
    held; paused). 2: critical (no daemon, a refused key, an old file that waits, a full disk). 3: the
    queue cannot be read.
    """
    found = _look(warn_age_s, crit_age_s)
    output.line(output.words(found.line))
    ctx.exit(found.level)


def _look(warn_age_s: float, crit_age_s: float) -> rules.Health:
    from oort import status
    from oort.clock import SystemClock
    from oort.errors import OortError

    try:
        here = options.here(last_good=True)
    except OortError as error:  # a config.toml that never was a good one
        return rules.unreadable(error.message)
    return status.health(
        here.locations,
        here.settings,
        SystemClock().now(),
        warn_age_s=warn_age_s,
        crit_age_s=crit_age_s,
    )
