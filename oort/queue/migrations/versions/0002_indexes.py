"""Count the rows by an index alone, and find what is on its way to a dataset by one.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Replace one index, which lacked the host, and add one."""
    op.drop_index("ix_uploads_counts", table_name="uploads")
    op.create_index(
        "ix_uploads_counts",
        "uploads",
        ["watch", "status", "substatus", "unproven", "size", "host"],
    )
    is_open = sa.text("status IN ('New', 'Preparing', 'Uploading', 'Finishing')")
    op.create_index(
        "ix_uploads_dataset",
        "uploads",
        ["dataset_name"],
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
