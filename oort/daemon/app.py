"""The daemon: everything is built here, started in order, and stopped in order.

The main thread builds, waits for a signal, and stops; it does no work. A thread of ours that dies
ends the process with exit 1, so that the service manager starts a whole one again.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any, Final

import structlog

import oort
from oort import log as logging_setup
from oort.clock import SystemClock
from oort.daemon import control
from oort.daemon.accounts import Accounts
from oort.daemon.bulletin import Bulletin
from oort.daemon.clockstep import StepWatch
from oort.daemon.desk import Common, Desk
from oort.daemon.detection import Detection
from oort.daemon.dispatcher import Dispatcher
from oort.daemon.gate import Gate
from oort.daemon.idle import IdleWork
from oort.daemon.jobs import Job, Jobs
from oort.daemon.probes import Probes
from oort.daemon.reload import Watched
from oort.daemon.space import StateDisk
from oort.daemon.workers import Traffic, Workers
from oort.errors import OortError, SettingsError
from oort.lock import Holder, QueueLock
from oort.policy import bandwidth
from oort.queue import care
from oort.queue.database import Database
from oort.queue.opening import OpenQueue, queue_host
from oort.remote import config_file
from oort.settings import keep_as_good, load, parse
from oort.transfer.shared import Shared
from oort.transfer.throttle import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from oort.locations import Locations
    from oort.settings import Settings
    from oort.values import Watch

log = structlog.get_logger("oort.daemon")

AUTO_WORKERS: Final = 4
"""What `workers = "auto"` begins with."""

BEAT_S: Final = 1.0
_DAY_S: Final = 86_400.0


class Daemon:
    """One running daemon; `run` returns the process's exit code."""

    def __init__(self, locations: Locations) -> None:
        self._locations = locations
        self._clock = SystemClock()
        self._settings = load(locations.config_file)
        self._started_at = self._clock.now()
        self._stop = threading.Event()
        self._exit_code = 0
        self._grace_s: float | None = None
        self._warnings: dict[str, str] = {}
        self._stopping_workers = threading.Event()

    # -- life ------------------------------------------------------------------------------------

    def run(self) -> int:
        """Run until a signal, `oort stop`, or a fatal trouble; return the exit code."""
        os.umask(0o077)
        holder = Holder(
            pid=os.getpid(),
            role="daemon",
            host=self._settings.host,
            started_at=self._started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            version=oort.__version__,
        )
        with QueueLock(self._locations.lock_file, holder):
            logging_setup.configure(self._settings, self._locations.logs_folder)
            try:
                self._open_queue()
                return self._serve()
            except OortError as error:
                log.exception("daemon.refused", reason=error.message)
                raise
            finally:
                logging_setup.close()

    def _serve(self) -> int:
        self._build()
        previous = self._catch_signals()
        try:
            self._start()
            self._wait()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        return self._end()

    def _open_queue(self) -> None:
        """Check, restore where needed, migrate, and make what was in hand a doubt."""
        database = Database.at(self._settings.database_url(self._locations))
        inspection = care.Inspection()
        if database.file is not None:
            inspection = care.inspect(
                database.file, self._locations.backups_folder, self._clock.now()
            )
        self._database = database
        self._opened = OpenQueue(
            database,
            host=queue_host(database, self._settings.host),
            clock=self._clock,
            backups=self._locations.backups_folder,
            on_fatal=self._fail,
        )
        self._store = self._opened.queue
        if inspection.warning is not None:
            self._warn("queue", inspection.warning)
            log.warning("queue.damaged", text=inspection.warning)
        if inspection.restored:
            self._store.change(care.doubt_everything)
        doubts = self._store.recover()
        if doubts:
            log.info("queue.recovered", doubts=doubts)

    def _build(self) -> None:
        settings = self._settings
        clock = self._clock
        self._paused = bool(self._store.read_note("paused"))
        self._gate = Gate(clock, self._jitter(), on_change=self._link_changed)
        self._gate.max_s = settings.link_retry_max_s
        self._accounts = Accounts(self._gate)
        self._throttle = TokenBucket(None, monotonic=clock.monotonic)
        self._traffic = Traffic(clock)
        self._detection = Detection(
            self._store, clock, self._locations, on_news=self._wake, settings=settings
        )
        common = Common(
            store=self._store,
            clock=clock,
            throttle=self._throttle,
            shared=Shared(monotonic=clock.monotonic),
            traffic=self._traffic,
            stopping=self._stopping_workers,
            look_again=self._detection.look_again,
            warn=self._warn,
            username_of=self._accounts.username,
        )
        self._desk = Desk(settings, common)
        self._workers = Workers(
            self._desk,
            self._store,
            self._gate,
            clock,
            self._stopping_workers,
            on_free=self._wake,
        )
        self._probes = Probes(self._gate, self._desk)
        self._disk = StateDisk(self._locations.state_folder)
        self._steps = StepWatch(clock)
        self._idle = IdleWork(self._store, self._desk, self._workers)
        self._dispatcher = Dispatcher(
            self._store,
            self._workers,
            self._gate,
            clock,
            control_folder=self._locations.control_folder,
            watches=self._enabled,
            carry_out=self._carry_out,
            may_claim=self._may_claim,
        )
        self._bulletin = Bulletin(
            self._store, clock, gather=self._told, bytes_moved=lambda: self._traffic.total
        )
        self._config = Watched(self._locations.config_file, self._config_changed)
        self._keys = Watched(config_file(), self._keys_changed)
        self._jobs = Jobs(self._table())

    def _table(self) -> Sequence[Job]:
        """Return every job of the clock: name, how often, what."""
        return (
            Job("beat", lambda: BEAT_S, self._beat, at_once=True),
            Job("probe", lambda: BEAT_S, self._probes.run),
            Job("rescan", lambda: self._settings.rescan_s, self._detection.rescan),
            Job("tick", lambda: 5.0, self._wake),
            Job("bandwidth", lambda: 15.0, self._set_rate),
            Job("idle", lambda: 10.0, self._idle.run),
            Job("copy", lambda: 3600.0, self._copy_queue, at_once=True),
            Job("prune", lambda: _DAY_S, self._prune),
        )

    @staticmethod
    def _jitter() -> Any:
        import random

        return random.Random()  # noqa: S311  # jitter, no secret

    def _start(self) -> None:
        control.tidy(self._locations.control_folder)
        self._config.prime()
        self._keys.prime()
        keep_as_good(self._locations, self._config.taken or b"")
        self._store.clamp_waits(self._clock.now() + self._longest_wait())
        self._accounts.read(self._settings.watches)
        self._set_rate()
        self._workers.resize(self._worker_count())
        self._dispatcher.start()
        self._detection.apply(self._settings)
        self._jobs.start()
        self._wake()
        log.info(
            "daemon.started",
            version=oort.__version__,
            pid=os.getpid(),
            watches=[watch.name for watch in self._enabled()],
        )
        if not self._enabled():
            log.warning("daemon.no_watch", text="nothing is watched; `oort watch FOLDER` adds one")

    def _wait(self) -> None:
        """Wait for the end; a thread of ours that died is one."""
        while not self._stop.wait(BEAT_S):
            dead = [
                name
                for name, alive in (
                    ("writer", self._opened.writer.is_alive),
                    ("dispatcher", self._dispatcher.is_alive),
                    ("scheduler", self._jobs.is_alive),
                    ("detection", self._detection.is_alive),
                )
                if not alive
            ]
            if dead:
                self._fail(f"the thread {', '.join(dead)} died")

    def _end(self) -> int:
        """Stop in order: no new claims, detection, uploads in hand, writer; within grace + 3 s."""
        grace = self._settings.stop_grace_s if self._grace_s is None else self._grace_s
        log.info("daemon.stopping", grace_s=grace, in_hand=self._workers.busy)
        self._dispatcher.stop()
        self._jobs.stop()
        self._detection.begin_stop()
        clean = self._workers.stop(grace_s=grace)
        clean = self._detection.stop() and clean
        self._opened.close()
        log.info("daemon.stopped", clean=clean, exit_code=self._exit_code)
        if not clean:
            logging_setup.close()
            self._leave_at_once()
        return self._exit_code

    def _leave_at_once(self) -> None:
        """End with threads that hang in the network: their sockets are reset by the kernel.

        `SO_LINGER 0` is set on them, so that the server never sees an orderly end of a half form.
        The rows stay in hand, which the next start makes doubts.
        """
        os._exit(self._exit_code)

    # -- signals and commands --------------------------------------------------------------------

    def _catch_signals(self) -> dict[int, Any]:
        def end(number: int, _frame: Any) -> None:
            log.info("daemon.signal", signal=signal.Signals(number).name)
            self._stop.set()

        return {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}

    def _fail(self, reason: str) -> None:
        log.critical("daemon.failed", reason=reason)
        self._exit_code = 1
        self._stop.set()

    def _carry_out(self, request: control.Request) -> dict[str, Any]:
        """Do what a command asks; runs in the dispatcher's thread."""
        arguments = request.arguments
        if request.command == "stop":
            timeout_s = arguments.get("timeout_s")
            self._grace_s = None if timeout_s is None else float(timeout_s)
            grace = self._settings.stop_grace_s if self._grace_s is None else self._grace_s
            self._stop.set()
            return {"running": True, "pid": os.getpid(), "grace_s": grace}
        if request.command in ("unwatch", "baseline"):
            self._config.take_now()  # the command has written config.toml and waits
        done = control.carry_out(self._store, self._clock, request.command, arguments)
        if request.command in ("pause", "resume"):
            self._paused = request.command == "pause"
        if request.command == "baseline":
            self._detection.apply(self._settings)
        if request.command == "retry":
            for watch, rel_path in control.looks(done):
                self._detection.look_again(watch, rel_path)
        self._wake()
        return done

    def _may_claim(self) -> bool:
        if self._paused or self._stop.is_set() or self._throttle.rate == 0:
            return False
        return self._disk.has_space and self._opened.writer.trouble is None

    def _wake(self) -> None:
        self._dispatcher.wake()

    def _link_changed(self) -> None:
        """A link or a watch is held or free again: dispatch, and tell it at once."""
        self._dispatcher.wake()
        self._jobs.run_now("beat")

    # -- the beat --------------------------------------------------------------------------------

    def _beat(self) -> None:
        """Once a second: clock, files of settings and keys, disk, and what status shows."""
        step = self._steps.step()
        if step is not None:
            self._clock_stepped(step)
        self._config.look()
        self._keys.look()
        if self._disk.look():
            self._wake()
        self._bulletin.publish()

    def _clock_stepped(self, by: timedelta) -> None:
        log.warning("clock.stepped", by_s=round(by.total_seconds(), 1))
        self._store.shift_waits(by)
        self._jobs.after_clock_step(self._clock.now())
        self._wake()

    def _told(self) -> dict[str, Any]:
        """Return everything that `oort status` is to know of this process."""
        from oort.status import iso

        warnings = dict(self._warnings)
        if self._disk.warning:
            warnings["disk"] = self._disk.warning
        if self._opened.writer.trouble:
            warnings["writer"] = f"the queue cannot be written: {self._opened.writer.trouble}"
        apis = sorted({watch.api for watch in self._enabled()})
        links = [
            link | {"since": iso(link["since"]), "next_attempt_at": iso(link["next_attempt_at"])}
            for link in self._gate.told(apis)
        ]
        return {
            "daemon": {"pid": os.getpid(), "warnings": sorted(warnings.values())},
            "links": links,
            "watches": {watch.name: self._watch_told(watch) for watch in self._enabled()},
            "active": {str(p.upload.id): p.bytes_sent for p in self._workers.in_hand()},
        }

    def _watch_told(self, watch: Watch) -> dict[str, Any]:
        told: dict[str, Any] = self._detection.told(watch.name)
        hold = self._gate.standing_reason(watch.name) or self._gate.hold(watch.name).reason
        if hold is not None and told.get("state") != "missing":
            told |= {"state": "held", "reason": hold}
        return told

    def _warn(self, topic: str, text: str) -> None:
        """Show a warning in `oort status` until the daemon ends or the topic has other news."""
        self._warnings[topic] = text

    # -- changes of config.toml and config.ini ---------------------------------------------------

    def _enabled(self) -> list[Watch]:
        return [watch for watch in self._settings.watches if watch.enabled]

    def _worker_count(self) -> int:
        wanted = self._settings.workers
        return wanted if isinstance(wanted, int) else AUTO_WORKERS

    def _config_changed(self, content: bytes | None) -> None:
        try:
            settings = parse(content or b"", self._locations.config_file)
        except SettingsError as error:
            self._warn("config", f"{error.message}; the last good settings are in force")
            log.warning("config.invalid", reason=error.message)
            return
        self._warnings.pop("config", None)
        keep_as_good(self._locations, content or b"")
        before, self._settings = self._settings, settings
        self._desk.settings = settings
        self._gate.max_s = settings.link_retry_max_s
        self._workers.key_epoch += 1
        self._workers.resize(self._worker_count())
        self._set_rate()
        self._follow_watches(before, settings)
        self._accounts.read(settings.watches)
        log.info("config.taken", watches=[watch.name for watch in self._enabled()])
        self._wake()

    def _follow_watches(self, before: Settings, after: Settings) -> None:
        """Start, stop and change watches; a watch with other options begins without a hold."""
        for watch in after.watches:
            old = before.watch(watch.name)
            if old is not None and old != watch:
                self._store.forget_rule(watch.name)
                self._gate.release(watch.name)
        for watch in before.watches:
            if after.watch(watch.name) is None:
                log.info("watch.gone", watch=watch.name, text="its waiting files are held")
        self._detection.apply(after)

    def _keys_changed(self, _content: bytes | None) -> None:
        log.info("keys.changed")
        self._workers.key_epoch += 1
        self._accounts.read(self._settings.watches)
        self._wake()

    def _set_rate(self) -> None:
        local = self._clock.now().astimezone().time()
        self._throttle.set_rate(bandwidth.parse(self._settings.bwlimit).rate_at(local))

    # -- daily -----------------------------------------------------------------------------------

    def _longest_wait(self) -> timedelta:
        from datetime import timedelta

        return timedelta(seconds=max(self._settings.retry_max_s, _DAY_S))

    def _copy_queue(self) -> None:
        """Once an hour it is looked whether the newest copy is a day old: restarts do not delay it."""
        if self._database.file is not None and care.copy_is_due(
            self._locations.backups_folder, self._clock.now()
        ):
            made = care.make_copy(
                self._database.file, self._locations.backups_folder, self._clock.now()
            )
            log.info("queue.copied", file=made.name)

    def _prune(self) -> None:
        from datetime import timedelta

        before = self._clock.now() - timedelta(days=self._settings.history_days)
        pruned = self._store.change(lambda connection: care.prune(connection, before))
        if pruned:
            log.info("queue.pruned", steps=pruned)
