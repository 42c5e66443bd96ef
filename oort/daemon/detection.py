"""Detection of all watches: one intake a watch, started, changed and ended as config.toml says."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import structlog

from oort.daemon.desk import dataset_of, night_name
from oort.daemon.intake import Intake
from oort.daemon.intake_values import Callbacks, IntakeOptions, Neighbours
from oort.daemon.sites import nowhere
from oort.detect.mounts import RootIdentity, real_of
from oort.policy.nesting import kin_of, way_to
from oort.remote import config_file
from oort.values import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from oort.clock import Clock
    from oort.locations import Locations
    from oort.queue.store import Queue
    from oort.settings import Settings
    from oort.values import FileVersion, Watch

log = structlog.get_logger("oort.detection")

_ACCOUNTS: Final = "accounts"
"""The note of the queue that remembers for whom each watch sends, and from which folder."""

_WATCHES: Final = "watches"
"""The note in which the daemon tells how each watch is (`oort.daemon.bulletin`)."""

_FOLDERS: Final = "folders"
"""The note that remembers of each watch's folder, as it is written, where it really lies."""

STOOD_STILL_S: Final = 10.0
"""Who comes so long after the last look, at one a second, stood still himself, and everybody with him."""
STOP_S: Final = 2.0
"""So long a stop waits for intakes: a thread in a dead disk's hands is left behind."""


_QUESTION: Final = (
    "which of the files in {path} were there before is not known: `oort watch {path} --new-only` "
    "leaves out what lies there now, `oort watch {path} --no-new-only` sends it all"
)
_SILENT: Final = "{path} does not answer: is the server of its share there?"


@dataclass(slots=True)
class _Running:
    watch: Watch
    intake: Intake


class Detection:
    """Owns the intakes. Any thread may call; `apply` has them wait for each other.

    `_lock` is for `_running` and `_questions` alone: the writer's thread and the main one take it,
    so nothing under it may wait for the queue or for a disk.
    """

    def __init__(
        self,
        store: Queue,
        clock: Clock,
        locations: Locations,
        *,
        on_news: Callable[[], None],
        settings: Settings,
        database_file: Path | None,
        longitude_of: Callable[[str], float | None] = nowhere,
    ) -> None:
        self._store = store
        self._clock = clock
        self._locations = locations
        self._on_news = on_news
        self._settings = settings
        self._database_file = database_file
        self._longitude_of = longitude_of
        self._lock = threading.Lock()
        self._applying = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._questions: dict[str, str] = {}
        self._stopping = False
        self._listened_at = clock.monotonic()
        self.silent: frozenset[str] = frozenset()
        """The watches whose disk does not answer, as of the last `listen`: each ask would hang."""
        self._real: dict[str, bytes] = {}
        """The folder of each watch with its links resolved, as of the last `apply`."""
        self._given: dict[str, tuple[tuple[bytes, str], ...]] = {}
        """By watch, the ways to the watches inside it, and their names; replaced as a whole."""
        self._accounts: dict[str, list[Any]] = store.memory.noted(_ACCOUNTS) or {}
        self._folders: dict[str, list[str]] = store.memory.noted(_FOLDERS) or {}
        self._told_before: dict[str, dict[str, Any]] = store.memory.noted(_WATCHES) or {}
        """What the daemon before this one told last of each watch."""

    def apply(self, settings: Settings) -> None:
        """Have one intake for each enabled watch, with the options that it has now."""
        with self._applying:
            self._settings = settings
            wanted = {watch.name: watch for watch in settings.watches if watch.enabled}
            self._end_all_but(wanted)
            self._remember_accounts()
            held = self._held()
            # What a worker gives up by this is seen by the other watch, which begins afterwards.
            self._given = {watch.name: self._inside(watch, held) for watch in wanted.values()}
            for watch in wanted.values():
                self._run(watch, is_held=watch.name in held)

    def _end_all_but(self, wanted: Mapping[str, Watch]) -> None:
        """End the intakes whose watch is gone, disabled, or has another folder."""
        with self._lock:
            ended = {
                name: running
                for name, running in self._running.items()
                if name not in wanted or wanted[name].path != running.watch.path
            }
            for name in ended:
                del self._running[name]
        for running in ended.values():
            running.intake.begin_stop()
        for running in ended.values():
            # What it has in hand is noted first, so that nothing of it comes afterwards.
            running.intake.stop(STOP_S)

    def _held(self) -> frozenset[str]:
        """Return the watches of which nobody told what lay there before.

        They are hand-written ones, or the queue was lost.
        """
        with self._lock:
            running = set(self._running)
        return frozenset(
            watch.name
            for watch in self._settings.watches
            if watch.new_only
            and watch.name not in running
            and not self._store.memory.of(watch.name, os.fsencode(watch.path)).baselined
        )

    def _inside(self, watch: Watch, held: Collection[str]) -> tuple[tuple[bytes, str], ...]:
        """Return the ways from a watch to those in it that take over what waits of their files.

        One that is held does not: what it begins with leaves out what is not to be sent, which
        another watch was to send.
        """
        ways = [
            (way_to(self._real[watch.name], self._real[other.name]), other.name)
            for other in self._settings.watches
            if other.name not in held
        ]
        return tuple((way, name) for way, name in ways if way is not None)

    def _remember_accounts(self) -> None:
        """Keep for whom each watch sends, also when it is gone: what it stored is not sent again."""
        accounts, folders = dict(self._accounts), dict(self._folders)
        for watch in self._settings.watches:
            self._real[watch.name] = self._real_of(watch)
            self._accounts[watch.name] = [*_account(watch), self._real[watch.name].hex()]
        if self._accounts != accounts:
            self._store.memory.note(_ACCOUNTS, dict(self._accounts))
        if self._folders != folders:
            self._store.memory.note(_FOLDERS, dict(self._folders))

    def _real_of(self, watch: Watch) -> bytes:
        """Return where a watch's folder really lies: with a share that is silent, where it lay before.

        Whose folder lies in whose decides who sends a file.
        """
        written = os.fsencode(watch.path).hex()
        known, real = self._folders.get(watch.name, ("", ""))
        before = bytes.fromhex(real) if known == written else None
        found = real_of(watch.path, before=before)
        self._folders[watch.name] = [written, found.hex()]
        return found

    def _run(self, watch: Watch, *, is_held: bool) -> None:
        """Start a watch's intake, or give the one that runs its present options."""
        options = self._options(watch)
        neighbours = self._neighbours(watch)
        with self._lock:
            running = self._running.get(watch.name)
            if running is not None:
                running.watch = watch
                running.intake.reconfigure(watch, options, neighbours)
                return
            question = _QUESTION.format(path=watch.path) if is_held else None
            if question is None:
                self._questions.pop(watch.name, None)
            else:
                self._questions[watch.name] = question
        if question is not None:
            log.warning("watch.held", watch=watch.name, reason=question)
            return
        root = os.fsencode(watch.path)
        memory = self._store.memory.of(watch.name, root)
        identity = None
        if memory.root_dev is not None and memory.root_ino is not None:
            identity = RootIdentity(memory.root_dev, memory.root_ino)
        intake = Intake(
            watch,
            self._store,
            self._clock,
            options=options,
            neighbours=neighbours,
            callbacks=self._callbacks(watch.name, root),
            first_scan=not memory.scanned,
            root_identity=identity,
        )
        if memory.scanned:  # this very folder, and not another one of that name
            intake.news = intake.news.as_before(self._told_before.get(watch.name, {}))
        with self._lock:
            if self._stopping:
                return
            self._running[watch.name] = _Running(watch, intake)
            intake.start()
        log.info("watch.started", watch=watch.name, path=str(watch.path))

    def _callbacks(self, name: str, root: bytes) -> Callbacks:
        def scanned(first: bool) -> None:
            if first:
                self._store.memory.remember(name, root, scanned=True)
            self._on_news()

        def known_by(identity: RootIdentity) -> None:
            self._store.memory.remember(name, root, root_dev=identity.dev, root_ino=identity.ino)

        def describe(
            version: FileVersion, header: Mapping[str, str]
        ) -> tuple[str | None, str | None]:
            watch = self._settings.watch(name)
            night = night_name(header, version.mtime_ns, self._longitude_of(name))
            if watch is None:
                return night, None
            return night, dataset_of(watch, version.rel_path, header, night, self._settings.host)

        return Callbacks(
            on_scanned=scanned, on_root=known_by, on_settled=self._on_news, describe=describe
        )

    def _options(self, watch: Watch) -> IntakeOptions:
        settle_s, is_set = self._settings.settle_of(watch)
        return IntakeOptions(
            settle_s=settle_s,
            settle_is_set=is_set,
            rescan_s=self._settings.rescan_s,
            poll_s=self._settings.poll_s,
            truncated_after_s=self._settings.truncated_after_s,
        )

    def _neighbours(self, watch: Watch) -> Neighbours:
        """Return what a watch must keep away from: our own files, and the other watches' folders."""
        inner = [
            self._real[other.name]
            for other in self._settings.watches
            if other.name != watch.name
            and (
                watch.follow_symlinks  # a link may lead to it, wherever it lies
                or way_to(self._real[watch.name], self._real[other.name]) is not None
            )
        ]
        enabled = {other.name for other in self._settings.watches if other.enabled}
        same_account = [
            (name, bytes.fromhex(folder))
            for name, (*account, folder) in self._accounts.items()
            if name != watch.name and account == _account(watch)
        ]
        return Neighbours(
            never=self._locations.own_places(self._database_file, config_file()),
            inner=frozenset(inner),
            kin=tuple(
                replace(kin, settles=kin.watch in enabled)
                for kin in kin_of(self._real[watch.name], same_account)
            ),
            given=self._given[watch.name],
        )

    # -- from other threads ----------------------------------------------------------------------

    def rescan(self) -> None:
        """Have every watch scanned."""
        for running in self._all():
            running.intake.request_scan()

    def distrust(self) -> None:
        """Have the next scans ask of every file: rows were moved by a person's word."""
        for running in self._all():
            running.intake.distrust()

    def listen(self) -> bool:
        """Find out which watches hang in their disk's hands; tell whether others than before do.

        To be called about once a second.
        """
        before, self._listened_at = self._listened_at, self._clock.monotonic()
        if self._listened_at - before > STOOD_STILL_S:
            return False  # the process was stopped: no thread could note that its disk answers
        with self._lock:
            running = dict(self._running)
        silent = frozenset(name for name, one in running.items() if one.intake.is_silent)
        for name in silent - self.silent:
            log.warning(
                "watch.silent", watch=name, text=_SILENT.format(path=running[name].watch.path)
            )
        for name in self.silent - silent:
            log.info("watch.answers", watch=name)
        are_others = silent != self.silent
        self.silent = silent
        return are_others

    def look_again(self, watch: str, rel_path: bytes) -> None:
        """Have one file looked at, also by the watch inside that one which it belongs to.

        That one passed it over while the other had it in hand, and would meet it again with its
        next scan only.
        """
        looks = [(watch, rel_path)]
        owner = self._owner(watch, rel_path)
        if owner is not None:
            way, inner = owner
            looks.append((inner, rel_path[len(way) :]))
        for name, path in looks:
            with self._lock:
                running = self._running.get(name)
            if running is not None:
                running.intake.look_again(path)

    def owner_of(self, watch: str, rel_path: bytes) -> str | None:
        """Return the watch inside another one that a file of the latter belongs to."""
        owner = self._owner(watch, rel_path)
        return None if owner is None else owner[1]

    def _owner(self, watch: str, rel_path: bytes) -> tuple[bytes, str] | None:
        ways = [one for one in self._given.get(watch, ()) if rel_path.startswith(one[0])]
        return max(ways, default=None)  # of ways that begin alike the longest is the greatest

    def told(self, watch: str) -> dict[str, Any]:
        """Return how a watch is, as `oort status` shows it."""
        with self._lock:
            running = self._running.get(watch)
            question = self._questions.get(watch)
        if running is None:
            return {"state": "held", "reason": question} if question else {}
        news = running.intake.news
        is_silent = watch in self.silent
        return {
            "state": "missing" if is_silent else news.state,
            "reason": _SILENT.format(path=running.watch.path) if is_silent else news.reason,
            "left_out": {str(name): count for name, count in news.left_out.items()},
            "last_scan_at": iso(news.last_scan_at),
            "whole_scan_at": iso(news.whole_scan_at),
            "missed_events": news.missed_events,
            "unreadable": list(news.unreadable),
        }

    @property
    def is_alive(self) -> bool:
        """Whether every intake's thread runs."""
        return all(running.intake.is_alive for running in self._all())

    def begin_stop(self) -> None:
        """Have every intake end; returns at once."""
        self._stopping = True
        for running in self._all():
            running.intake.begin_stop()

    def stop(self) -> bool:
        """Wait for the intakes to end; False where one hangs."""
        return all(running.intake.stop(STOP_S) for running in self._all())

    def _all(self) -> list[_Running]:
        with self._lock:
            return list(self._running.values())


def _account(watch: Watch) -> list[str | None]:
    """Return where and for whom a watch sends: what another one sent there is there for both."""
    return [watch.api, watch.username, watch.portal]
