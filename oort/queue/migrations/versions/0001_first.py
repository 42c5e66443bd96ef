"""The queue's first schema.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "datasets",
        sa.Column("api", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("portal", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("uuid", sa.String(length=64), nullable=False),
        sa.Column("telescope", sa.Text(), nullable=True),
        sa.Column("fresh", sa.Boolean(), nullable=False),
        sa.Column("noted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("api", "username", "portal", "name", name="pk_datasets"),
    )
    op.create_table(
        "notes",
        sa.Column("host", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("noted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("host", "name", name="pk_notes"),
    )
    op.create_table(
        "uploads",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("host", sa.String(length=64), nullable=False),
        sa.Column("watch", sa.Text(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("rel_path", sa.LargeBinary(), nullable=False),
        sa.Column("path_text", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("inode", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("substatus", sa.String(length=32), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cuts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("ask_first", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("may_be_stored", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("body_complete", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("asked_complete", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("changed_in_hand", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("acknowledged", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("forced", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("recheck", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("unproven", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("tags_pending", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("dataset_name", sa.Text(), nullable=True),
        sa.Column("dataset_uuid", sa.String(length=64), nullable=True),
        sa.Column("remote_id", sa.Text(), nullable=True),
        sa.Column("remote_name", sa.Text(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("header", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("night", sa.String(length=10), nullable=True),
        sa.Column("claim", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claimed_by", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("status <> 'OK' OR sha256 IS NOT NULL", name="ck_uploads_ok_has_sha256"),
        sa.CheckConstraint(
            "status IN ('New', 'Preparing', 'Uploading', 'Finishing', 'OK', 'Skipped', 'Error')",
            name="ck_uploads_status",
        ),
        sa.CheckConstraint(
            "substatus IN ('pending', 'settling...', 'waiting to retry', 'held', 'checking remote file...', 'syncing dataset...', 'uploading...', 'tagging...', 'done', 'already synced', 'skipped (hidden file)', 'skipped (empty file)', 'ignored', 'file gone', 'changed after upload', 'error', 'name conflict', 'truncated file')",
            name="ck_uploads_substatus",
        ),
        sa.CheckConstraint("size >= 0", name="ck_uploads_size"),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
    )
    op.create_index(
        "ix_uploads_counts",
        "uploads",
        ["watch", "status", "substatus", "unproven", "size"],
        unique=False,
    )
    op.create_index(
        "ix_uploads_due",
        "uploads",
        ["next_attempt_at", "id"],
        unique=False,
        sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_index(
        "ix_uploads_error",
        "uploads",
        ["updated_at", "id"],
        unique=False,
        sqlite_where=sa.text("status = 'Error'"),
        postgresql_where=sa.text("status = 'Error'"),
    )
    op.create_index(
        "ix_uploads_in_hand",
        "uploads",
        ["host", "id"],
        unique=False,
        sqlite_where=sa.text("status IN ('Preparing', 'Uploading', 'Finishing')"),
        postgresql_where=sa.text("status IN ('Preparing', 'Uploading', 'Finishing')"),
    )
    op.create_index("ix_uploads_name", "uploads", ["name", "id"], unique=False)
    op.create_index("ix_uploads_night", "uploads", ["night", "id"], unique=False)
    op.create_index("ix_uploads_path", "uploads", ["watch", "rel_path", "id"], unique=False)
    op.create_index(
        "ix_uploads_pending",
        "uploads",
        ["cuts", "id"],
        unique=False,
        sqlite_where=sa.text("substatus = 'pending'"),
        postgresql_where=sa.text("substatus = 'pending'"),
    )
    op.create_index(
        "ix_uploads_pending_first",
        "uploads",
        ["id"],
        unique=False,
        sqlite_where=sa.text("substatus = 'pending' AND priority > 0"),
        postgresql_where=sa.text("substatus = 'pending' AND priority > 0"),
    )
    op.create_index(
        "ix_uploads_pending_night",
        "uploads",
        ["night", "cuts", "id"],
        unique=False,
        sqlite_where=sa.text("substatus = 'pending'"),
        postgresql_where=sa.text("substatus = 'pending'"),
    )
    op.create_index(
        "ix_uploads_todo",
        "uploads",
        ["id"],
        unique=False,
        sqlite_where=sa.text("recheck OR tags_pending"),
        postgresql_where=sa.text("recheck OR tags_pending"),
    )
    op.create_index("ix_uploads_updated", "uploads", ["updated_at", "id"], unique=False)
    op.create_index(
        "uq_uploads_changed",
        "uploads",
        ["host", "watch", "rel_path"],
        unique=True,
        sqlite_where=sa.text("substatus = 'changed after upload'"),
        postgresql_where=sa.text("substatus = 'changed after upload'"),
    )
    op.create_index(
        "uq_uploads_open",
        "uploads",
        ["host", "watch", "rel_path"],
        unique=True,
        sqlite_where=sa.text("status IN ('New', 'Preparing', 'Uploading', 'Finishing')"),
        postgresql_where=sa.text("status IN ('New', 'Preparing', 'Uploading', 'Finishing')"),
    )
    op.create_table(
        "watches",
        sa.Column("host", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("root_dev", sa.BigInteger(), nullable=True),
        sa.Column("root_ino", sa.BigInteger(), nullable=True),
        sa.Column("scanned", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("baselined", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("host", "name", name="pk_watches"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "upload_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.Column("bytes_sent", sa.BigInteger(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.id"], name="fk_attempts_upload_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
    )
    op.create_index("ix_attempts_upload_id", "attempts", ["upload_id"], unique=False)
    op.create_table(
        "transitions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "upload_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("substatus", sa.String(length=32), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.id"], name="fk_transitions_upload_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_transitions"),
    )
    op.create_index("ix_transitions_upload_id", "transitions", ["upload_id"], unique=False)
