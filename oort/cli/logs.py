"""`oort logs`: the end of the daemon's log, and what is added to it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

import click

from oort.cli import output

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

_LOOK_EVERY_S: Final = 0.2


@click.command(short_help="Show the daemon's log.")
@click.option("-f", "--follow", is_flag=True, help="Go on showing what is added; Ctrl-C ends it.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    metavar="N",
    help="Lines to begin with.",
)
def logs(*, follow: bool, lines: int) -> None:
    """Show the end of the daemon's log."""
    from oort.locations import locate
    from oort.log import FILE_NAME

    file = locate().logs_folder / FILE_NAME
    if not file.exists() and not follow:
        output.line(f"There is no log yet: {output.words(file)} is written by `oort start`.")
        return
    position = _show_end(file, lines)
    if follow:
        with contextlib.suppress(KeyboardInterrupt):
            _follow(file, position)


def _show_end(file: Path, lines: int) -> tuple[int, int]:
    """Show the last lines; return the file's inode and how far it was read."""
    try:
        with file.open("rb") as log:
            for line in deque(log, maxlen=lines):
                _show(line)
            return os.fstat(log.fileno()).st_ino, log.tell()
    except FileNotFoundError:
        return 0, 0


def _follow(file: Path, position: tuple[int, int]) -> None:
    """Show what is added, across the moment in which a full log is set aside for a new one."""
    inode, offset = position
    pause = threading.Event()
    log: BinaryIO | None = None
    try:
        while True:
            if log is None:
                log, inode, offset = _open(file, inode, offset)
            offset = _show_rest(log, offset) if log else offset
            if log and _was_replaced(file, inode):
                _show_rest(log, offset)
                log.close()
                log = None
                continue
            output.flush()
            pause.wait(_LOOK_EVERY_S)
    finally:
        if log:
            log.close()


def _open(file: Path, inode: int, offset: int) -> tuple[BinaryIO | None, int, int]:
    """Open the log at the place that was read; a new one from its beginning."""
    try:
        log = file.open("rb")
    except FileNotFoundError:
        return None, 0, 0
    found = os.fstat(log.fileno()).st_ino
    return log, found, offset if found == inode else 0


def _show_rest(log: BinaryIO, offset: int) -> int:
    """Show the whole lines from `offset` on; return where the next one begins."""
    log.seek(offset)
    for line in log:
        if not line.endswith(b"\n"):
            break
        _show(line)
        offset += len(line)
    return offset


def _was_replaced(file: Path, inode: int) -> bool:
    try:
        return file.stat().st_ino != inode
    except FileNotFoundError:
        return False


def _show(line: bytes) -> None:
    output.line(line.rstrip(b"\r\n").decode("utf-8", "backslashreplace"))
