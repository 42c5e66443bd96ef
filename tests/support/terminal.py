"""A command at a terminal of our own (pty(7)): what it shows, and what it is answered."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import subprocess
import termios
from typing import TYPE_CHECKING

from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def at_a_terminal(
    command: Sequence[str],
    answers: Sequence[tuple[str, str]] = (),
    *,
    columns: int = 80,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run the command at a terminal, answering each question; return exit code and what was shown."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=os.environ | {"TERM": "xterm-256color"} | (environment or {}),
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    shown = b""

    def read_on() -> bytes:
        nonlocal shown
        with contextlib.suppress(OSError):  # nothing yet, or (Linux: EIO) nobody any more
            shown += os.read(ours, 65536)
        return shown

    for question, answer in answers:
        wait_until(lambda q=question: q.encode() in read_on(), what=lambda: f"{shown!r}")
        os.write(ours, f"{answer}\n".encode())
    wait_until(lambda: read_on() is not None and process.poll() is not None)
    read_on()
    os.close(ours)
    return process.wait(), shown.decode()


def lines_of(shown: str) -> list[str]:
    """Return each line as it was drawn, also those that were drawn over, without what steers."""
    return [_CONTROL.sub("", line) for line in re.split(r"[\r\n]+|\x1b\[\d*A", shown)]


def colours_of(shown: str) -> list[str]:
    """Return what sets a colour (ECMA-48 SGR: 30 to 49, 90 to 107)."""
    settings = re.findall(r"\x1b\[([0-9;]+)m", shown)
    return [each for each in settings if re.search(r"(^|;)(3[0-8]|4[0-8]|9\d|10[0-7])($|;)", each)]
