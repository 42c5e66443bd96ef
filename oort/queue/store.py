"""The queue as the daemon uses it: what was seen goes in, claims come out, outcomes are kept.

Every method that changes something hands a function to the one writer and returns when it is
durable, unless it says otherwise. Rows never leave this package: callers get frozen values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, and_, bindparam, delete, or_, select, type_coerce, update
from sqlalchemy import insert as sql_insert

from oort.policy import state
from oort.policy.state import IN_HAND, SAFE, State, Status, Substatus
from oort.policy.version import FileVersion, RelPath
from oort.queue import moves
from oort.queue.models import ATTEMPTS, DATASETS, NOTES, UPLOADS, WATCHES
from oort.queue.moves import Move, state_of
from oort.queue.noting import Noting
from oort.queue.rows import absolute_text, born, known_rows, upload_of
from oort.values import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future
    from datetime import datetime

    from sqlalchemy import Connection, Engine, RowMapping

    from oort.clock import Clock
    from oort.policy.retry import Decision
    from oort.policy.sighting import KnownRow, Sighting
    from oort.queue.writer import Writer
    from oort.values import Upload

_BATCH: Final = 500
_OPEN_WORDS: Final = [
    Status.NEW.value,
    Status.PREPARING.value,
    Status.UPLOADING.value,
    Status.FINISHING.value,
]


_BEFORE_END: Final = select(
    UPLOADS.c.attempts, UPLOADS.c.cuts, UPLOADS.c.changed_in_hand, UPLOADS.c.sha256
).where(UPLOADS.c.id == bindparam("row_id"))
_ATTEMPT: Final = sql_insert(ATTEMPTS)


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


@dataclass(frozen=True, slots=True)
class WatchMemory:
    """What the queue remembers of a watch."""

    root_dev: int | None = None
    root_ino: int | None = None
    scanned: bool = False
    baselined: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of an attempt, as it is kept: see `oort.policy.outcome` for the words."""

    outcome: str
    started_at: datetime
    bytes_sent: int = 0
    http_status: int | None = None
    remote_id: str | None = None
    remote_name: str | None = None
    sha256: str | None = None
    unproven: bool = False
    tags_pending: bool = False


@dataclass(frozen=True, slots=True)
class Namesake:
    """Another row whose file has the same name and goes into the same dataset."""

    id: int
    path: str
    size: int
    sha256: str | None
    remote_id: str | None
    is_safe: bool


class Queue:
    """One host's queue. `host` is part of each row's key where a database serves many hosts."""

    def __init__(self, writer: Writer, readers: Engine, *, host: str, clock: Clock) -> None:
        self._writer = writer
        self._readers = readers
        self._host = host
        self._clock = clock

    # -- what was seen -------------------------------------------------------------------------

    def known(self, watch: str, rel_paths: Sequence[RelPath]) -> dict[RelPath, KnownRow]:
        """Return the newest row of each path that has one."""
        found: dict[RelPath, KnownRow] = {}
        with self._readers.connect() as connection:
            for start in range(0, len(rel_paths), _BATCH):
                found |= known_rows(
                    connection, self._host, watch, rel_paths[start : start + _BATCH]
                )
        return found

    def note(self, watch: str, root: bytes, sightings: Sequence[Sighting]) -> None:
        """Record what was seen below `root`; the rules are `oort.policy.sighting.judge`."""

        def change(connection: Connection) -> None:
            now = self._clock.now()
            Noting(connection, self._host, watch, root, now).take_all(sightings)

        self._writer.run(change)

    def settling(self, watch: str) -> list[FileVersion]:
        """Return what was still settling: after a restart detection looks at it again."""
        with self._readers.connect() as connection:
            rows = connection.execute(
                select(
                    UPLOADS.c.rel_path, UPLOADS.c.size, UPLOADS.c.mtime_ns, UPLOADS.c.inode
                ).where(
                    UPLOADS.c.host == self._host,
                    UPLOADS.c.watch == watch,
                    UPLOADS.c.status == Status.NEW.value,
                    UPLOADS.c.substatus == Substatus.SETTLING.value,
                )
            )
            return [FileVersion(RelPath(row[0]), row[1], row[2], row[3]) for row in rows]

    # -- claims and what comes of them ---------------------------------------------------------

    def claim(self, watches: Sequence[str], *, limit: int, tonight: str) -> list[Upload]:
        """Take up to `limit` rows of `watches`; they are on disk as taken when this returns."""
        if not watches or limit < 1:
            return []

        def change(connection: Connection) -> list[Upload]:
            rows = moves.take(
                connection,
                hosts=[self._host],
                watches=watches,
                claimed_by=self._host,
                tonight=tonight,
                limit=limit,
                now=self._clock.now(),
            )
            return [upload_of(row) for row in rows]

        return self._writer.run(change)

    def waits(self, watches: Sequence[str], now: datetime) -> bool:
        """Tell cheaply whether `claim` would find something."""
        pending = UPLOADS.c.substatus == Substatus.PENDING.value
        due = and_(UPLOADS.c.next_attempt_at.is_not(None), UPLOADS.c.next_attempt_at <= now)
        with self._readers.connect() as connection:
            return any(
                connection.execute(
                    select(UPLOADS.c.id).where(*self._mine(watches), one).limit(1)
                ).first()
                for one in (pending, due)
            )

    def next_due_at(self, watches: Sequence[str]) -> datetime | None:
        """Return when the next waiting row of `watches` has waited its time; None where none waits."""
        with self._readers.connect() as connection:
            return connection.execute(
                select(UPLOADS.c.next_attempt_at)
                .where(*self._mine(watches), UPLOADS.c.next_attempt_at.is_not(None))
                .order_by(UPLOADS.c.next_attempt_at)
                .limit(1)
            ).scalar()

    def _mine(self, watches: Sequence[str]) -> list[Any]:
        """Return the conditions for rows of ours that are found by another index than the watch's."""
        return [
            UPLOADS.c.host == self._host,
            moves.unindexed(UPLOADS.c.watch).in_(list(watches)),
        ]

    def enter(self, upload: Upload, before: State, after: State, cause: str, **values: Any) -> None:
        """Take a claimed row one step further; `uploading` makes it possibly stored."""
        if after == state.UPLOADING:
            values["may_be_stored"] = True
        step = Move(upload.id, before, after, cause, values, claim=upload.claim)
        self._writer.run(lambda connection: moves.move(connection, step, self._clock.now()))

    def finish(
        self, upload: Upload, before: State, decision: Decision, ended: Ended
    ) -> Future[bool]:
        """Record an attempt and what was decided; done when durable.

        The result tells whether detection saw another version meanwhile and must look again.
        """

        def change(connection: Connection) -> bool:
            now = self._clock.now()
            row = connection.execute(_BEFORE_END, {"row_id": upload.id}).one()
            values = _values_of(decision, ended, row, now)
            moves.move(
                connection,
                Move(upload.id, before, decision.state, decision.cause, values, claim=upload.claim),
                now,
            )
            connection.execute(
                _ATTEMPT,
                {
                    "upload_id": upload.id,
                    "started_at": ended.started_at,
                    "ended_at": now,
                    "outcome": ended.outcome,
                    "counted": decision.counted,
                    "bytes_sent": ended.bytes_sent,
                    "http_status": ended.http_status,
                    "error": decision.error,
                },
            )
            return bool(row.changed_in_hand)

        return self._writer.submit(change)

    def recover(self) -> int:
        """Make every row that was in hand when the daemon died a doubt; return how many."""

        def change(connection: Connection) -> int:
            now = self._clock.now()
            rows = connection.execute(
                select(UPLOADS).where(
                    UPLOADS.c.host == self._host,
                    UPLOADS.c.status.in_(
                        [Status.PREPARING.value, Status.UPLOADING.value, Status.FINISHING.value]
                    ),
                )
            ).mappings()
            steps = [_given_back(row) for row in rows]
            for step in steps:
                moves.move(connection, step, now)
            return len(steps)

        return self._writer.run(change)

    def namesake(self, upload: Upload, dataset_uuid: str) -> Namesake | None:
        """Return the row that has this upload's name in its dataset reserved, if one has.

        OK rows reserve their name for ever; of two open ones the older has it.
        """
        name = printable(upload.name)
        same_place = or_(
            UPLOADS.c.dataset_uuid == dataset_uuid,
            and_(
                UPLOADS.c.dataset_uuid.is_(None),
                UPLOADS.c.dataset_name == upload.dataset_name,
                UPLOADS.c.watch == upload.watch,
            ),
        )
        safe = or_(
            UPLOADS.c.status == Status.OK.value,
            UPLOADS.c.substatus == Substatus.ALREADY_SYNCED.value,
        )
        first = and_(UPLOADS.c.status.in_(_OPEN_WORDS), UPLOADS.c.id < upload.id)
        with self._readers.connect() as connection:
            row = (
                connection.execute(
                    select(UPLOADS)
                    .where(UPLOADS.c.name == name, UPLOADS.c.id != upload.id, same_place)
                    .where(or_(safe, first))
                    .order_by(safe.desc(), UPLOADS.c.id)
                    .limit(1)
                )
                .mappings()
                .first()
            )
        if row is None:
            return None
        return Namesake(
            id=row["id"],
            path=absolute_text(row),
            size=row["size"],
            sha256=row["sha256"],
            remote_id=row["remote_id"],
            is_safe=state_of(row) in SAFE,
        )

    # -- datasets ------------------------------------------------------------------------------

    def known_dataset(self, key: DatasetKey) -> KnownDataset | None:
        """Return what the name stood for, while that works."""
        with self._readers.connect() as connection:
            row = connection.execute(
                select(DATASETS.c.uuid, DATASETS.c.telescope, DATASETS.c.fresh).where(
                    *_dataset_is(key)
                )
            ).first()
        return KnownDataset(row[0], row[1], row[2]) if row else None

    def keep_dataset(self, key: DatasetKey, known: KnownDataset, watches: Sequence[str]) -> None:
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
                update(UPLOADS).where(*self._waiting_for(key, watches), news).values(**values)
            )

        self._writer.run(change)

    def forget_dataset(self, key: DatasetKey, watches: Sequence[str]) -> None:
        """Forget what the name stood for: the server does not know it any more."""

        def change(connection: Connection) -> None:
            connection.execute(delete(DATASETS).where(*_dataset_is(key)))
            connection.execute(
                update(UPLOADS)
                .where(*self._waiting_for(key, watches), UPLOADS.c.dataset_uuid.is_not(None))
                .values(dataset_uuid=None)
            )

        self._writer.run(change)

    def _waiting_for(self, key: DatasetKey, watches: Sequence[str]) -> list[Any]:
        return [
            UPLOADS.c.host == self._host,
            UPLOADS.c.watch.in_(list(watches)),
            UPLOADS.c.status == Status.NEW.value,
            UPLOADS.c.dataset_name == key.name,
        ]

    def forget_rule(self, watch: str) -> None:
        """Forget the datasets of a watch's waiting rows, because its options changed."""

        def change(connection: Connection) -> None:
            connection.execute(
                update(UPLOADS)
                .where(
                    UPLOADS.c.host == self._host,
                    UPLOADS.c.watch == watch,
                    UPLOADS.c.status == Status.NEW.value,
                    UPLOADS.c.dataset_uuid.is_not(None),
                )
                .values(dataset_uuid=None)
            )

        self._writer.run(change)

    def doubts_of(self, dataset_uuid: str) -> int:
        """Return how many waiting rows of a dataset are to be asked for."""
        with self._readers.connect() as connection:
            rows = connection.execute(
                select(UPLOADS.c.id)
                .where(
                    UPLOADS.c.host == self._host,
                    UPLOADS.c.status.in_(_OPEN_WORDS),
                    UPLOADS.c.dataset_uuid == dataset_uuid,
                    or_(UPLOADS.c.ask_first, UPLOADS.c.may_be_stored),
                )
                .limit(1001)
            )
            return len(rows.all())

    # -- watches -------------------------------------------------------------------------------

    def memory_of(self, watch: str, root: bytes) -> WatchMemory:
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

    def baseline(self, watch: str, root: bytes, files: Iterable[FileVersion]) -> int:
        """Record files as Skipped `ignored`: they lay there before the watch began."""
        versions = list(files)

        def change(connection: Connection) -> int:
            now = self._clock.now()
            count = 0
            for start in range(0, len(versions), _BATCH):
                batch = versions[start : start + _BATCH]
                known = known_rows(connection, self._host, watch, [v.rel_path for v in batch])
                fresh = [v for v in batch if v.rel_path not in known]
                rows = [
                    born(self._host, watch, root, version) | {"acknowledged": True}
                    for version in fresh
                ]
                moves.insert(connection, state.IGNORED, "was there before the watch", now, rows)
                count += len(rows)
            _remember(connection, self._host, watch, root, {"baselined": True})
            return count

        return self._writer.run(change)

    # -- what the daemon tells -----------------------------------------------------------------

    def write_note(self, name: str, value: Any) -> Future[None]:
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

    def read_note(self, name: str) -> Any:
        """Return a note, None where there is none."""
        with self._readers.connect() as connection:
            return connection.execute(
                select(NOTES.c.value).where(NOTES.c.host == self._host, NOTES.c.name == name)
            ).scalar()

    def shift_waits(self, by: timedelta) -> None:
        """Re-base every wait after a step of the wall clock, so that none ends early or never."""

        def change(connection: Connection) -> None:
            waited = type_coerce(UPLOADS.c.next_attempt_at, BigInteger)
            connection.execute(
                update(UPLOADS)
                .where(UPLOADS.c.host == self._host, UPLOADS.c.next_attempt_at.is_not(None))
                .values(next_attempt_at=waited + by // timedelta(milliseconds=1))
            )

        self._writer.run(change)

    def clamp_waits(self, latest: datetime) -> None:
        """Let no row wait longer than until `latest`: the clock may have been years ahead."""

        def change(connection: Connection) -> None:
            connection.execute(
                update(UPLOADS)
                .where(UPLOADS.c.host == self._host, UPLOADS.c.next_attempt_at > latest)
                .values(next_attempt_at=latest)
            )

        self._writer.run(change)

    def change(self, change: Callable[[Connection], Any]) -> Any:
        """Run a change of `oort.queue.orders` (retry, skip, …) and wait until it is durable."""
        return self._writer.run(change)

    @property
    def host(self) -> str:
        """The host in the key of this queue's rows."""
        return self._host

    # -- what is done when nothing else is ------------------------------------------------------

    def todo(self, after_id: int, limit: int) -> list[Upload]:
        """Return stored rows whose SHA-256 is to be compared or whose tags are to be written.

        Those after `after_id` come first: what cannot be done just now does not stand in the way.
        """
        with self._readers.connect() as connection:
            rows = connection.execute(
                select(UPLOADS)
                .where(UPLOADS.c.host == self._host, or_(UPLOADS.c.recheck, UPLOADS.c.tags_pending))
                .order_by(UPLOADS.c.id <= after_id, UPLOADS.c.id)
                .limit(limit)
            ).mappings()
            return [upload_of(row) for row in rows]

    def tagged(self, upload: Upload) -> None:
        """Note that the tags of a stored file are written now."""
        self._writer.run(
            lambda connection: moves.amend(
                connection, upload.id, "tags written", self._clock.now(), {"tags_pending": False}
            )
        )

    def compared(self, upload: Upload, root: bytes, found: FileVersion, *, same: bool) -> None:
        """Note what the comparison of a stored file with the one on disk showed."""

        def change(connection: Connection) -> None:
            now = self._clock.now()
            values: dict[str, Any] = {"recheck": False}
            if same:
                values |= {"mtime_ns": found.mtime_ns, "inode": found.inode}
                cause = "its time changed, its content did not"
                moves.amend(connection, upload.id, cause, now, values)
                return
            connection.execute(update(UPLOADS).where(UPLOADS.c.id == upload.id).values(**values))
            newest = known_rows(connection, self._host, upload.watch, [upload.rel_path])
            if newest[upload.rel_path].id != upload.id:
                return  # a later change was seen meanwhile: it is recorded already
            told = connection.execute(
                select(UPLOADS.c.header, UPLOADS.c.night, UPLOADS.c.dataset_name).where(
                    UPLOADS.c.id == upload.id
                )
            ).mappings()
            row = born(self._host, upload.watch, root, found) | dict(told.one())
            moves.insert(
                connection, state.CHANGED, "its content changed after the upload", now, [row]
            )

        self._writer.run(change)


def _given_back(row: RowMapping) -> Move:
    """The step of a row that was in hand when the daemon ended without a word."""
    now_in = state_of(row)
    sent = now_in in (state.UPLOADING, state.TAGGING)
    return Move(
        row["id"],
        now_in,
        state.PENDING,
        "the daemon ended while it was in hand",
        {"may_be_stored": row["may_be_stored"] or sent, "claimed_by": None},
    )


def _values_of(decision: Decision, ended: Ended, row: Any, now: datetime) -> dict[str, Any]:
    """Return the columns that an attempt's end sets, beside the state."""
    values: dict[str, Any] = {
        "error": decision.error,
        "attempts": row.attempts + decision.counted,
        "cuts": row.cuts + decision.cut,
        "may_be_stored": decision.may_be_stored,
        "body_complete": decision.body_complete,
        "ask_first": decision.ask_first,
        "asked_complete": decision.asked_complete,
        "claimed_by": None,
        "unproven": ended.unproven,
        "tags_pending": ended.tags_pending,
        "sha256": ended.sha256 or row.sha256,
    }
    if decision.state not in IN_HAND and decision.state.status is not Status.NEW:
        values["priority"] = 0
    if ended.remote_id is not None:
        values["remote_id"] = ended.remote_id
    if ended.remote_name is not None:
        values["remote_name"] = ended.remote_name
    if decision.delay_s is not None:
        values["next_attempt_at"] = now + timedelta(seconds=decision.delay_s)
    return values


def _dataset_is(key: DatasetKey) -> list[Any]:
    return [
        DATASETS.c.api == key.api,
        DATASETS.c.username == key.username,
        DATASETS.c.portal == key.portal,
        DATASETS.c.name == key.name,
    ]


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
