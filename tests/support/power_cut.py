"""What a power cut would have left of a folder, from a record of its system calls (strace).

A disk keeps what was synced; of what was written after the last sync of a file it may have any
part, in any order. `Recording` reads the record call by call, so that the images of the folder at
any moment can be made of it. That a file has its name is taken to last with its first sync, as on
ext4, and a file that was removed is gone at once. Calls of other files are not in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

CALLS: Final = "pwrite64,ftruncate,fdatasync,fsync,unlink,sendto"
OPTIONS: Final = ("-y", "-xx", "-s", "70000", "-e", f"trace={CALLS}")

_LINE: Final = re.compile(rb"^(\d+) +(.*)$")
_ON_FILE: Final = re.compile(rb"^(\w+)\((\d+)<([^>]*)>,?\s*(.*)$")
_RESUMED: Final = re.compile(rb"^<\.\.\. (\w+) resumed>(.*)$")
_STRING: Final = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"')
_UNFINISHED: Final = b" <unfinished ...>"


@dataclass
class _File:
    durable: bytearray = field(default_factory=bytearray)
    is_durable: bool = False
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Writes since the last sync: an offset and bytes, or a new length and None."""


@dataclass(frozen=True)
class Event:
    """One thing that happened: `write` or `sync` of a file, bytes that were `sent`, a `signal`."""

    kind: str
    name: str = ""
    data: bytes = b""


class Recording:
    """Reads a record; between two events of `play` the images show what a cut would leave."""

    def __init__(self, record: Path, folder: Path) -> None:
        self._record = record
        self._folder = folder
        self._files: dict[str, _File] = {}

    def play(self) -> Iterator[Event]:
        """Go through the record; yield what happened, in its order."""
        begun: dict[bytes, bytes] = {}
        for line in self._record.read_bytes().splitlines():
            found = _LINE.match(line)
            if found is None:
                continue
            thread, said = found.groups()
            resumed = _RESUMED.match(said)
            if said.endswith(_UNFINISHED):
                begun[thread] = said.removesuffix(_UNFINISHED)
                if said.startswith(b"sendto("):
                    yield Event("sent", data=_bytes_in(said))
                continue
            if resumed is not None:
                said = begun.pop(thread, b"") + resumed.group(2)
                if said.startswith(b"sendto("):
                    continue
            yield from self._take(said)

    def _take(self, said: bytes) -> Iterator[Event]:
        if said.startswith(b"---"):
            yield Event("signal", name=said.split()[1].decode())
            return
        if said.startswith(b"unlink") and said.endswith(b" = 0"):
            self._files.pop(self._name_of(_bytes_in(said)) or "", None)
            return
        found = _ON_FILE.match(said)
        if found is None or b") = -1 " in said:
            return
        call, _, path, rest = found.groups()
        if call == b"sendto":
            yield Event("sent", data=_bytes_in(said))
            return
        name = self._name_of(_plain(path))
        if name is None:
            return
        file = self._files.setdefault(name, _File())
        if call == b"pwrite64":
            data = _bytes_in(rest)
            offset = int(rest.rpartition(b")")[0].rpartition(b",")[2])
            file.pending.append((offset, data))
            yield Event("write", name=name)
        elif call == b"ftruncate":
            file.pending.append((int(rest.partition(b")")[0]), None))
        elif call in (b"fdatasync", b"fsync"):
            for change in file.pending:
                _apply(file.durable, change)
            file.pending.clear()
            file.is_durable = True
            yield Event("sync", name=name)

    def _name_of(self, path: bytes) -> str | None:
        folder, _, name = path.decode(errors="replace").rpartition("/")
        return name if folder == str(self._folder) and name.startswith("oort.db") else None

    def leave(self, target: Path, rng: random.Random | None = None) -> None:
        """Write what the disk has: what was synced, and with `rng` any part of the writes since."""
        target.mkdir()
        for name, file in self._files.items():
            if name.endswith("-shm"):
                continue  # memory, not disk
            content = bytearray(file.durable)
            if rng is not None:
                for change in file.pending:
                    if rng.random() < 0.5:  # a coin
                        _apply(content, _torn(change, rng))
            if file.is_durable or content:
                (target / name).write_bytes(content)


def _torn(change: tuple[int, bytes | None], rng: random.Random) -> tuple[int, bytes | None]:
    """Return a write of which, now and then, only the first sectors came to the disk."""
    offset, data = change
    if data is None or rng.random() < 0.7:  # seven of ten are whole
        return change
    return offset, data[: rng.randrange(0, len(data) + 1, 512)]


def _apply(content: bytearray, change: tuple[int, bytes | None]) -> None:
    offset, data = change
    if data is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


def _bytes_in(said: bytes) -> bytes:
    found = _STRING.search(said)
    return _plain(found.group(1)) if found else b""


def _plain(said: bytes) -> bytes:
    return bytes.fromhex(said.replace(b"\\x", b"").decode())
