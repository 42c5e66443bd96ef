"""The migrated schema is the one that the models describe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from oort.queue import database
from oort.queue.database import migrate, schema_of, writing_engine
from oort.queue.models import METADATA
from tests.support.rows import sqlite_at

if TYPE_CHECKING:
    from pathlib import Path


def test_the_migrated_schema_equals_the_models(tmp_path: Path) -> None:
    engine = writing_engine(sqlite_at(tmp_path / "oort.db"))

    assert migrate(engine)
    assert not migrate(engine)

    with engine.connect() as connection, connection.begin():
        assert schema_of(connection) == database.HEAD
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", "oort/queue/migrations")

    assert ScriptDirectory.from_config(config).get_current_head() == database.HEAD
