"""The storage's database: its tables, and who may hold it.

It is held with an exclusive lock for the life of the process: a second sandbox on the same storage
is refused. Nothing waits for the disk (`synchronous=OFF`): a killed process loses nothing, a power
cut may cost the last seconds, which a rehearsal can bear.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    username TEXT PRIMARY KEY, email TEXT NOT NULL, profile TEXT NOT NULL,
    upload_key TEXT NOT NULL, access_key TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS memberships (
    pk INTEGER PRIMARY KEY, username TEXT NOT NULL, portal TEXT NOT NULL, role TEXT NOT NULL,
    joined TEXT NOT NULL, UNIQUE (username, portal));
CREATE TABLE IF NOT EXISTS objects (
    pk INTEGER PRIMARY KEY AUTOINCREMENT, resource TEXT NOT NULL, portal TEXT NOT NULL,
    ident TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (resource, portal, ident));
CREATE TABLE IF NOT EXISTS datasets (
    pk INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT NOT NULL UNIQUE, portal TEXT NOT NULL,
    name TEXT NOT NULL, telescope TEXT, tags TEXT NOT NULL, body TEXT NOT NULL,
    created TEXT NOT NULL, updated TEXT NOT NULL,
    files INTEGER NOT NULL DEFAULT 0, volume INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS datasets_by_name ON datasets (portal, name);
CREATE TABLE IF NOT EXISTS data_files (
    pk INTEGER PRIMARY KEY AUTOINCREMENT, dataset TEXT NOT NULL REFERENCES datasets (uuid),
    name TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT, tags TEXT NOT NULL,
    is_raw INTEGER NOT NULL, body TEXT NOT NULL, created TEXT NOT NULL, UNIQUE (dataset, name));
CREATE INDEX IF NOT EXISTS data_files_by_dataset ON data_files (dataset);
"""


class StorageError(Exception):
    """The storage cannot be used; says why."""


class StorageInUseError(StorageError):
    """Another sandbox holds this storage."""


def open_database(path: Path) -> sqlite3.Connection:
    """Open the database, which is made where it is missing; raises StorageError."""
    # The keys are in it: made for the owner alone, before SQLite makes it for everybody.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, isolation_level=None, timeout=0.5)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = OFF")
        db.executescript(_SCHEMA)
        db.execute("BEGIN IMMEDIATE")
        db.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        db.close()
        busy = error.sqlite_errorcode == sqlite3.SQLITE_BUSY
        raise (StorageInUseError if busy else StorageError)(str(error)) from error
    return db
