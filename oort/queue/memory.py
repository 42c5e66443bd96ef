"""What the queue remembers beside the uploads: of each watch, and the daemon's notes for who asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy import insert as sql_insert

from oort.policy import state
from oort.policy.state import OPEN
from oort.queue import moves, reads
from oort.queue.models import NOTES, WATCHES
from oort.queue.rows import born, known_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from sqlalchemy import Connection, Engine

    from oort.clock import Clock
    from oort.policy.nesting import Kin
    from oort.policy.version import FileVersion, RelPath
    from oort.queue.writer import Writer

_BATCH = 500
_ON_THE_WAY: Final = OPEN | {state.FAILED, state.NAME_CONFLICT, state.TRUNCATED}
"""States of a file that was accepted for sending and is not stored."""


@dataclass(frozen=True, slots=True)
class WatchMemory:
    """What the queue remembers of a watch."""

    root_dev: int | None = None
    root_ino: int | None = None
    scanned: bool = False
    baselined: bool = False


class Memory:
    """What outlives a restart of the daemon and is no upload."""

    def __init__(self, writer: Writer, readers: Engine, *, host: str, clock: Clock) -> None:
        self._writer = writer
        self._readers = readers
        self._host = host
        self._clock = clock

    def of(self, watch: str, root: bytes) -> WatchMemory:
        """Return what is remembered of a watch of this folder."""
        with self._readers.connect() as connection:
            row = connection.execute(
                select(
                    WATCHES.c.root_dev, WATCHES.c.root_ino, WATCHES.c.scanned, WATCHES.c.baselined
                ).where(
                    WATCHES.c.host == self._host,
                    WATCHES.c.name == watch,
                    WATCHES.c.root == root,
                )
            ).first()
        return WatchMemory(*row) if row else WatchMemory()

    def remember(self, watch: str, root: bytes, **values: Any) -> None:
        """Remember something of a watch; a watch of another root begins anew."""
        self._writer.run(lambda connection: _remember(connection, self._host, watch, root, values))

    def folders(self) -> list[tuple[str, bytes]]:
        """Return every (watch, watched folder) that there are rows of."""
        with self._readers.connect() as connection:
            return reads.roots(connection, self._host)

    def baseline(
        self,
        watch: str,
        root: bytes,
        files: Iterable[FileVersion],
        kin: Sequence[Kin] = (),
    ) -> int:
        """Record files as Skipped `ignored`: they lay there before the watch began.

        What another watch among `kin` was to send and has not yet is not left out: it was accepted.
        """
        versions = list(files)

        def change(connection: Connection) -> int:
            now = self._clock.now()
            count = 0
            for start in range(0, len(versions), _BATCH):
                batch = versions[start : start + _BATCH]
                known = known_rows(connection, self._host, watch, [v.rel_path for v in batch])
                accepted = _accepted(connection, self._host, kin, batch)
                fresh = [v for v in batch if v.rel_path not in known and v.rel_path not in accepted]
                rows = [
                    born(self._host, watch, root, version) | {"acknowledged": True}
                    for version in fresh
                ]
                moves.insert(connection, state.IGNORED, "was there before the watch", now, rows)
                count += len(rows)
            _remember(connection, self._host, watch, root, {"baselined": True})
            return count

        return self._writer.run(change)

    def note(self, name: str, value: Any) -> Future[None]:
        """Keep a note for whoever asks (None removes it); durable when the future is done."""
        now = self._clock.now()

        def change(connection: Connection) -> None:
            here = (NOTES.c.host == self._host, NOTES.c.name == name)
            connection.execute(delete(NOTES).where(*here))
            if value is not None:
                connection.execute(
                    sql_insert(NOTES).values(host=self._host, name=name, value=value, noted_at=now)
                )

        return self._writer.submit(change, urgent=False)

    def noted(self, name: str) -> Any:
        """Return a note, None where there is none."""
        with self._readers.connect() as connection:
            return connection.execute(
                select(NOTES.c.value).where(NOTES.c.host == self._host, NOTES.c.name == name)
            ).scalar()


def _accepted(
    connection: Connection, host: str, kin: Sequence[Kin], there: Sequence[FileVersion]
) -> set[RelPath]:
    """Return those of the paths that another watch was to send, and has not yet."""
    found: set[RelPath] = set()
    for other in kin:
        called = {theirs: v for v in there if (theirs := other.theirs(v.rel_path)) is not None}
        rows = known_rows(connection, host, other.watch, sorted(called))
        for theirs, row in rows.items():
            mine = called[theirs]
            # That watch lost sight of a file which is there as it was: it is none of its any more.
            is_there = row.version == replace(mine, rel_path=theirs)
            if row.state in _ON_THE_WAY or (row.state == state.FILE_GONE and is_there):
                found.add(mine.rel_path)
    return found


def _remember(
    connection: Connection, host: str, watch: str, root: bytes, values: Mapping[str, Any]
) -> None:
    here = (WATCHES.c.host == host, WATCHES.c.name == watch)
    found = connection.execute(select(WATCHES.c.root).where(*here)).scalar()
    if found is not None and found != root:
        connection.execute(delete(WATCHES).where(*here))
        found = None
    if found is None:
        connection.execute(sql_insert(WATCHES).values(host=host, name=watch, root=root, **values))
    elif values:
        connection.execute(update(WATCHES).where(*here).values(**values))
