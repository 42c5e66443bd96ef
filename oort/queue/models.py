"""The tables of the queue, with the invariants that the database itself keeps.

A path has at most one open row and at most one `changed after upload` row: partial unique indexes
say so, so no race of threads or hosts can break it. Times are whole milliseconds since 1970 UTC,
paths are bytes, because neither may depend on a driver's idea of dates or of text.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
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


# Conditions of partial indexes. A question that is to find by one says the very same words: SQLite
# takes no partial index for a condition with parameters, and reads every row instead.
IS_OPEN: Final = text("status IN ('New', 'Preparing', 'Uploading', 'Finishing')")
IS_IN_HAND: Final = text("status IN ('Preparing', 'Uploading', 'Finishing')")
IS_ERROR: Final = text("status = 'Error'")
IS_TODO: Final = text("(recheck OR tags_pending)")

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

UPLOADS: Final = Table(
    "uploads",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column(
        "host",
        String(64),
        nullable=False,
        doc="Who drains it; empty for a watch that any host may drain.",
    ),
    Column("watch", Text, nullable=False),
    Column(
        "root",
        LargeBinary,
        nullable=False,
        doc="The watched folder when the row was written: history outlives its watch.",
    ),
    Column("rel_path", LargeBinary, nullable=False),
    Column("path_text", Text, nullable=False, doc="`rel_path` in words, for people."),
    Column(
        "name",
        Text,
        nullable=False,
        doc="The last component of it: what the server will call the file.",
    ),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("inode", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    Column("substatus", String(32), nullable=False),
    Column("error", Text, nullable=True),
    Column("attempts", Integer, default=0, server_default="0", nullable=False),
    Column(
        "cuts",
        Integer,
        default=0,
        server_default="0",
        nullable=False,
        doc="Connections lost in mid-upload: such rows go behind the others.",
    ),
    Column(
        "priority",
        Integer,
        default=0,
        server_default="0",
        nullable=False,
        doc="1 after an interactive retry.",
    ),
    Column("ask_first", Boolean, default=False, server_default=false(), nullable=False),
    Column("may_be_stored", Boolean, default=False, server_default=false(), nullable=False),
    Column("body_complete", Boolean, default=False, server_default=false(), nullable=False),
    Column("asked_complete", Boolean, default=False, server_default=false(), nullable=False),
    Column(
        "changed_in_hand",
        Boolean,
        default=False,
        server_default=false(),
        nullable=False,
        doc="The scanner saw another version while a worker had the row.",
    ),
    Column(
        "acknowledged",
        Boolean,
        default=False,
        server_default=false(),
        nullable=False,
        doc="`ignored` by a person's word, not because a watch was taken away.",
    ),
    Column(
        "forced",
        Boolean,
        default=False,
        server_default=false(),
        nullable=False,
        doc="To be sent although its format says that it is short.",
    ),
    Column(
        "recheck",
        Boolean,
        default=False,
        server_default=false(),
        nullable=False,
        doc="Stored, and its mtime changed since: its SHA-256 is to be compared.",
    ),
    Column("unproven", Boolean, default=False, server_default=false(), nullable=False),
    Column("tags_pending", Boolean, default=False, server_default=false(), nullable=False),
    Column("dataset_name", Text, nullable=True),
    Column("dataset_uuid", String(64), nullable=True),
    Column("remote_id", Text, nullable=True),
    Column("remote_name", Text, nullable=True),
    Column("sha256", String(64), nullable=True),
    Column("header", JSON, default=dict, server_default="{}", nullable=False),
    Column("night", String(10), nullable=True),
    Column(
        "claim",
        Integer,
        default=0,
        server_default="0",
        nullable=False,
        doc="The fencing token: a completion that does not carry it is refused.",
    ),
    Column("claimed_by", String(64), nullable=True),
    Column("created_at", UtcMs, nullable=False),
    Column("updated_at", UtcMs, nullable=False),
    Column("started_at", UtcMs, nullable=True),
    Column("ended_at", UtcMs, nullable=True),
    Column("next_attempt_at", UtcMs, nullable=True),
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
        sqlite_where=IS_OPEN,
    ),
    Index(
        "uq_uploads_changed",
        "host",
        "watch",
        "rel_path",
        unique=True,
        sqlite_where=text("substatus = 'changed after upload'"),
    ),
    Index("ix_uploads_path", "watch", "rel_path", "id"),
    # The host last, and in no other index but that of what is in hand: it would be taken for the
    # better choice of all questions, and every row has the same.
    Index("ix_uploads_counts", "watch", "status", "substatus", "unproven", "size", "host"),
    Index(
        "ix_uploads_dataset",
        "dataset_name",
        sqlite_where=IS_OPEN,
    ),
    Index(
        "ix_uploads_pending",
        "cuts",
        "id",
        sqlite_where=text("substatus = 'pending'"),
    ),
    Index(
        "ix_uploads_pending_night",
        "night",
        "cuts",
        "id",
        sqlite_where=text("substatus = 'pending'"),
    ),
    Index(
        "ix_uploads_pending_first",
        "id",
        sqlite_where=text("substatus = 'pending' AND priority > 0"),
    ),
    Index(
        "ix_uploads_due",
        "next_attempt_at",
        "id",
        sqlite_where=text("next_attempt_at IS NOT NULL"),
    ),
    Index(
        "ix_uploads_in_hand",
        "host",
        "id",
        sqlite_where=IS_IN_HAND,
    ),
    Index("ix_uploads_updated", "updated_at", "id"),
    Index("ix_uploads_night", "night", "id"),
    Index(
        "ix_uploads_error",
        "updated_at",
        "id",
        sqlite_where=IS_ERROR,
    ),
    Index(
        "ix_uploads_todo",
        "id",
        sqlite_where=IS_TODO,
    ),
    Index("ix_uploads_name", "name", "id"),
)
"""One version of one file, and all that is known of its way to the server."""


def tell_postgresql() -> None:
    """Have the partial indexes be partial on PostgreSQL, too, for whoever makes or compares tables.

    Named above, that would load its dialect, a fifth of the time that `oort status` takes.
    """
    for index in UPLOADS.indexes:
        where = index.dialect_options["sqlite"]["where"]
        index.dialect_options["postgresql"]["where"] = where


TRANSITIONS: Final = Table(
    "transitions",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("upload_id", ForeignKey("uploads.id", ondelete="CASCADE"), index=True, nullable=False),
    Column("at", UtcMs, nullable=False),
    Column("status", String(16), nullable=False),
    Column("substatus", String(32), nullable=False),
    Column("cause", Text, nullable=False),
)
"""One recorded step of one upload: when, into what, and why in words."""

ATTEMPTS: Final = Table(
    "attempts",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("upload_id", ForeignKey("uploads.id", ondelete="CASCADE"), index=True, nullable=False),
    Column("started_at", UtcMs, nullable=False),
    Column("ended_at", UtcMs, nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("counted", Boolean, nullable=False),
    Column("bytes_sent", BigInteger, nullable=False),
    Column("http_status", Integer, nullable=True),
    Column("error", Text, nullable=True),
)
"""One try at one upload: when, how far, and what the server said."""

DATASETS: Final = Table(
    "datasets",
    METADATA,
    Column("api", Text, primary_key=True),
    Column("username", Text, primary_key=True),
    Column("portal", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("uuid", String(64), nullable=False),
    Column("telescope", Text, nullable=True),
    Column(
        "fresh",
        Boolean,
        nullable=False,
        doc="Made by us, or empty when it was found: its files need no question.",
    ),
    Column("noted_at", UtcMs, nullable=False),
)
"""Which dataset a name stands for, per server, account and portal, while that works."""

WATCHES: Final = Table(
    "watches",
    METADATA,
    Column("host", String(64), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("root", LargeBinary, nullable=False),
    Column("root_dev", BigInteger, nullable=True),
    Column("root_ino", BigInteger, nullable=True),
    Column(
        "scanned",
        Boolean,
        default=False,
        server_default=false(),
        nullable=False,
        doc="A first scan came to its end: later files are new, not doubts.",
    ),
    Column(
        "baselined",
        Boolean,
        default=False,
        server_default=false(),
        nullable=False,
        doc="`new_only` was honoured: what lay there then is recorded as ignored.",
    ),
)
"""What the queue remembers of a watch, beyond its options in config.toml."""

NOTES: Final = Table(
    "notes",
    METADATA,
    Column("host", String(64), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", JSON, nullable=False),
    Column("noted_at", UtcMs, nullable=False),
)
"""What the daemon tells whoever asks (link, watches, uploads in hand) and what it keeps (pause)."""
