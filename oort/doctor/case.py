"""What the checks work with: places, settings, and what several of them ask, found out once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oort.clock import SystemClock
from oort.doctor.patience import Once, TooSlowError, in_time
from oort.doctor.tree import Tree, tree_of
from oort.errors import OortError, SettingsError
from oort.lock import Holder, holder_of
from oort.queue.database import Database
from oort.remote.account import account
from oort.remote.examining import Cause, ServerLook, ServerTrouble, look_at_server
from oort.settings import Settings, load, load_last_good

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from oort.locations import Locations
    from oort.values import Watch

CONNECT_S: Final = 3.0
READ_S: Final = 5.0
"""A server that is well answers in a small part of this; who asks the doctor waits for it."""

SERVER_S: Final = 10.0
"""The search for a host's name has time limits of its own, which nobody here sets."""

TREE_S: Final = 8.0
DISK_S: Final = 2.0


class Case:
    """One home as the doctor meets it. Its answers may be asked for from any thread."""

    def __init__(self, locations: Locations, *, trace: Callable[[str], None] | None = None) -> None:
        self.locations = locations
        self.clock = SystemClock()
        self.trace = trace
        self.settings_error: SettingsError | None = None
        """Why config.toml cannot be used; the settings are the last good ones then, or defaults."""
        self.settings = self._load()
        self.database = Database.at(self.settings.database_url(locations))
        self._trees: Once[Tree] = Once()
        self._servers: Once[ServerLook] = Once()
        self._holders: Once[Holder | None] = Once()

    def _load(self) -> Settings:
        try:
            return load(self.locations.config_file)
        except SettingsError as error:
            self.settings_error = error
        try:
            return load_last_good(self.locations)
        except SettingsError:
            return Settings()

    @property
    def watches(self) -> tuple[Watch, ...]:
        """The watches that are enabled."""
        return tuple(watch for watch in self.settings.watches if watch.enabled)

    def watch(self, name: str) -> Watch:
        """Return the watch of that name, which is one of this case."""
        return next(watch for watch in self.settings.watches if watch.name == name)

    def apis(self) -> list[str]:
        """Return the API servers that are used here: those of the watches, else the chosen one."""
        used = sorted({watch.api for watch in self.watches})
        if used:
            return used
        try:
            return [account(None).api]
        except OortError:
            return ["cloud"]

    def daemon(self) -> Holder | None:
        """Return the daemon that runs here, None where none does."""
        try:
            holder = self._holders.get(
                "lock", lambda: holder_of(self.locations.lock_file), patience_s=DISK_S
            )
        except TooSlowError:
            return None
        return holder if holder is not None and holder.role == "daemon" else None

    def server(self, api: str) -> ServerLook:
        """Return what one question to an API server showed. Raises OortError as `account`."""
        settings = self.settings

        def look() -> ServerLook:
            return look_at_server(
                api,
                connect_timeout_s=CONNECT_S,
                read_timeout_s=READ_S,
                proxy=settings.proxy,
                ca_bundle=settings.ca_bundle,
                trace=self.trace,
                clock=self.clock,
            )

        try:
            return self._servers.get(api, look, patience_s=SERVER_S)
        except TooSlowError as slow:
            stored = account(api)
            words = f"{stored.server} could not be reached: {slow}"
            return ServerLook(stored, ServerTrouble(Cause.SILENT, words))

    def tree(self, watch: Watch) -> Tree | None:
        """Return what a walk through a watched folder showed; None where its disk does not answer."""
        try:
            return self._trees.get(watch.path, lambda: tree_of(watch.path), patience_s=TREE_S)
        except (TooSlowError, OSError):
            return None

    def on_network(self, path: Path) -> bool:
        """Tell whether a path is on a network file system; one that does not answer is taken for one."""
        from oort.detect.mounts import is_network

        try:
            return in_time(lambda: is_network(path), patience_s=DISK_S)
        except (TooSlowError, OSError):
            return True
