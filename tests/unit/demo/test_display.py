"""On a pipe the night is plain lines, and the table holds what was found."""

from __future__ import annotations

import io

from oort.clock import SystemClock
from oort.demo.display import Display
from oort.demo.proof import Finding, Line, Proof
from oort.demo.snapshot import Snapshot

HASH = "0123456789abcdef" * 4


def test_a_pipe_gets_plain_lines_without_an_escape() -> None:
    pipe = io.StringIO()

    with Display(SystemClock(), file=pipe) as display:
        display.say("camera", "M31/Galaxie d'Andromède_L_0005.fits [in one go]")

    (line,) = pipe.getvalue().splitlines()
    assert line.endswith("s  camera  M31/Galaxie d'Andromède_L_0005.fits [in one go]")
    assert "\x1b" not in line


def test_a_change_of_the_links_state_is_a_line_of_its_own() -> None:
    pipe = io.StringIO()

    with Display(SystemClock(), file=pipe) as display:
        display.show(Snapshot(running=True, pid=7, link="online"))
        display.show(Snapshot(running=True, pid=7, link="online"))
        display.show(Snapshot(running=True, pid=7, link="offline", reason="refused"))

    lines = pipe.getvalue().splitlines()
    assert [line.split("sees the link ")[1] for line in lines] == ["online", "offline: refused"]


def test_the_table_shows_both_hashes_and_the_verdict_closes_it() -> None:
    pipe = io.StringIO()
    proof = Proof(
        (
            Line("M31/a.fits", 2_880, HASH, HASH, 3.25, Finding.SAFE),
            Line("M31/b.fits", 5_760, HASH, None, None, Finding.MISSING),
        )
    )

    Display(SystemClock(), file=pipe).conclude(proof)

    text = pipe.getvalue()
    safe, missing = (line for line in text.splitlines() if line.startswith("M31/"))
    assert safe.split() == [
        "M31/a.fits",
        "2,880",
        "0123456789ab…",
        "0123456789ab…",
        "3.2",
        "s",
        "safe",
    ]
    assert missing.split() == ["M31/b.fits", "5,760", "0123456789ab…", "-", "missing"]
    assert text.rstrip().endswith("1 of 2 files are not safe (M31/b.fits: missing).")
