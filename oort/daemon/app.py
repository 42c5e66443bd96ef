"""The daemon: everything is built here, started in order, and stopped in order.

The main thread builds, waits for a signal, and stops; it does no work. A thread of ours that dies
ends the process with exit 1, so that the service manager starts a whole one again.
"""

from __future__ import annotations

import contextlib
import os
import queue
import random
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import structlog

import oort
from oort import log as logging_setup
from oort import status
from oort.clock import SystemClock
from oort.daemon import control
from oort.daemon.accounts import Accounts
from oort.daemon.beat import Beat
from oort.daemon.bulletin import Bulletin
from oort.daemon.concurrency import NumberOfWorkers
from oort.daemon.desk import Common, Desk
from oort.daemon.detection import Detection
from oort.daemon.dispatcher import Dispatcher
from oort.daemon.following import Following
from oort.daemon.gate import Gate
from oort.daemon.heartbeat import Heartbeat
from oort.daemon.idle import IdleWork
from oort.daemon.jobs import Job, Jobs
from oort.daemon.notify import Pulse, ServiceManager
from oort.daemon.probes import Probes
from oort.daemon.reload import content_of
from oort.daemon.server_time import ServerTime
from oort.daemon.sites import Sites
from oort.daemon.tally import Tally
from oort.daemon.upkeep import Upkeep
from oort.daemon.warnings import Warnings
from oort.daemon.workers import Traffic, Workers
from oort.detect.mounts import is_network
from oort.errors import OortError, QueueError
from oort.locations import make_all_private
from oort.lock import Holder, holding_queue
from oort.queue import care
from oort.queue.database import Database
from oort.queue.opening import OpenQueue, queue_host
from oort.queue.space import StateDisk
from oort.settings import parse
from oort.transfer.shared import Shared
from oort.transfer.throttle import TokenBucket
from oort.values import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oort.locations import Locations
    from oort.policy.health import Health
    from oort.settings import Settings
    from oort.values import Watch

log = structlog.get_logger("oort.daemon")

BEAT_S: Final = 1.0
"""Between two looks at the clock, the files of settings and keys, the locks and the disk."""
VITALS_S: Final = 2.0
"""Between two looks whether every thread lives."""
TICK_S: Final = 30.0
"""Between two dispatches that nobody asked for: a safety net."""
TICK_OF_SHARED_S: Final = 5.0
"""The same where other hosts add rows to the queue, or free them, and tell nobody."""
IDLE_S: Final = 10.0
"""Between two looks for what is done when nothing else is."""
STOP_MARGIN_S: Final = 10.0
"""So long an end may take beyond the grace, and no service manager is to cut it short before."""
_HOUR_S: Final = 3600.0


class Daemon:
    """One running daemon; `run` returns the process's exit code."""

    def __init__(self, locations: Locations) -> None:
        self._locations = locations
        self._clock = SystemClock()
        self._config_at_start = content_of(locations.config_file)
        self._settings_at_start = parse(self._config_at_start or b"", locations.config_file)
        self._stop = threading.Event()
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()
        """Wakes the main thread, from any other one and from a signal."""
        self._signalled: str | None = None
        self._stopping_workers = threading.Event()
        self._warnings = Warnings()
        self._exit_code = 0
        self._grace_s: float | None = None
        self._manager = ServiceManager(os.environ, os.getpid())
        self._beat_ended_at = self._clock.monotonic()

    # -- life ------------------------------------------------------------------------------------

    def run(self) -> int:
        """Run until a signal, `oort stop`, or a fatal trouble; return the exit code.

        Raises `LockedError` where another daemon has the queue, `QueueError` where the queue
        cannot be opened.
        """
        os.umask(0o077)
        holder = Holder(
            pid=os.getpid(),
            role="daemon",
            host=self._settings_at_start.host,
            started_at=iso(self._clock.now()) or "",
            version=oort.__version__,
            service=os.environ.get("OORT_SERVICE", ""),
        )
        self._database = Database.at(self._settings_at_start.database_url(self._locations))
        with holding_queue(self._locations, self._database.file, holder) as self._locks:
            self._lock = self._locks[0]
            caught = self._catch_signals()
            logging_setup.configure(self._settings_at_start, self._locations.logs_folder)
            try:
                with suppress(OSError):  # what cannot be mended is opened, or refused, all the same
                    make_all_private(self._locations)
                self._open_queue()
                self._build()
                self._start()
                self._wait()
                return self._end()
            except OortError as error:
                log.error("daemon.refused", reason=error.message)  # noqa: TRY400  # one line for a person
                raise
            finally:
                logging_setup.close()
                # The process ends now, and its exit code says why: a late signal must not.
                for number in caught:
                    signal.signal(number, signal.SIG_IGN)

    def _open_queue(self) -> None:
        """Check, restore where needed, migrate, and make what was in hand a doubt."""
        inspection = care.Inspection()
        if self._database.file is not None and is_network(self._database.file.parent):
            raise QueueError(
                f"the queue's folder {self._database.file.parent} is on a network file system, "
                "where SQLite cannot lock",
                hint="set OORT_HOME, or `database` in config.toml, to a folder of this machine",
            )
        if self._database.file is not None:
            inspection = care.inspect(
                self._database.file,
                self._locations.backups_folder,
                self._clock.now(),
                was_killed=any(lock.was_left for lock in self._locks),
            )
        self._opened = OpenQueue(
            self._database,
            host=queue_host(self._database, self._settings_at_start.host),
            clock=self._clock,
            backups=self._locations.backups_folder,
            on_fatal=self._fail,
        )
        self._store = self._opened.queue
        if inspection.warning is not None:
            self._warnings.say("queue", inspection.warning)
            log.warning("queue.damaged", text=inspection.warning)
        if inspection.knows_less:
            self._store.doubt_everything()
            if self._database.file is not None:
                care.acquit(self._database.file)
        doubts = self._store.recover(wait_s=self._settings_at_start.retry_base_s)
        if doubts:
            log.info("queue.recovered", doubts=doubts)

    def _build(self) -> None:
        """Make every part; nothing runs yet."""
        clock, store, settings = self._clock, self._store, self._settings_at_start
        self._paused = bool(store.memory.noted("paused"))
        jitter = random.Random()  # noqa: S311  # jitter, no secret
        self._gate = Gate(clock, jitter, on_change=self._link_changed)
        self._throttle = TokenBucket(None, monotonic=clock.monotonic)
        self._traffic = Traffic(clock)
        self._disk = StateDisk(self._locations.state_folder)
        self._upkeep = Upkeep(
            self._database,
            store,
            clock,
            self._locations.backups_folder,
            on_damage=self._opened.fail,
        )
        self._sites = Sites(store, self._gate, clock)
        self._server_time = ServerTime(self._warnings)
        self._detection = Detection(
            store,
            clock,
            self._locations,
            on_news=self._wake,
            settings=settings,
            database_file=self._database.file,
            longitude_of=self._sites.longitude_of,
        )
        accounts = Accounts(self._gate)
        common = Common(
            store=store,
            clock=clock,
            throttle=self._throttle,
            shared=Shared(monotonic=clock.monotonic),
            traffic=self._traffic,
            stopping=self._stopping_workers,
            look_again=self._detection.look_again,
            warn=self._warn,
            username_of=accounts.username,
            owner_of=self._detection.owner_of,
            longitude_of=self._sites.longitude_of,
            heard_clock=self._server_time.heard,
        )
        desk = self._desk = Desk(settings, common)
        store.datasets.key_of = desk.key_of
        self._workers = Workers(
            desk, store, self._gate, clock, self._stopping_workers, on_free=self._worker_free
        )
        tally = Tally.remembered(store, clock)
        self._workers.on_recorded = tally.ended
        self._number = NumberOfWorkers(self._workers, self._traffic, clock)
        self._following = Following(
            settings,
            self._locations,
            clock,
            store=store,
            gate=self._gate,
            accounts=accounts,
            throttle=self._throttle,
            desk=desk,
            workers=self._workers,
            number=self._number,
            detection=self._detection,
            warnings=self._warnings,
            wake=self._wake,
        )
        self._dispatcher = Dispatcher(
            store,
            self._workers,
            self._gate,
            clock,
            control_folder=self._locations.control_folder,
            watches=self._answering,
            carry_out=self._carry_out,
            may_claim=self._may_claim,
            longitude_of=self._sites.longitude_of,
            may_pass=self._number.may_pass,
        )
        self._bulletin = Bulletin(
            store,
            clock,
            self._gate,
            self._detection,
            self._workers,
            self._traffic,
            warnings=self._warnings_now,
            watches=self._following.enabled,
            tally=tally,
            clocks=self._server_time.told,
        )
        self._probes = Probes(self._gate, desk)
        self._idle = IdleWork(store, desk, self._workers)
        self._heartbeat = Heartbeat(lambda: self._following.settings, self._health)
        self._jobs = Jobs(self._table())
        self._beats = Beat(self._beat, every_s=BEAT_S)
        self._pulse = Pulse(
            self._manager,
            monotonic=clock.monotonic,
            rounds={
                "writer": lambda: self._opened.writer.came_round_at,
                "dispatcher": lambda: self._dispatcher.came_round_at,
                "beat": lambda: self._beat_ended_at,
            },
            waits_for_space=lambda: self._opened.writer.trouble is not None,
            on_standstill=lambda who: log.critical("daemon.stands_still", threads=who),
        )

    def _table(self) -> Sequence[Job]:
        """Return every job of the clock: name, how often, what; the beat does the rest."""
        tick_s = TICK_OF_SHARED_S if self._database.file is None else TICK_S
        return (
            # These two also run by each beat that finds one due.
            Job("probe", lambda: _HOUR_S, self._probes.run),
            Job("sites", lambda: _HOUR_S, self._ask_for_sites),
            Job("rescan", lambda: self._following.settings.rescan_s, self._detection.rescan),
            Job("tick", lambda: tick_s, self._wake),
            Job("bandwidth", lambda: self._following.rate_again_s, self._following.set_rate),
            Job("idle", self._idle_again_s, self._idle.run),
            Job("heartbeat", self._heartbeat.every_s, self._heartbeat.run, at_once=True),
            Job("copy", lambda: _HOUR_S, self._upkeep.copy_queue, at_once=True),
            Job("prune", lambda: _HOUR_S, lambda: self._upkeep.prune(self._following.settings)),
        )

    def _start(self) -> None:
        control.tidy(self._locations.control_folder)
        self._upkeep.clamp_waits(self._following.settings)
        self._dispatcher.start()
        self._jobs.start()
        self._beats.start()
        self._following.begin(self._config_at_start)
        self._wake()
        self._manager.ready()
        watched = [watch.name for watch in self._following.enabled()]
        log.info("daemon.started", version=oort.__version__, pid=os.getpid(), watches=watched)
        if not watched:
            log.warning("daemon.no_watch", text="nothing is watched; `oort watch FOLDER` adds one")

    def _wait(self) -> None:
        """Wait for the end; a thread of ours that died is one."""
        while not self._stop.is_set():
            with contextlib.suppress(queue.Empty):
                self._wakes.get(timeout=VITALS_S)
            if self._signalled is not None:
                log.info("daemon.signal", signal=self._signalled)
                self._end_soon()
                return
            alive = {
                "writer": self._opened.writer.is_alive,
                "dispatcher": self._dispatcher.is_alive,
                "scheduler": self._jobs.is_alive,
                "beat": self._beats.is_alive,
                "detection": self._detection.is_alive,
                "workers": self._workers.are_alive,
            }
            dead = [name for name, lives in alive.items() if not lives]
            if dead:
                self._fail(f"the thread {', '.join(dead)} died")
            self._pulse.look()

    def _end(self) -> int:
        """Stop in order: no new claims, detection, uploads in hand, writer; within grace + 3 s."""
        grace = self._grace()
        self._manager.stopping(grace + STOP_MARGIN_S)
        log.info("daemon.stopping", grace_s=grace, in_hand=self._workers.busy)
        self._dispatcher.stop()
        self._beats.stop()
        self._jobs.stop()
        self._detection.begin_stop()
        clean = self._workers.stop(grace_s=grace, on_cut=self._opened.writer.hurry)
        clean = self._detection.stop() and clean
        self._bulletin.publish()
        self._opened.close()
        log.info("daemon.stopped", clean=clean, exit_code=self._exit_code)
        if not clean:
            logging_setup.close()
            self._leave_at_once()
        return self._exit_code

    def _leave_at_once(self) -> None:
        """End with threads that hang in the network: their sockets are reset by the kernel.

        `SO_LINGER 0` is set on them, so that the server never sees an orderly end of a half form.
        The rows stay in hand, which the next start makes doubts; the queue itself is closed.
        """
        for lock in self._locks:
            lock.say_it_is_done()
        os._exit(self._exit_code)

    def _grace(self) -> float:
        if self._grace_s is not None:
            return self._grace_s
        return self._following.settings.stop_grace_s

    # -- signals and commands --------------------------------------------------------------------

    def _catch_signals(self) -> list[signal.Signals]:
        def end(number: int, _frame: Any) -> None:
            # It may interrupt this very thread with a lock in hand, the log's or an event's own:
            # nothing here takes one (`SimpleQueue.put` may be called from anywhere).
            self._signalled = signal.Signals(number).name
            self._wakes.put(None)

        numbers = [signal.SIGTERM, signal.SIGINT]
        # A terminal that is closed; whoever started us with `nohup` wants us to go on.
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        for number in numbers:
            signal.signal(number, end)
        return numbers

    def _fail(self, reason: str) -> None:
        log.critical("daemon.failed", reason=reason)
        self._exit_code = 1
        self._end_soon()

    def _end_soon(self) -> None:
        """Claim nothing more, and have the main thread end the daemon."""
        self._stop.set()
        self._wakes.put(None)

    def _carry_out(self, request: control.Request) -> dict[str, Any]:
        """Do what a command asks; runs in the dispatcher's thread."""
        arguments = request.arguments
        if request.command == "stop":
            timeout_s = arguments.get("timeout_s")
            self._grace_s = None if timeout_s is None else float(timeout_s)
            self._end_soon()
            return {"running": True, "pid": os.getpid(), "grace_s": self._grace()}
        if request.command in ("unwatch", "baseline"):
            self._following.take_config_now()
        if request.command == "unwatch":
            self._desk.let_go.add(str(arguments["watch"]))
        done = control.carry_out(self._store, self._clock, request.command, arguments)
        if request.command in ("pause", "resume"):
            self._paused = request.command == "pause"
        else:
            self._detection.distrust()
        if request.command == "baseline":
            self._detection.apply(self._following.settings)
        for watch, rel_path in control.looks(done):
            self._detection.look_again(watch, rel_path)
        self._wake()
        return done

    def _may_claim(self) -> bool:
        if self._paused or self._stop.is_set() or self._throttle.rate == 0:
            return False
        if not self._upkeep.waits_are_of_this_clock:
            return False  # the next beat sets them right, and wakes
        return self._disk.has_space and self._opened.writer.trouble is None

    def _answering(self) -> list[Watch]:
        """Return the watches whose rows may be taken: whoever asked a silent disk would hang."""
        silent = self._detection.silent
        return [watch for watch in self._following.enabled() if watch.name not in silent]

    def _idle_again_s(self) -> float:
        """Return how often the idle work is looked for: at rest there is none."""
        return IDLE_S if self._idle.may_have_work else _HOUR_S

    def _worker_free(self) -> None:
        self._number.follow()
        self._wake()

    def _wake(self) -> None:
        self._dispatcher.wake()

    def _link_changed(self) -> None:
        """A link or a watch is held or free again: dispatch, and tell it at once."""
        self._dispatcher.wake()
        self._beats.soon()

    # -- once a second ---------------------------------------------------------------------------

    def _beat(self) -> None:
        """Look at the clock, the files of settings and keys and the disk; tell what has changed."""
        if not all(lock.keep() for lock in self._locks):
            self._grace_s = 0.0  # what is in hand is the other's to settle
            self._fail("the file of its lock was deleted, and another has the queue now")
            return
        if self._upkeep.follow_clock():
            self._server_time.forget()
            self._jobs.after_clock_step(self._clock.now())
            self._wake()
        self._lock.tell(self._trouble_of_queue())
        self._following.look()
        self._opened.look()
        if self._detection.listen():
            self._wake()
        self._workers.replace_stuck(self._detection.silent)
        self._number.follow()
        if self._disk.look():
            log.warning("disk.changed", text=self._disk.warning or "there is space again")
            self._wake()
        if self._probes.is_due:
            self._jobs.run_now("probe")
        if self._sites.is_due(self._following.enabled()):
            self._jobs.run_now("sites")
        self._bulletin.publish()
        self._manager.status(self._bulletin.in_words())
        self._beat_ended_at = self._clock.monotonic()

    def _ask_for_sites(self) -> None:
        self._sites.run(self._following.enabled(), self._desk.remote)

    def _warn(self, topic: str, text: str) -> None:
        """Show a warning at once: what it is about may be over before the next beat."""
        if self._warnings.say(topic, text):
            self._beats.soon()

    def _health(self, settings: Settings) -> Health:
        """Return what `oort check` says just now."""
        return status.health(self._locations, settings, self._clock.now())

    def _warnings_now(self) -> list[str]:
        """Return what was said, and what is wrong just now."""
        said = self._warnings.said()
        if self._disk.warning:
            said.append(self._disk.warning)
        trouble = self._trouble_of_queue()
        return [*said, trouble] if trouble else said

    def _trouble_of_queue(self) -> str | None:
        trouble = self._opened.writer.trouble
        return f"the queue cannot be written: {trouble}" if trouble else None
