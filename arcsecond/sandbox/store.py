"""What outlives a restart and a kill -9: one SQLite database beside the files as they came.

Everything here is synchronous and called from the server's one thread, so there is one writer by
construction.
"""

from __future__ import annotations

import json
import secrets
import shutil
import uuid
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from arcsecond.sandbox.database import open_database
from arcsecond.sandbox.values import Account, DataFile, Dataset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from arcsecond.sandbox.values import Arrived

_DATASET = "uuid, portal, name, telescope, tags, body, created, updated, files, volume"
_DATA_FILE = (
    "data_files.pk, dataset, data_files.name, size, sha256, data_files.tags, is_raw, "
    "data_files.body"
)
_IN_PORTAL = "FROM data_files JOIN datasets ON datasets.uuid = dataset WHERE datasets.portal = ?1"


def timestamp(ago_s: float = 0.0) -> str:
    """Return the time, or that of a while ago, as the API writes it."""
    now = datetime.now(UTC)  # noqa: TID251  # a server tells its own time, to nobody of ours
    return (
        (now - timedelta(seconds=ago_s)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    )


class Store:
    """The storage folder: `sandbox.db`, `files/<dataset uuid>/<name>`, `incoming/`."""

    def __init__(self, folder: Path) -> None:
        """Open `folder`, which is made where it is missing; raises StorageError, OSError."""
        self.folder = folder
        self.incoming = folder / "incoming"
        self._files = folder / "files"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._files.mkdir(exist_ok=True)
        self._db = open_database(folder / "sandbox.db")
        # What was on its way when the last process died is nobody's any more.
        shutil.rmtree(self.incoming, ignore_errors=True)
        self.incoming.mkdir(exist_ok=True)

    def close(self) -> None:
        """Let go of the storage."""
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make one transaction of what is done inside."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # Accounts and portals

    def add_account(self, username: str, email: str, profile: Mapping[str, Any]) -> Account:
        """Add an account with two fresh keys."""
        account = Account(username, email, _new_key(), _new_key(), profile)
        self._db.execute(
            "INSERT INTO accounts (username, email, profile, upload_key, access_key)"
            " VALUES (?, ?, ?, ?, ?)",
            (username, email, json.dumps(profile), account.upload_key, account.access_key),
        )
        return account

    def accounts(self) -> list[Account]:
        """Return all accounts, the one that logs in first."""
        rows = self._db.execute(
            "SELECT username, email, upload_key, access_key, profile FROM accounts ORDER BY rowid"
        )
        return [
            Account(username, email, upload_key, access_key, json.loads(profile))
            for username, email, upload_key, access_key, profile in rows
        ]

    def renew_key(self, username: str, *, upload: bool) -> str:
        """Replace a key, as the web site does; return the new one. The old one is worth nothing."""
        key = _new_key()
        column = "upload_key" if upload else "access_key"
        self._db.execute(
            f"UPDATE accounts SET {column} = ? WHERE username = ?",  # noqa: S608  # one of two words
            (key, username),
        )
        return key

    def set_role(self, username: str, portal: str, role: str | None) -> None:
        """Make an account a member of a portal with that role; None ends the membership."""
        with self.writing():
            if role is None:
                self._db.execute(
                    "DELETE FROM memberships WHERE username = ? AND portal = ?", (username, portal)
                )
            else:
                self._db.execute(
                    "INSERT INTO memberships (username, portal, role, joined) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (username, portal) DO UPDATE SET role = excluded.role",
                    (username, portal, role, timestamp()),
                )

    def memberships(
        self, *, username: str | None = None, portal: str | None = None
    ) -> list[dict[str, Any]]:
        """Return `pk, username, portal, role, joined` of those that match."""
        rows = self._db.execute(
            "SELECT pk, username, portal, role, joined FROM memberships"
            " WHERE (?1 IS NULL OR username = ?1) AND (?2 IS NULL OR portal = ?2) ORDER BY pk",
            (username, portal),
        )
        names = ("pk", "username", "portal", "role", "joined")
        return [dict(zip(names, row, strict=True)) for row in rows]

    # Simple objects: telescopes, observing sites, night logs …

    def objects(self, resource: str, portal: str) -> list[dict[str, Any]]:
        """Return all objects of a resource that a portal sees, oldest first."""
        rows = self._db.execute(
            "SELECT body FROM objects WHERE resource = ? AND portal = ? ORDER BY pk",
            (resource, portal),
        )
        return [json.loads(body) for (body,) in rows]

    def object(self, resource: str, portal: str, ident: str) -> dict[str, Any] | None:
        """Return one object, or None."""
        row = self._db.execute(
            "SELECT body FROM objects WHERE resource = ? AND portal = ? AND ident = ?",
            (resource, portal, ident),
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def next_pk(self) -> int:
        """Return a number that no object bore before."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'objects'").fetchone()
        return 1 if row is None else int(row[0]) + 1

    def put_object(self, resource: str, portal: str, ident: str, body: Mapping[str, Any]) -> None:
        """Store an object, or store it anew."""
        self._db.execute(
            "INSERT INTO objects (resource, portal, ident, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (resource, portal, ident) DO UPDATE SET body = excluded.body",
            (resource, portal, ident, json.dumps(body)),
        )

    def delete_object(self, resource: str, portal: str, ident: str) -> None:
        """Forget an object."""
        self._db.execute(
            "DELETE FROM objects WHERE resource = ? AND portal = ? AND ident = ?",
            (resource, portal, ident),
        )

    # Datasets

    def add_dataset(
        self,
        portal: str,
        *,
        name: str,
        telescope: str | None,
        tags: Sequence[str],
        body: Mapping[str, Any],
    ) -> Dataset:
        """Add an empty dataset. Names are not unique."""
        now = timestamp()
        ident = str(uuid.uuid4())
        self._db.execute(
            "INSERT INTO datasets (uuid, portal, name, telescope, tags, body, created, updated)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (ident, portal, name, telescope, json.dumps(tags), json.dumps(body), now, now),
        )
        return Dataset(ident, portal, name, telescope, tuple(tags), body, now, now, 0, 0)

    def datasets(self, portal: str, name: str | None = None) -> list[Dataset]:
        """Return the datasets of a portal, of that name if one is given, oldest first."""
        rows = self._db.execute(
            f"SELECT {_DATASET} FROM datasets"  # noqa: S608  # a constant
            " WHERE portal = ?1 AND (?2 IS NULL OR name = ?2) ORDER BY pk",
            (portal, name),
        )
        return [_dataset(row) for row in rows]

    def dataset(self, portal: str | None, ident: str) -> Dataset | None:
        """Return the dataset of that UUID, if the portal has it; None asks all portals."""
        row = self._db.execute(
            f"SELECT {_DATASET} FROM datasets WHERE (?1 IS NULL OR portal = ?1) AND uuid = ?2",  # noqa: S608
            (portal, ident.lower()),
        ).fetchone()
        return None if row is None else _dataset(row)

    def update_dataset(self, dataset: Dataset) -> None:
        """Write what a client may change: name, telescope, tags, body."""
        self._db.execute(
            "UPDATE datasets SET name = ?, telescope = ?, tags = ?, body = ?, updated = ?"
            " WHERE uuid = ?",
            (
                dataset.name,
                dataset.telescope,
                json.dumps(dataset.tags),
                json.dumps(dataset.body),
                timestamp(),
                dataset.uuid,
            ),
        )

    def delete_dataset(self, ident: str) -> None:
        """Delete a dataset with all its files."""
        with self.writing():
            self._db.execute("DELETE FROM data_files WHERE dataset = ?", (ident,))
            self._db.execute("DELETE FROM datasets WHERE uuid = ?", (ident,))
        shutil.rmtree(self._files / ident, ignore_errors=True)

    # Data files

    def add_data_file(
        self,
        dataset: str,
        *,
        name: str,
        arrived: Arrived | None,
        tags: Sequence[str],
        is_raw: bool,
        body: Mapping[str, Any],
        size: int = 0,
    ) -> DataFile | None:
        """Make what arrived a file of the dataset; None where the name is taken.

        Without `arrived` it is a record of `size` that has no file. The rename lies inside the
        transaction: killed in between, the storage holds at most a file that nobody knows of, and
        the next one of that name takes its place.
        """
        size = arrived.size if arrived else size
        sha256 = arrived.sha256 if arrived else None
        with self.writing():
            cursor = self._db.execute(
                "INSERT INTO data_files (dataset, name, size, sha256, tags, is_raw, body, created)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (dataset, name) DO NOTHING",
                (
                    dataset,
                    name,
                    size,
                    sha256,
                    json.dumps(tags),
                    is_raw,
                    json.dumps(body),
                    timestamp(),
                ),
            )
            if cursor.rowcount == 0:
                return None
            self._db.execute(
                "UPDATE datasets SET files = files + 1, volume = volume + ? WHERE uuid = ?",
                (size, dataset),
            )
            if arrived:
                self._move_in(arrived.path, dataset, name)
        pk = cursor.lastrowid or 0
        return DataFile(pk, dataset, name, size, sha256, tuple(tags), is_raw, body)

    def data_files(
        self,
        portal: str,
        *,
        dataset: str | None = None,
        name: str | None = None,
        until: str | None = None,
        after: int = 0,
        offset: int = 0,
        limit: int = -1,
    ) -> list[DataFile]:
        """Return data files of a portal by pk: of a dataset, of a name, stored `until`, above `after`."""
        rows = self._db.execute(
            f"SELECT {_DATA_FILE} {_where(dataset, name)} AND data_files.pk > ?5"
            " ORDER BY data_files.pk LIMIT ?6 OFFSET ?7",
            (portal, dataset, name, until, after, limit, offset),
        )
        return [_data_file(row) for row in rows]

    def count_data_files(
        self,
        portal: str,
        *,
        dataset: str | None = None,
        name: str | None = None,
        until: str | None = None,
    ) -> int:
        """Return how many `data_files` would be without a limit."""
        row = self._db.execute(
            f"SELECT COUNT(*) {_where(dataset, name)}",  # constants
            (portal, dataset, name, until),
        ).fetchone()
        return int(row[0])

    def data_file(self, portal: str, pk: int) -> DataFile | None:
        """Return the data file of that pk, if the portal has it."""
        row = self._db.execute(
            f"SELECT {_DATA_FILE} {_IN_PORTAL} AND data_files.pk = ?2",  # constants
            (portal, pk),
        ).fetchone()
        return None if row is None else _data_file(row)

    def update_data_file(self, file: DataFile, arrived: Arrived | None = None) -> DataFile:
        """Write what a client may change: tags, is_raw, body, and with `arrived` the bytes."""
        size, sha256 = (arrived.size, arrived.sha256) if arrived else (file.size, file.sha256)
        with self.writing():
            self._db.execute(
                "UPDATE datasets SET volume = volume + ? - (SELECT size FROM data_files WHERE pk = ?)"
                " WHERE uuid = ?",
                (size, file.pk, file.dataset),
            )
            self._db.execute(
                "UPDATE data_files SET size = ?, sha256 = ?, tags = ?, is_raw = ?, body = ?"
                " WHERE pk = ?",
                (size, sha256, json.dumps(file.tags), file.is_raw, json.dumps(file.body), file.pk),
            )
            if arrived:
                self._move_in(arrived.path, file.dataset, file.name)
        return replace(file, size=size, sha256=sha256)

    def delete_data_file(self, file: DataFile) -> None:
        """Delete a data file with its bytes."""
        with self.writing():
            self._db.execute("DELETE FROM data_files WHERE pk = ?", (file.pk,))
            self._db.execute(
                "UPDATE datasets SET files = files - 1, volume = volume - ? WHERE uuid = ?",
                (file.size, file.dataset),
            )
        self.path_of(file).unlink(missing_ok=True)

    def every_data_file(self) -> list[dict[str, Any]]:
        """Return all that is stored, of every portal, with the name of its dataset."""
        rows = self._db.execute(
            f"SELECT {_DATA_FILE}, datasets.name, datasets.portal"  # noqa: S608  # a constant
            " FROM data_files JOIN datasets ON datasets.uuid = dataset ORDER BY data_files.pk"
        )
        return [
            {
                "pk": file.pk,
                "portal": row[9] or None,
                "dataset": row[8],
                "dataset_uuid": file.dataset,
                "name": file.name,
                "size": file.size,
                "sha256": file.sha256,
                "tags": list(file.tags),
                "is_raw": file.is_raw,
            }
            for row in rows
            for file in [_data_file(row[:8])]
        ]

    def path_of(self, file: DataFile) -> Path:
        """Return where the bytes of a data file lie."""
        return self._files / file.dataset / file.name

    def _move_in(self, source: Path, dataset: str, name: str) -> None:
        folder = self._files / dataset
        try:
            source.replace(folder / name)
        except FileNotFoundError:
            folder.mkdir(exist_ok=True)
            source.replace(folder / name)


def _where(dataset: str | None, name: str | None) -> str:
    """Return the FROM and WHERE of a listing, so that SQLite can use the narrowest index."""
    return (
        f"{_IN_PORTAL}"
        + (" AND dataset = ?2" if dataset is not None else " AND ?2 IS NULL")
        + (" AND data_files.name = ?3" if name is not None else " AND ?3 IS NULL")
        + " AND (?4 IS NULL OR data_files.created <= ?4)"
    )


def _new_key() -> str:
    return secrets.token_hex(20)


def _dataset(row: Sequence[Any]) -> Dataset:
    ident, portal, name, telescope, tags, body, created, updated, files, volume = row
    return Dataset(
        uuid=ident,
        portal=portal,
        name=name,
        telescope=telescope,
        tags=tuple(json.loads(tags)),
        body=json.loads(body),
        created=created,
        updated=updated,
        files=files,
        volume=volume,
    )


def _data_file(row: Sequence[Any]) -> DataFile:
    pk, dataset, name, size, sha256, tags, is_raw, body = row
    return DataFile(
        pk=pk,
        dataset=dataset,
        name=name,
        size=size,
        sha256=sha256,
        tags=tuple(json.loads(tags)),
        is_raw=bool(is_raw),
        body=json.loads(body),
    )
