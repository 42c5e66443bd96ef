"""The migrated schema is the one that the models describe."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select

from oort.queue import database
from oort.queue.database import migrate, schema_of, writing_engine
from oort.queue.models import METADATA, UPLOADS
from oort.queue.rows import born
from tests.support.rows import ROOT, sqlite_at, version

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
NEW: dict[str, Any] = {
    "status": "New",
    "substatus": "pending",
    "created_at": NOW,
    "updated_at": NOW,
}


def test_the_migrated_schema_equals_the_models(tmp_path: Path) -> None:
    engine = writing_engine(sqlite_at(tmp_path / "oort.db"))

    assert migrate(engine)
    assert not migrate(engine)

    with engine.connect() as connection, connection.begin():
        assert schema_of(connection) == database.HEAD
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "oort/queue/migrations")
    return config


def test_a_queue_of_the_first_schema_keeps_its_rows_and_is_copied_before(tmp_path: Path) -> None:
    file, backups = tmp_path / "oort.db", tmp_path / "backups"
    engine = writing_engine(sqlite_at(file))
    config = _config()
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(insert(UPLOADS), [born("", "dome", ROOT, version("a.fits")) | NEW])

    assert migrate(engine, backup=backups)

    with engine.connect() as connection, connection.begin():
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        assert connection.execute(select(UPLOADS.c.path_text)).scalars().all() == ["a.fits"]
    assert [copy.name for copy in backups.iterdir()] == ["before-0002-from-0001.db"]


def test_head_is_the_newest_migration() -> None:
    config = _config()

    assert ScriptDirectory.from_config(config).get_current_head() == database.HEAD
