"""Opening the queue's database: engines, pragmas, transactions, the schema.

SQLite is opened so that it can be trusted with a night's data (measured on 3.40):
WAL with `synchronous=FULL` (an acknowledged row survives a power cut), `BEGIN IMMEDIATE` instead of
the driver's own idea of transactions (which claims rows twice), and readers that cannot write.
Only `oort start` migrates; whoever else meets another schema says so.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool, QueuePool

from oort.errors import QueueError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine, ExceptionContext

HEAD: Final = "0002"
"""The schema that this version of the code reads and writes."""

BUSY_MS: Final = 10_000
WAL_LIMIT_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Database:
    """Where the queue lies: an SQLAlchemy URL, and the file where it is SQLite."""

    url: str
    file: Path | None

    @classmethod
    def at(cls, url: str) -> Database:
        """Return the database that `url` names."""
        parsed = make_url(url)
        is_file = parsed.get_backend_name() == "sqlite" and parsed.database
        return cls(url, Path(str(parsed.database)) if is_file else None)

    @property
    def exists(self) -> bool:
        """Whether there is anything to open (a server is taken to be there)."""
        return self.file is None or self.file.exists()


def writing_engine(database: Database) -> Engine:
    """Return the engine of the one writer: no pool, because it keeps its one connection."""
    engine = create_engine(database.url, poolclass=NullPool)
    if database.file is not None:
        _prepare_sqlite(engine, begin="BEGIN IMMEDIATE", query_only=False)
    return engine


def reading_engine(database: Database, *, at_rest: bool = False) -> Engine:
    """Return an engine whose connections cannot write; of a file `at_rest` nobody else does either."""
    if database.file is None:
        engine = create_engine(database.url, pool_pre_ping=True)

        @event.listens_for(engine, "begin")
        def _read_only(connection: Connection) -> None:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")

        return engine
    # NullPool would open and close the file for each question, 0.3 ms apiece.
    url = database.url
    if at_rest:
        url = f"sqlite:///{database.file.absolute().as_uri()}?mode=ro&immutable=1&uri=true"
    engine = create_engine(url, poolclass=QueuePool, pool_size=4, max_overflow=60, pool_timeout=30)
    _prepare_sqlite(engine, begin="BEGIN", query_only=True)
    return engine


def _prepare_sqlite(engine: Engine, *, begin: str, query_only: bool) -> None:
    """Take transactions out of the driver's hands and set the pragmas of each connection."""

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, record: Any) -> None:  # noqa: ARG001  # SQLAlchemy's signature
        connection.isolation_level = None
        pragmas = [f"busy_timeout={BUSY_MS}", "foreign_keys=ON"]
        if query_only:
            pragmas += ["query_only=ON"]
        else:
            pragmas += [
                "journal_mode=WAL",
                "synchronous=FULL",
                "fullfsync=1",  # macOS: fsync does not reach the platter without it
                "checkpoint_fullfsync=1",
                f"journal_size_limit={WAL_LIMIT_BYTES}",
            ]
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def schema_of(connection: Connection) -> str | None:
    """Return the schema's revision; None where there is no queue yet."""
    tables = set(connection.dialect.get_table_names(connection))
    if connection.dialect.name == "sqlite":
        _require_ours(connection.engine.url.database, tables)
    if "alembic_version" not in tables:
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _require_ours(file: object, tables: set[str]) -> None:
    """Raise `QueueError` for a file with other tables and none of ours: it is somebody else's."""
    if tables and "uploads" not in tables:
        raise QueueError(
            f"the file {file} is no queue of oort's: it holds {', '.join(sorted(tables)[:3])}",
            hint="move it away: the newest copy of the queue is used then",
        )


def refuse_another(file: Path) -> None:
    """Raise `QueueError` for the file of another application, before anything of it is changed.

    Nobody has it open. What cannot be read is no matter here: opening it says why.
    """
    if not file.exists():
        return
    try:
        with closing(looked_at(file)) as connection:
            found = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            tables = {str(name) for (name,) in found}
    except sqlite3.DatabaseError:
        return
    _require_ours(file, tables)


def require_schema(connection: Connection) -> None:
    """Raise `QueueError` unless the schema is the one that this code knows."""
    found = schema_of(connection)
    if found == HEAD:
        return
    if found is None:
        raise QueueError("there is no queue yet", hint="start the daemon once: `oort start`")
    raise QueueError(
        f"the queue has schema {found}, this version of oort needs {HEAD}",
        hint="start the daemon, which brings an older queue up to date: `oort start`",
    )


def migrate(engine: Engine, *, backup: Path | None = None) -> bool:
    """Bring the schema up to date; tell whether anything had to be done.

    The caller holds the queue's lock. `backup` is the folder for a copy of an existing SQLite queue
    before it is changed. alembic is imported only when it is needed: it takes about a second.
    """
    with engine.connect() as connection, connection.begin():
        found = schema_of(connection)
    if found == HEAD:
        return False
    if found is not None and found > HEAD:
        raise QueueError(
            f"the queue has schema {found}, which is newer than this version of oort ({HEAD})",
            hint="install the version of oort that wrote it; nothing was changed",
        )
    if found is not None and backup is not None and engine.url.database:
        copy(Path(engine.url.database), backup / f"before-{HEAD}-from-{found}.db")
    _upgrade(engine)
    return True


def _upgrade(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def copy(source: Path, target: Path) -> None:
    """Write a consistent copy of an SQLite queue (`VACUUM INTO`), complete and on disk or not at all."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = target.with_name(target.name + ".part")
    aside.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(source, isolation_level=None)) as connection:
            connection.execute("VACUUM INTO ?", (str(aside),))
        aside.chmod(0o600)
        sync(aside)  # SQLite does not (sqlite.org/lang_vacuum.html)
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)  # half a copy on a full disk makes it fuller
        raise
    sync(target.parent)


def sync(path: Path) -> None:
    """Have a file, or a rename in a folder, outlive a power cut; Windows knows no such thing."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_sound(file: Path, *, thorough: bool = False) -> bool:
    """Tell whether SQLite's own check finds nothing wrong with a file; changes nothing.

    The quick one does not hold the indexes against the rows, which takes four times as long. An
    empty file is none of ours. Raises `QueueError` where the file cannot be read at all: that says
    nothing of what is in it.
    """
    check = "integrity_check" if thorough else "quick_check"
    try:
        with closing(looked_at(file)) as connection:
            found = connection.execute(f"PRAGMA {check}(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if is_damaged(error):
            return False
        raise QueueError(f"the queue {file} cannot be checked: {error}") from error
    return bool(found == ("ok",)) and file.stat().st_size > 0


def looked_at(file: Path) -> sqlite3.Connection:
    """Open a file read-only, because whoever closes a queue writes its WAL into it.

    A damaged one is to be set aside as it is. One without a WAL is opened as one that nobody
    writes, because even a reader would make one.
    """
    how = "mode=ro" if file.with_name(f"{file.name}-wal").exists() else "mode=ro&immutable=1"
    return sqlite3.connect(f"{file.absolute().as_uri()}?{how}", uri=True)


def on_damage(engine: Engine, call: Callable[[str], None]) -> None:
    """Call `call` with the reason when a question finds the file malformed."""

    @event.listens_for(engine, "handle_error")
    def _look(context: ExceptionContext) -> None:
        if is_damaged(context.original_exception):
            call(f"the queue is damaged: {reason_of(context.original_exception)}")


def is_full(error: BaseException) -> bool:
    """Tell whether the disk, not the statement, was at fault: it passes when there is space."""
    original = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(original, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF) in _FULL


def is_damaged(error: BaseException) -> bool:
    """Tell whether SQLite found its file malformed."""
    original = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(original, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


_FULL: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
    }
)


def reason_of(error: BaseException) -> str:
    """Return a database error in one line, without the statement and its parameters."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return " ".join(str(original).split()) or type(error).__name__


@contextmanager
def opening(database: Database) -> Iterator[None]:
    """Turn what may go wrong while a queue is opened into one line with the file's name."""
    where = database.file or make_url(database.url).render_as_string(hide_password=True)
    try:
        yield
    except (OperationalError, OSError) as error:
        raise QueueError(
            f"the queue {where} cannot be opened: {reason_of(error)}",
            hint="its folder must exist, be yours, be writable and have space",
        ) from error
    except DBAPIError as error:
        raise QueueError(f"the queue {where} cannot be used: {reason_of(error)}") from error


def make_private(file: Path) -> None:
    """Create the database's file readable by its owner alone, before SQLite would."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    if os.name == "posix":
        file.chmod(0o600)
