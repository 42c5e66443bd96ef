"""The tables of the queue, with the invariants that the database itself keeps.

A path has at most one open row and at most one `changed after upload` row: partial unique indexes
say so, so no race of threads or hosts can break it. Times are whole milliseconds since 1970 UTC,
paths are bytes, because neither may depend on a driver's idea of dates or of text.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from oort.policy.state import Status, Substatus

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite gives a rowid to INTEGER alone


def _words(words: type[Status | Substatus]) -> str:
    return ", ".join(f"'{word.value}'" for word in words)


class UtcMs(TypeDecorator[datetime]):
    """An aware moment, kept as whole milliseconds since 1970 UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:  # noqa: ARG002  # SQLAlchemy's signature
        """Return the milliseconds; a moment without a time zone is a programming error."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return (value - _EPOCH) // _MS

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:  # noqa: ARG002  # SQLAlchemy's signature
        """Return the moment, aware, in UTC."""
        return None if value is None else _EPOCH + value * _MS


class Base(DeclarativeBase):
    """The one set of tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UploadRow(Base):
    """One version of one file, and all that is known of its way to the server."""

    __tablename__ = "uploads"

    id: Mapped[int] = mapped_column(_ID, primary_key=True)
    host: Mapped[str] = mapped_column(String(64))
    """Who drains it; empty for a watch that any host may drain."""
    watch: Mapped[str] = mapped_column(Text)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    """The watched folder when the row was written: history outlives its watch."""
    rel_path: Mapped[bytes] = mapped_column(LargeBinary)
    path_text: Mapped[str] = mapped_column(Text)
    """`rel_path` in words, for people."""
    name: Mapped[str] = mapped_column(Text)
    """The last component of it: what the server will call the file."""
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    inode: Mapped[int] = mapped_column(BigInteger)

    status: Mapped[str] = mapped_column(String(16))
    substatus: Mapped[str] = mapped_column(String(32))
    error: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    cuts: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    """Connections lost in mid-upload: such rows go behind the others."""
    priority: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    """1 after an interactive retry."""

    ask_first: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    may_be_stored: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    body_complete: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    asked_complete: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    changed_in_hand: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """The scanner saw another version while a worker had the row."""
    acknowledged: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """`ignored` by a person's word, not because a watch was taken away."""
    forced: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """To be sent although its format says that it is short."""
    recheck: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """Stored, and its mtime changed since: its SHA-256 is to be compared."""
    unproven: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    tags_pending: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())

    dataset_name: Mapped[str | None] = mapped_column(Text)
    dataset_uuid: Mapped[str | None] = mapped_column(String(64))
    remote_id: Mapped[str | None] = mapped_column(Text)
    remote_name: Mapped[str | None] = mapped_column(Text)
    sha256: Mapped[str | None] = mapped_column(String(64))
    header: Mapped[dict[str, str]] = mapped_column(JSON, default=dict, server_default="{}")
    night: Mapped[str | None] = mapped_column(String(10))

    claim: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    """The fencing token: a completion that does not carry it is refused."""
    claimed_by: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcMs)
    updated_at: Mapped[datetime] = mapped_column(UtcMs)
    started_at: Mapped[datetime | None] = mapped_column(UtcMs)
    ended_at: Mapped[datetime | None] = mapped_column(UtcMs)
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcMs)

    __table_args__ = (
        CheckConstraint(f"status IN ({_words(Status)})", name="status"),
        CheckConstraint(f"substatus IN ({_words(Substatus)})", name="substatus"),
        CheckConstraint("size >= 0", name="size"),
        CheckConstraint("status <> 'OK' OR sha256 IS NOT NULL", name="ok_has_sha256"),
        Index(
            "uq_uploads_open",
            "host",
            "watch",
            "rel_path",
            unique=True,
            sqlite_where=text("status IN ('New', 'Preparing', 'Uploading', 'Finishing')"),
            postgresql_where=text("status IN ('New', 'Preparing', 'Uploading', 'Finishing')"),
        ),
        Index(
            "uq_uploads_changed",
            "host",
            "watch",
            "rel_path",
            unique=True,
            sqlite_where=text("substatus = 'changed after upload'"),
            postgresql_where=text("substatus = 'changed after upload'"),
        ),
        Index("ix_uploads_path", "watch", "rel_path", "id"),
        Index("ix_uploads_counts", "watch", "status", "substatus", "unproven", "size"),
        Index(
            "ix_uploads_pending",
            "cuts",
            "id",
            sqlite_where=text("substatus = 'pending'"),
            postgresql_where=text("substatus = 'pending'"),
        ),
        Index(
            "ix_uploads_pending_night",
            "night",
            "cuts",
            "id",
            sqlite_where=text("substatus = 'pending'"),
            postgresql_where=text("substatus = 'pending'"),
        ),
        Index(
            "ix_uploads_pending_first",
            "id",
            sqlite_where=text("substatus = 'pending' AND priority > 0"),
            postgresql_where=text("substatus = 'pending' AND priority > 0"),
        ),
        Index(
            "ix_uploads_due",
            "next_attempt_at",
            "id",
            sqlite_where=text("next_attempt_at IS NOT NULL"),
            postgresql_where=text("next_attempt_at IS NOT NULL"),
        ),
        Index(
            "ix_uploads_in_hand",
            "host",
            "id",
            sqlite_where=text("status IN ('Preparing', 'Uploading', 'Finishing')"),
            postgresql_where=text("status IN ('Preparing', 'Uploading', 'Finishing')"),
        ),
        Index("ix_uploads_updated", "updated_at", "id"),
        Index("ix_uploads_night", "night", "id"),
        Index(
            "ix_uploads_error",
            "updated_at",
            "id",
            sqlite_where=text("status = 'Error'"),
            postgresql_where=text("status = 'Error'"),
        ),
        Index(
            "ix_uploads_todo",
            "id",
            sqlite_where=text("recheck OR tags_pending"),
            postgresql_where=text("recheck OR tags_pending"),
        ),
        Index("ix_uploads_name", "name", "id"),
    )


class TransitionRow(Base):
    """One recorded step of one upload: when, into what, and why in words."""

    __tablename__ = "transitions"

    id: Mapped[int] = mapped_column(_ID, primary_key=True)
    upload_id: Mapped[int] = mapped_column(ForeignKey("uploads.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(UtcMs)
    status: Mapped[str] = mapped_column(String(16))
    substatus: Mapped[str] = mapped_column(String(32))
    cause: Mapped[str] = mapped_column(Text)


class AttemptRow(Base):
    """One try at one upload: when, how far, and what the server said."""

    __tablename__ = "attempts"

    id: Mapped[int] = mapped_column(_ID, primary_key=True)
    upload_id: Mapped[int] = mapped_column(ForeignKey("uploads.id", ondelete="CASCADE"), index=True)
    started_at: Mapped[datetime] = mapped_column(UtcMs)
    ended_at: Mapped[datetime] = mapped_column(UtcMs)
    outcome: Mapped[str] = mapped_column(String(32))
    counted: Mapped[bool] = mapped_column(Boolean)
    bytes_sent: Mapped[int] = mapped_column(BigInteger)
    http_status: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[str | None] = mapped_column(Text)


class DatasetRow(Base):
    """Which dataset a name stands for, per server, account and portal, while that works."""

    __tablename__ = "datasets"

    api: Mapped[str] = mapped_column(Text, primary_key=True)
    username: Mapped[str] = mapped_column(Text, primary_key=True)
    portal: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(64))
    telescope: Mapped[str | None] = mapped_column(Text)
    fresh: Mapped[bool] = mapped_column(Boolean)
    """Made by us, or empty when it was found: its files need no question."""
    noted_at: Mapped[datetime] = mapped_column(UtcMs)


class WatchRow(Base):
    """What the queue remembers of a watch, beyond its options in config.toml."""

    __tablename__ = "watches"

    host: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    root_dev: Mapped[int | None] = mapped_column(BigInteger)
    root_ino: Mapped[int | None] = mapped_column(BigInteger)
    scanned: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """A first scan came to its end: later files are new, not doubts."""
    baselined: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """`new_only` was honoured: what lay there then is recorded as ignored."""


class NoteRow(Base):
    """What the daemon tells whoever asks (link, watches, uploads in hand) and what it keeps (pause)."""

    __tablename__ = "notes"

    host: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
    noted_at: Mapped[datetime] = mapped_column(UtcMs)


UPLOADS: Final = cast("Table", UploadRow.__table__)
TRANSITIONS: Final = cast("Table", TransitionRow.__table__)
ATTEMPTS: Final = cast("Table", AttemptRow.__table__)
DATASETS: Final = cast("Table", DatasetRow.__table__)
WATCHES: Final = cast("Table", WatchRow.__table__)
NOTES: Final = cast("Table", NoteRow.__table__)
