"""Where Oort keeps what it keeps: one folder below OORT_HOME, or the platform's own places.

Asking creates nothing. What is created is for its owner alone: folders 0700, files 0600.
"""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Locations:
    """The two folders that everything lies in; the files follow from them."""

    config_folder: Path
    state_folder: Path

    @property
    def config_file(self) -> Path:
        """The watches and settings, edited by people and by `oort` alike."""
        return self.config_folder / "config.toml"

    @property
    def database(self) -> Path:
        """The queue, unless `database` in config.toml or OORT_DATABASE_URL names another."""
        return self.state_folder / "oort.db"

    @property
    def last_good_config(self) -> Path:
        """The config.toml that the daemon took last, for as long as a broken one is in its place."""
        return self.state_folder / "config.last-good.toml"

    @property
    def lock_file(self) -> Path:
        """What the one daemon of this queue and host holds locked."""
        return self.state_folder / "oort.lock"

    @property
    def control_folder(self) -> Path:
        """How a command reaches the running daemon."""
        return self.state_folder / "control"

    @property
    def logs_folder(self) -> Path:
        """The daemon's log, with its older parts."""
        return self.state_folder / "logs"

    @property
    def backups_folder(self) -> Path:
        """The nightly copies of the queue."""
        return self.state_folder / "backups"

    def own_places(self, database: Path | None, keys: Path) -> frozenset[bytes]:
        """Return the real paths of what is Oort's own and is never sent, wherever it lies.

        `database` is the queue's file where it is one, `keys` arcsecond's config.ini. Files and
        folders are named one by one: somebody's images may well lie beside them, in the same home.
        """
        queue = database or self.database
        real = os.path.realpath(queue)  # SQLite puts its files beside what a link leads to
        beside = [Path(f"{real}{suffix}") for suffix in ("-wal", "-shm", "-journal")]
        damaged = queue.parent.glob(f"{queue.name}.damaged-*")
        places = (
            self.config_file,
            self.last_good_config,
            self.lock_file,
            self.control_folder,
            self.logs_folder,
            self.backups_folder,
            keys,
            queue,
            lock_of_database(queue),
            *beside,
            *damaged,
        )
        return frozenset(os.fsencode(os.path.realpath(place)) for place in places)


def lock_of_database(database: Path) -> Path:
    """Return what the one daemon of a queue's file holds locked, whatever home it has and way it goes."""
    return Path(f"{os.path.realpath(database)}.lock")


def locate() -> Locations:
    """Return the places of this process: OORT_HOME where it is set, else the platform's."""
    home = os.environ.get("OORT_HOME")
    if home:
        folder = Path(home).expanduser().absolute()
        return Locations(config_folder=folder, state_folder=folder)
    from platformdirs import user_config_path, user_state_path

    return Locations(
        config_folder=user_config_path("oort", appauthor=False),
        state_folder=user_state_path("oort", appauthor=False),
    )


def make_private_folder(folder: Path) -> Path:
    """Make `folder`, and what is missing above it, readable by its owner alone; return it.

    A folder of ours that is there already loses what group and others may do with it. The user's
    home folder, and a folder of somebody else, are left as they are.
    """
    for missing in reversed([folder, *folder.parents]):
        if not missing.is_dir():
            missing.mkdir(mode=0o700, exist_ok=True)
    if os.name == "posix":
        status = folder.stat()
        is_ours = status.st_uid == os.getuid() and folder != Path.home()
        if is_ours and stat.S_IMODE(status.st_mode) & 0o077:
            folder.chmod(stat.S_IMODE(status.st_mode) & ~0o077)
    return folder


def make_all_private(locations: Locations) -> None:
    """Take from all that is ours what group and others may do with it: somebody may have copied it.

    What lies beside it in the same folders, and where a link leads, is left as it is.
    """
    named = [locations.config_file, locations.last_good_config, locations.lock_file]
    named += locations.state_folder.glob(f"{locations.database.name}*")
    for folder in (locations.backups_folder, locations.logs_folder, locations.control_folder):
        if folder.is_dir() and not folder.is_symlink():
            make_private_folder(folder)
            named += folder.iterdir()
    for path in named:
        if path.is_file() and not path.is_symlink():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                make_private(descriptor)
            finally:
                os.close(descriptor)


def make_private(descriptor: int) -> None:
    """Take from an open file of ours what group and others may do with it."""
    if os.name == "posix":
        status = os.fstat(descriptor)
        is_ours = status.st_uid == os.getuid() and stat.S_ISREG(status.st_mode)
        if is_ours and stat.S_IMODE(status.st_mode) & 0o077:
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & ~0o077)


def write_private_file(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step, readable by its owner alone, in a private folder.

    Whoever reads meanwhile sees the old content or the new one. A symbolic link stays a link.
    """
    if path.is_symlink():
        path = path.resolve()
    make_private_folder(path.parent)
    aside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename outlive a power cut; Windows needs, and knows, no such thing."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
