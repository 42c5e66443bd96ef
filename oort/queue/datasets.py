"""Which dataset a name stands for, and which waiting rows are told so."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, or_, select, update
from sqlalchemy import insert as sql_insert

from oort.policy.state import Status
from oort.queue.candidates import unindexed
from oort.queue.models import DATASETS, IS_OPEN, UPLOADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from sqlalchemy import Connection, Engine

    from oort.clock import Clock
    from oort.queue.writer import Writer

REMEMBERED: Final = 1000
"""So many datasets are kept in memory."""

_NOT_SENT_ELSEWHERE: Final = or_(
    UPLOADS.c.dataset_uuid.is_(None), UPLOADS.c.may_be_stored.is_(False)
)
"""A row keeps the dataset that its bytes went to, until the server was asked for them there."""


@dataclass(frozen=True, slots=True)
class DatasetKey:
    """Whose dataset of which name: the same name may stand for another one elsewhere."""

    api: str
    username: str
    portal: str
    name: str


@dataclass(frozen=True, slots=True)
class KnownDataset:
    """What a dataset's name stood for when it was last used."""

    uuid: str
    telescope: str | None
    fresh: bool


class Datasets:
    """What the queue knows of datasets; names are kept while they work."""

    def __init__(self, writer: Writer, readers: Engine, *, host: str, clock: Clock) -> None:
        self._writer = writer
        self._readers = readers
        self._host = host
        self._clock = clock
        self._lock = threading.Lock()
        self._found: dict[DatasetKey, KnownDataset] = {}
        self._fresh: set[DatasetKey] = set()
        """Those that this process found empty, or made."""
        self.key_of: Callable[[str, str], DatasetKey | None] | None = None
        """Gives whose dataset a watch and a name stand for, by this host's config.toml."""

    def known(self, key: DatasetKey) -> KnownDataset | None:
        """Return what the name stood for, while that works.

        It is asked for each file: what was found is kept in memory, until this process learns
        better. What another host learns shows when the server refuses what is kept here.
        """
        with self._lock:
            found = self._found.get(key)
            if found is None:
                found = self._read(key)
                if found is not None:
                    self._remember(key, found)
            return found

    def read_again(self) -> None:
        """Keep nothing in memory: the queue was changed as a whole."""
        with self._lock:
            self._found.clear()
            self._fresh.clear()

    def at_hand(self, watch: str, names: Iterable[str]) -> dict[str, KnownDataset]:
        """Return what names of a watch stand for, as far as that is in memory.

        A row that knows its dataset when it is claimed needs no step of its own to find it.
        """
        keys = {name: self.key_of(watch, name) if self.key_of else None for name in set(names)}
        with self._lock:
            return {
                name: replace(known, fresh=key in self._fresh)
                for name, key in keys.items()
                if key is not None and (known := self._found.get(key)) is not None
            }

    def _read(self, key: DatasetKey) -> KnownDataset | None:
        with self._readers.connect() as connection:
            row = connection.execute(
                select(DATASETS.c.uuid, DATASETS.c.telescope, DATASETS.c.fresh).where(
                    *_dataset_is(key)
                )
            ).first()
        return KnownDataset(row[0], row[1], row[2]) if row else None

    def _remember(self, key: DatasetKey, known: KnownDataset) -> None:
        if len(self._found) >= REMEMBERED:  # a dataset a folder and night, for years
            self._found.clear()
            self._fresh.clear()
        self._found[key] = known

    def keep(self, key: DatasetKey, known: KnownDataset, watches: Sequence[str]) -> None:
        """Remember a dataset, and let the waiting rows of `watches` that need it know it too.

        Where it is fresh, nothing of theirs can be in it: what was to be asked first is not.
        """

        def change(connection: Connection) -> None:
            connection.execute(delete(DATASETS).where(*_dataset_is(key)))
            connection.execute(
                sql_insert(DATASETS).values(
                    api=key.api,
                    username=key.username,
                    portal=key.portal,
                    name=key.name,
                    uuid=known.uuid,
                    telescope=known.telescope,
                    fresh=known.fresh,
                    noted_at=self._clock.now(),
                )
            )
            values: dict[str, Any] = {"dataset_uuid": known.uuid}
            news = UPLOADS.c.dataset_uuid.is_distinct_from(known.uuid)
            if known.fresh:
                values["ask_first"] = False
                news = or_(news, UPLOADS.c.ask_first)
            connection.execute(
                update(UPLOADS)
                .where(*self._waiting_for(key, watches), news, _NOT_SENT_ELSEWHERE)
                .values(**values)
            )

        self._writer.run(change)
        with self._lock:
            self._remember(key, known)
            if known.fresh:
                self._fresh.add(key)
            else:
                self._fresh.discard(key)

    def forget(self, key: DatasetKey, watches: Sequence[str]) -> None:
        """Forget what the name stood for: the server does not know it any more."""

        def change(connection: Connection) -> None:
            connection.execute(delete(DATASETS).where(*_dataset_is(key)))
            connection.execute(
                update(UPLOADS)
                .where(
                    *self._waiting_for(key, watches),
                    UPLOADS.c.dataset_uuid.is_not(None),
                    _NOT_SENT_ELSEWHERE,
                )
                .values(dataset_uuid=None)
            )

        self._writer.run(change)
        with self._lock:
            self._found.pop(key, None)
            self._fresh.discard(key)

    def _waiting_for(self, key: DatasetKey, watches: Sequence[str]) -> list[Any]:
        return [
            UPLOADS.c.host == self._host,
            unindexed(UPLOADS.c.watch).in_(list(watches)),
            IS_OPEN,
            UPLOADS.c.status == Status.NEW.value,
            UPLOADS.c.dataset_name == key.name,
        ]

    def forget_rule(self, watch: str) -> Future[None]:
        """Forget the datasets of a watch's waiting rows, because its options changed.

        Nobody needs to wait for that: what is claimed afterwards is claimed without them.
        """

        def change(connection: Connection) -> None:
            connection.execute(
                update(UPLOADS)
                .where(
                    UPLOADS.c.host == self._host,
                    UPLOADS.c.watch == watch,
                    UPLOADS.c.status == Status.NEW.value,
                    UPLOADS.c.dataset_uuid.is_not(None),
                    _NOT_SENT_ELSEWHERE,
                )
                .values(dataset_uuid=None)
            )

        return self._writer.submit(change)

    def doubts_of(self, name: str) -> int:
        """Return how many rows are to be asked for in the dataset of a name; 1,001 stands for more."""
        with self._readers.connect() as connection:
            rows = connection.execute(
                select(UPLOADS.c.id)
                .where(
                    UPLOADS.c.host == self._host,
                    UPLOADS.c.dataset_name == name,
                    IS_OPEN,
                    or_(UPLOADS.c.ask_first, UPLOADS.c.may_be_stored),
                )
                .limit(1001)
            )
            return len(rows.all())


def _dataset_is(key: DatasetKey) -> list[Any]:
    return [
        DATASETS.c.api == key.api,
        DATASETS.c.username == key.username,
        DATASETS.c.portal == key.portal,
        DATASETS.c.name == key.name,
    ]
