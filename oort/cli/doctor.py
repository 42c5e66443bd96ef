"""`oort doctor`: what is wrong here, and the command that mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from oort.cli import options, output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oort.doctor import Finding

_STYLES: Final = {"ok": "green", "warning": "yellow", "problem": "red"}
"""In the order of the lines: what must be mended stands last, where somebody looks first."""


@click.command(short_help="Find what is wrong, and the command that mends it.")
@options.as_json
@options.verbose
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool, verbose: bool) -> None:
    """Look for what is wrong with this installation of Oort, and say the command that mends it.

    Rights, limits, disk, queue, daemon, service, keys, server, clock, and each watched folder.
    Nothing is changed. Exit 1 if there is a problem, 0 if there is none; warnings do not count.
    """
    from oort.doctor import Case, State, examine
    from oort.locations import locate

    invocation = ctx.find_object(options.Invocation)
    debug = invocation is not None and invocation.debug
    case = Case(locate(), trace=output.complain if verbose else None)
    findings = examine(case, on_error=output.traceback_of if debug else None)
    if as_json:
        output.document([finding.document() for finding in findings])
    else:
        _show(findings)
    if any(finding.state is State.PROBLEM for finding in findings):
        ctx.exit(1)


def _show(findings: Sequence[Finding]) -> None:
    """Write a line for each finding, the remedy below it, and the verdict at the end."""
    wide = max(len(output.words(finding.check)) for finding in findings)
    for state, style in _STYLES.items():
        for finding in findings:
            if finding.state.value != state:
                continue
            name = output.words(finding.check).ljust(wide)
            mark = output.paint(f"{state:<7}", style)
            output.line(f"{mark}  {name}  {output.words(finding.text)}")
            if finding.remedy:
                output.line(f"{'':<7}  {'':<{wide}}  {output.paint(finding.remedy, 'bold')}")
    output.line()
    output.line(_verdict(findings))


def _verdict(findings: Sequence[Finding]) -> str:
    counts = {state: sum(one.state.value == state for one in findings) for state in _STYLES}
    if not counts["problem"] and not counts["warning"]:
        return output.paint("All is well.", "green")
    words = [
        output.count(counts[state], state) for state in ("problem", "warning") if counts[state]
    ]
    style = "red" if counts["problem"] else "yellow"
    rest = output.count(counts["ok"], "check")
    return f"{output.paint(' and '.join(words), style)}; {rest} found nothing."
