"""Follows config.toml and config.ini while the daemon runs: what changed is taken, and said.

An invalid config.toml leaves the last good settings in force and shows as a warning until it is
mended (design.md §3, "Where things are kept").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from oort import log as logging_setup
from oort.daemon.reload import Watched, content_of
from oort.errors import SettingsError
from oort.policy import bandwidth
from oort.queue.database import reason_of
from oort.remote import config_file
from oort.settings import keep_as_good, parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from oort.clock import Clock
    from oort.daemon.accounts import Accounts
    from oort.daemon.concurrency import NumberOfWorkers
    from oort.daemon.desk import Desk
    from oort.daemon.detection import Detection
    from oort.daemon.gate import Gate
    from oort.daemon.warnings import Warnings
    from oort.daemon.workers import Workers
    from oort.locations import Locations
    from oort.queue.store import Queue
    from oort.settings import Settings
    from oort.transfer.throttle import TokenBucket
    from oort.values import Watch

log = structlog.get_logger("oort.config")

RATE_S: Final = 15.0
"""Between two looks at a timetable of bandwidths."""
SAME_RATE_S: Final = 3600.0
"""The same where one bandwidth holds all day."""


class Following:
    """Holds the settings in force, and brings a change of them to every part that follows them."""

    def __init__(
        self,
        settings: Settings,
        locations: Locations,
        clock: Clock,
        *,
        store: Queue,
        gate: Gate,
        accounts: Accounts,
        throttle: TokenBucket,
        desk: Desk,
        workers: Workers,
        number: NumberOfWorkers,
        detection: Detection,
        warnings: Warnings,
        wake: Callable[[], None],
    ) -> None:
        self.settings = settings
        self._locations = locations
        self._clock = clock
        self._store = store
        self._gate = gate
        self._accounts = accounts
        self._throttle = throttle
        self._desk = desk
        self._workers = workers
        self._number = number
        self._detection = detection
        self._warnings = warnings
        self._wake = wake
        self._config = Watched(locations.config_file, self._config_changed)
        self._keys = Watched(config_file(), self._keys_changed, even_if_same=True)
        self._is_behind = False
        """Some part does not follow `settings` yet: bringing them to it broke off."""
        self.rate_again_s = RATE_S
        """How often `set_rate` is to be called, in seconds."""
        self._told: dict[str, str] = {}
        """By file, why what has changed in it could not be taken."""

    def begin(self, content: bytes | None) -> None:
        """Bring the settings that the daemon was started with to every part.

        `content` is the config.toml that they were read from: an edit since then is noticed.
        """
        self._config.prime(content)
        self._keys.prime(content_of(config_file()))
        keep_as_good(self._locations, content or b"")
        self._gate.max_s = self.settings.link_retry_max_s
        self._accounts.read(self.settings.watches)
        self.set_rate()
        self._number.set(self.settings.workers)
        self._detection.apply(self.settings)

    def look(self) -> None:
        """Look at both files; about once a second.

        What cannot be taken just now (no thread, a queue that cannot be read) is tried again: it
        must not keep the caller from what else is to be done once a second.
        """
        for watched in (self._config, self._keys):
            try:
                watched.look()
            except Exception as error:  # noqa: BLE001  # whatever it is, the next look tries again
                self._tell_not_taken(watched.file, error)

    def _tell_not_taken(self, file: Path, error: Exception) -> None:
        words = (
            f"what has changed in {file} is not taken yet: {reason_of(error)}; it is tried again"
        )
        if self._told.get(file.name) != words:
            self._told[file.name] = words
            self._warnings.say(file.name, words)
            log.error("config.not_taken", file=str(file), exc_info=error)

    def _tell_taken(self, file: Path) -> None:
        if self._told.pop(file.name, None) is not None:
            self._warnings.unsay(file.name)

    def take_config_now(self) -> None:
        """Take config.toml as it is: a command has written it, and waits."""
        self._config.take_now()

    def enabled(self) -> list[Watch]:
        """Return the watches that are to be watched."""
        return [watch for watch in self.settings.watches if watch.enabled]

    def set_rate(self) -> None:
        """Set the bandwidth that holds at this time of day; who waits for any begins again."""
        local = self._clock.now().astimezone().time()
        timetable = bandwidth.parse(self.settings.bwlimit)
        self.rate_again_s = RATE_S if timetable.changes else SAME_RATE_S
        was_paused = self._throttle.rate == 0
        self._throttle.set_rate(timetable.rate_at(local))
        if was_paused and self._throttle.rate != 0:
            self._wake()

    def _config_changed(self, content: bytes | None) -> None:
        file = self._locations.config_file
        if content is None and file.exists():  # its watches are not gone because of that
            self._refuse_config(f"{file} cannot be read")
            return
        try:
            settings = parse(content or b"", file)
        except SettingsError as error:
            self._refuse_config(error.message)
            return
        self._warnings.unsay("config")
        keep_as_good(self._locations, content or b"")
        self._take(settings)
        self._tell_taken(file)

    def _take(self, settings: Settings) -> None:
        """Bring other settings to every part; where that breaks off it is done once more."""
        before = self.settings
        self._is_behind = True
        # Whom a key keeps out is known before the first file may go by the new settings, and stays
        # known until none can go by the old ones.
        self._accounts.read([*before.watches, *settings.watches])
        self.settings = settings
        self._desk.settings = settings
        self._desk.let_go.difference_update(watch.name for watch in settings.watches)
        self._accounts.read(settings.watches)
        if (before.log_level, before.log_format) != (settings.log_level, settings.log_format):
            logging_setup.configure(settings, self._locations.logs_folder)
        self._gate.max_s = settings.link_retry_max_s
        self._workers.key_epoch += 1
        self._number.set(self.settings.workers)
        self.set_rate()
        self._follow_watches(before, settings)
        self._is_behind = False
        log.info("config.taken", watches=[watch.name for watch in self.enabled()])
        self._wake()

    def _refuse_config(self, reason: str) -> None:
        self._warnings.say("config", f"{reason}; the last good settings are in force")
        log.warning("config.invalid", reason=reason)
        if self._is_behind:  # they are not in force everywhere yet
            self._take(self.settings)
        self._tell_taken(self._locations.config_file)

    def _follow_watches(self, before: Settings, after: Settings) -> None:
        """Start, stop and change watches; a watch with other options begins without a hold."""
        for watch in after.watches:
            old = before.watch(watch.name)
            if old is not None and old != watch:
                self._store.datasets.forget_rule(watch.name)
                self._gate.release(watch.name)
        for watch in before.watches:
            if after.watch(watch.name) is None:
                log.info("watch.gone", watch=watch.name, text="its waiting files are held")
        self._detection.apply(after)

    def _keys_changed(self, _content: bytes | None) -> None:
        log.info("keys.changed")
        self._workers.key_epoch += 1
        self._accounts.read(self.settings.watches)
        self._gate.try_keys_now()  # somebody logged in, be it with the same key
        self._tell_taken(self._keys.file)
        self._wake()
