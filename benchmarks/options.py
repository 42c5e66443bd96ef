"""How a driver is to run: its own command line, and where it may put its files."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.results import Result

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # a tmpfs, where there is one
_ROOM_BYTES: Final = 4 * 1024**3
_BUILD: Final = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    quick: bool = False
    """Only show that it works: few files, one round. What it prints says nothing."""
    rounds: int | None = None
    build: Path = _BUILD
    """The folder with the commands that are measured."""
    against: Path | None = None
    """Another such folder: another state of the code, to run in turn with it."""

    def turns(self, usual: int) -> int:
        """Return how many rounds to run."""
        return self.rounds or (1 if self.quick else usual)

    def builds(self) -> dict[str, Path]:
        """Return the builds to be measured by the names that they have in the tables."""
        found = {"oort": self.build}
        if self.against is not None:
            found[f"oort ({self.against})"] = self.against
        return found


@contextlib.contextmanager
def places() -> Iterator[tuple[Path, Path]]:
    """Give a place for what is sent, without a disk if possible, and one for homes, on the disk."""
    room = _SHARED_MEMORY.is_dir() and shutil.disk_usage(_SHARED_MEMORY).free > _ROOM_BYTES
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=_SHARED_MEMORY if room else None) as data,
        tempfile.TemporaryDirectory(prefix="bench-") as homes,
    ):
        yield Path(data), Path(homes)


def end_in_order() -> None:
    """Have a SIGTERM end the process as an exception does: servers and daemons are stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the options that all drivers have."""
    parser.add_argument("--quick", action="store_true", help="few files: does it work?")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--build", type=Path, default=_BUILD, metavar="FOLDER")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another build, in turn")


def chosen(arguments: argparse.Namespace) -> Options:
    """Return the options that a command line chose."""
    return Options(
        quick=arguments.quick or bool(os.environ.get("QUICK")),
        rounds=arguments.rounds,
        build=arguments.build.absolute(),
        against=arguments.against.absolute() if arguments.against else None,
    )


def alone(measure: Callable[[Options], Result], about: str | None) -> None:
    """Run one driver as a command, and print what it measured."""
    from benchmarks import machine, page

    end_in_order()
    parser = argparse.ArgumentParser(description=about)
    add_to(parser)
    result = measure(chosen(parser.parse_args()))
    print(page.told(measure.__module__, result, machine.described()))
