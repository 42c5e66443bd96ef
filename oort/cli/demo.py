"""`oort demo`: a rehearsal night, and the proof that every file arrived."""

from __future__ import annotations

import click

from oort.errors import OortError


@click.command(short_help="Rehearse a night and prove that every file arrives.")
@click.option(
    "--exposures",
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Light frames to take (default 12; 6 with --fast).",
)
@click.option("--fast", is_flag=True, help="A shorter night: less than 30 seconds.")
@click.option("--keep", is_flag=True, help="Keep the temporary home, and say where it is.")
def demo(exposures: int | None, *, fast: bool, keep: bool) -> None:
    """Rehearse a night in a temporary home, and prove that every file arrives.

    A server on this machine, a simulated camera, and the real daemon as its own process. The link
    is cut in the middle, and the daemon is killed in the middle of an upload. At the end a table
    holds the SHA-256 of every file on the disk against the bytes at the server, and the night's
    report is what `oort report` tells of it in the morning.

    Nothing outside the temporary home is read or changed, no account is needed, and nothing leaves
    this machine. The exit is 1 if one file is missing or differs.
    """
    from oort.demo.night import rehearse
    from oort.demo.script import script

    proof = rehearse(script(exposures, fast=fast), keep=keep)
    if not proof.is_complete:
        raise OortError(
            f"{len(proof.unsafe)} of {len(proof.lines)} files are not safe",
            hint="run `oort demo --keep` to look at the files and logs afterwards",
        )
