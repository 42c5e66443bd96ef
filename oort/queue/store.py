"""The queue as the daemon uses it: what was seen goes in, claims come out, outcomes are kept.

Every method that changes something hands a function to the one writer and returns when it is
durable, unless it says otherwise. Rows never leave this package: callers get frozen values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, and_, bindparam, exists, or_, select, type_coerce, update

from oort.policy import state
from oort.policy.sighting import is_open
from oort.policy.state import SAFE, State, Status, Substatus
from oort.policy.version import FileVersion, RelPath
from oort.queue import care, moves, orders, tallying
from oort.queue.candidates import unindexed
from oort.queue.datasets import Datasets
from oort.queue.ends import End, Ended, finish_all
from oort.queue.memory import Memory
from oort.queue.models import IS_IN_HAND, IS_TODO, UPLOADS
from oort.queue.moves import Move, of_few_lengths, state_of
from oort.queue.noting import Noting
from oort.queue.rows import absolute_text, born, kin_rows, known_rows, upload_of
from oort.values import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from datetime import datetime

    from sqlalchemy import Connection, Engine, RowMapping

    from oort.clock import Clock
    from oort.policy.nesting import Kin
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


# The conditions for rows of ours, which are found by another index than the watch's.
_MINE: Final = and_(
    UPLOADS.c.host == bindparam("at_host"),
    unindexed(UPLOADS.c.watch).in_(bindparam("in_watches", expanding=True)),
)
_PENDING: Final = (
    select(UPLOADS.c.id).where(_MINE, UPLOADS.c.substatus == Substatus.PENDING.value).limit(1)
)
_SMALL: Final = _PENDING.where(UPLOADS.c.size <= bindparam("largest"))
_WAITING: Final = and_(_MINE, UPLOADS.c.next_attempt_at.is_not(None))
_DUE: Final = (
    select(UPLOADS.c.id).where(_WAITING, UPLOADS.c.next_attempt_at <= bindparam("due_at")).limit(1)
)
_NEXT_DUE: Final = (
    select(UPLOADS.c.next_attempt_at).where(_WAITING).order_by(UPLOADS.c.next_attempt_at).limit(1)
)

_OTHER: Final = UPLOADS.alias("other")
_WITH_NAMESAKE: Final = select(UPLOADS.c.id).where(
    UPLOADS.c.id.in_(bindparam("row_ids", expanding=True)),
    exists().where(_OTHER.c.name == UPLOADS.c.name, _OTHER.c.id != UPLOADS.c.id),
)


@dataclass(frozen=True, slots=True)
class Namesake:
    """Another row whose file has the same name and goes into the same dataset."""

    id: int
    path: str
    size: int
    sha256: str | None
    remote_id: str | None
    is_safe: bool
    unproven: bool
    is_earlier: bool
    """It is an earlier version of the same file."""


class Queue:
    """One host's queue. `host` is part of each row's key where a database serves many hosts."""

    def __init__(self, writer: Writer, readers: Engine, *, host: str, clock: Clock) -> None:
        self._writer = writer
        self._readers = readers
        self._host = host
        self._clock = clock
        self.datasets = Datasets(writer, readers, host=host, clock=clock)
        self.memory = Memory(writer, readers, host=host, clock=clock)

    # -- what was seen -------------------------------------------------------------------------

    def known(
        self, watch: str, rel_paths: Sequence[RelPath], kin: Sequence[Kin] = ()
    ) -> dict[RelPath, KnownRow]:
        """Return the newest row of each path that has one.

        Where this watch has none that counts, that is the row of a watch among `kin` by which the
        file was stored, or is being sent.
        """
        found: dict[RelPath, KnownRow] = {}
        with self._readers.connect() as connection:
            for start in range(0, len(rel_paths), _BATCH):
                batch = rel_paths[start : start + _BATCH]
                found |= known_rows(connection, self._host, watch, batch)
                if kin:
                    open_ = [path for path in batch if is_open(found.get(path))]
                    found |= kin_rows(connection, self._host, kin, open_)
        return found

    def note(self, watch: str, root: bytes, sightings: Sequence[Sighting]) -> None:
        """Record what was seen below `root`; the rules are `oort.policy.sighting.judge`."""

        names = {one.dataset_name for one in sightings if one.dataset_name is not None}
        datasets = self.datasets.at_hand(watch, names)

        def change(connection: Connection) -> None:
            now = self._clock.now()
            Noting(connection, self._host, watch, root, now, datasets=datasets).take_all(sightings)

        self._writer.run(change)

    def hand_over(self, watch: str, way: bytes, to: str) -> int:
        """Put aside what waits below `way` and belongs to another watch; return how many."""

        def change(connection: Connection) -> int:
            now = self._clock.now()
            return orders.hand_over(connection, self._host, watch, way=way, to=to, now=now)

        return self._writer.run(change)

    def let_go(self, watch: str) -> Future[orders.Told]:
        """Put the waiting rows of a removed watch aside; done when durable."""
        return self._writer.submit(
            lambda connection: orders.let_go(connection, self._host, watch, self._clock.now())
        )

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

    def claim(
        self,
        watches: Sequence[str],
        *,
        limit: int,
        tonight: str,
        hands: int | None = None,
        most_bytes: int = 0,
        largest: int | None = None,
    ) -> list[Upload]:
        """Take up to `limit` rows of `watches`; they are on disk as taken when this returns.

        Where there are fewer free `hands` than that, the rows beyond them are taken only while all
        together are no more than `most_bytes`: what lies ready before a large file waits for it.
        Files larger than `largest` are passed over.
        """
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
                hands=limit if hands is None else hands,
                most_bytes=most_bytes,
                largest=largest,
                now=self._clock.now(),
            )
            if not rows:
                return []
            ids = of_few_lengths([row["id"] for row in rows])
            shared = set(connection.execute(_WITH_NAMESAKE, {"row_ids": ids}).scalars())
            return [upload_of(row, has_namesake=row["id"] in shared) for row in rows]

        return self._writer.run(change)

    def waits(self, watches: Sequence[str], now: datetime) -> bool:
        """Tell cheaply whether `claim` would find something."""
        here = {"at_host": self._host, "in_watches": list(watches), "due_at": now}
        with self._readers.connect() as connection:
            return any(connection.execute(one, here).first() for one in (_PENDING, _DUE))

    def small_ones_wait(self, watches: Sequence[str], largest: int) -> bool:
        """Tell whether `claim` would find a pending file of at most so many bytes."""
        here = {"at_host": self._host, "in_watches": list(watches), "largest": largest}
        with self._readers.connect() as connection:
            return connection.execute(_SMALL, here).first() is not None

    def next_due_at(self, watches: Sequence[str]) -> datetime | None:
        """Return when the next waiting row of `watches` has waited its time; None where none waits."""
        here = {"at_host": self._host, "in_watches": list(watches)}
        with self._readers.connect() as connection:
            return connection.execute(_NEXT_DUE, here).scalar()

    def enter(self, upload: Upload, before: State, after: State, cause: str, **values: Any) -> None:
        """Take a claimed row one step further; `uploading` makes it possibly stored."""
        if after == state.UPLOADING:
            values["may_be_stored"] = True
        step = Move(upload.id, before, after, cause, values, claim=upload.claim)
        self._writer.submit_one_of_many(self._enter_all, step).result()

    def _enter_all(self, connection: Connection, steps: Sequence[Move]) -> Sequence[None]:
        moves.move_each(connection, steps, self._clock.now())
        return [None] * len(steps)

    def finish(
        self,
        upload: Upload,
        before: State,
        decision: Decision,
        ended: Ended,
        *,
        urgent: bool = True,
    ) -> Future[bool]:
        """Record an attempt and what was decided; done when durable.

        One that is not `urgent` may share a commit up to 20 ms later. The result tells whether
        detection saw another version meanwhile and must look again.
        """
        end = End(upload.id, upload.claim, before, decision, ended)
        return self._writer.submit_one_of_many(self._finish_all, end, urgent=urgent)

    def _finish_all(self, connection: Connection, ends: Sequence[End]) -> list[bool]:
        return finish_all(connection, ends, self._clock.now())

    def recover(self, *, wait_s: float) -> int:
        """Make every row that was in hand when the daemon died a doubt; return how many.

        Where bytes may have gone out it is asked for `wait_s` later: nobody knows whether the body
        was complete, and then the server may be busy storing it.
        """

        def change(connection: Connection) -> int:
            now = self._clock.now()
            rows = connection.execute(
                select(UPLOADS).where(UPLOADS.c.host == self._host, IS_IN_HAND)
            ).mappings()
            steps = [_given_back(row, now + timedelta(seconds=wait_s)) for row in rows]
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
            unproven=row["unproven"],
            is_earlier=(row["watch"], row["rel_path"]) == (upload.watch, upload.rel_path),
        )

    def tally_of(self, bounds_s: Sequence[float], latest: int) -> dict[str, Any]:
        """Return all that was ever sent, as far as rows and attempts tell; reads every one of them."""
        with self._readers.connect() as connection:
            return tallying.tally_of(connection, self._host, bounds_s, latest)

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

    def doubt_everything(self) -> None:
        """After a restore: what the copy does not know to be stored is asked for."""
        self._writer.run(care.doubt_everything)
        self.datasets.read_again()

    @property
    def commits(self) -> int:
        """How many commits this process has made: what it knows of its own rows is as old."""
        return self._writer.commits

    @property
    def host(self) -> str:
        """The host in the key of this queue's rows."""
        return self._host

    # -- what is done when nothing else is ------------------------------------------------------

    def todo(self, after_id: int, limit: int) -> list[Upload]:
        """Return stored rows whose SHA-256 is to be compared or whose tags are to be written.

        Those after `after_id` come first: what cannot be done just now does not stand in the way.
        """
        todo = select(UPLOADS).where(UPLOADS.c.host == self._host, IS_TODO).order_by(UPLOADS.c.id)
        with self._readers.connect() as connection:
            rows = connection.execute(todo.where(UPLOADS.c.id > after_id).limit(limit)).mappings()
            found = [upload_of(row) for row in rows]
            before = todo.where(UPLOADS.c.id <= after_id).limit(limit - len(found))
            return found + [upload_of(row) for row in connection.execute(before).mappings()]

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


def _given_back(row: RowMapping, asked_at: datetime) -> Move:
    """The step of a row that was in hand when the daemon ended without a word."""
    now_in = state_of(row)
    sent = now_in in (state.UPLOADING, state.TAGGING)
    values: dict[str, Any] = {"may_be_stored": row["may_be_stored"] or sent, "claimed_by": None}
    if sent:
        values["next_attempt_at"] = asked_at
    after = state.WAITING if sent else state.PENDING
    return Move(row["id"], now_in, after, "the daemon ended while it was in hand", values)
