"""A small disk of a test's own, in memory, put where something keeps its files.

with small_disk(home.folder / "oort", mb=64) as disk:
    disk.fill()                 # to the last byte
    disk.fill(leave=100_000)    # or nearly
    disk.free()
    disk.read_only()            # for a process that has nothing open there
    disk.writable()

What lay in the folder lies on the disk. Needs the right to mount; a test without it is skipped.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A mounted file system and what fills it."""

    folder: Path

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self, *, leave: int = 0) -> None:
        """Take all the space there is, but `leave` bytes."""
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(MB)) == MB:
                pass
            while file.write(bytes(512)):
                pass
        if leave:
            os.truncate(self._ballast, max(0, self._ballast.stat().st_size - leave))

    def free(self) -> None:
        """Give the space back."""
        self._ballast.unlink(missing_ok=True)

    def read_only(self) -> None:
        """Let nothing be written, as a disk with an error does. Who has a file open forbids it."""
        subprocess.run(["mount", "-o", "remount,ro", self.folder], check=True)

    def writable(self) -> None:
        """Let it be written again."""
        subprocess.run(["mount", "-o", "remount,rw", self.folder], check=True)


@contextlib.contextmanager
def small_disk(folder: Path, *, mb: float = 64) -> Iterator[SmallDisk]:
    """Have `folder` on a disk of so many MB for the time of the block, with what lies in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as kept:
        shutil.copytree(folder, kept, dirs_exist_ok=True)
        _mount("-t", "tmpfs", "-o", f"size={int(mb * 1024)}k,mode=0700", "tmpfs", folder)
        try:
            shutil.copytree(kept, folder, dirs_exist_ok=True)
            yield SmallDisk(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


@contextlib.contextmanager
def failing_disk(folder: Path, image: Path, *, mb: int = 100) -> Iterator[Failing]:
    """Have `folder` on an ext4 of its own that can be made to fail while it is in use."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(mb * MB)
    if not shutil.which("mkfs.ext4"):
        pytest.skip("needs mkfs.ext4 (e2fsprogs)")
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True)
    with tempfile.TemporaryDirectory() as kept:
        shutil.copytree(folder, kept, dirs_exist_ok=True)
        _mount("-o", "loop,errors=remount-ro", image, folder)
        try:
            shutil.copytree(kept, folder, dirs_exist_ok=True)
            folder.chmod(0o700)
            os.sync()  # what fails later is not what was put here
            yield Failing(folder, image)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


@dataclass(frozen=True, slots=True)
class Failing:
    """A mounted file system of which the kernel can find that it is broken."""

    folder: Path
    image: Path

    def fail(self) -> None:
        """Find an error: the kernel makes it read-only for all who have it open, as it stands."""
        subprocess.run(["mount", "-o", "remount,abort", self.folder], check=True)

    def repair(self) -> None:
        """Mount it anew, as the machine's next start does; nobody has it open."""
        subprocess.run(["umount", self.folder], check=True)
        subprocess.run(["e2fsck", "-p", self.image], check=False, stdout=subprocess.DEVNULL)
        _mount("-o", "loop,errors=remount-ro", self.image, self.folder)


def _mount(*words: str | Path) -> None:
    if os.name != "posix" or os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("needs the right to mount a file system (root)")
    done = subprocess.run(["mount", *words], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"needs the right to mount a file system (root): {done.stderr.strip()}")
