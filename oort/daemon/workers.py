"""The pool of upload threads: claim -> attempt -> decide -> move, one file each.

The database remembers, threads only carry: what a worker knows of its file came with the claim and
goes back with `finish`. No transaction is open while bytes move.
"""

from __future__ import annotations

import contextlib
import queue
import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from oort.errors import QueueError
from oort.policy import state
from oort.policy.outcome import Changed, Interrupted, Outcome, Unreadable, WatchRefused
from oort.policy.retry import Decision, Facts, decide
from oort.policy.state import Status
from oort.queue.ends import Ended
from oort.queue.moves import StaleRowError
from oort.transfer.attempt import Carried, carry, doubt_of
from oort.values import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from concurrent.futures import Future
    from datetime import datetime

    from oort.clock import Clock
    from oort.daemon.desk import Desk
    from oort.daemon.gate import Gate
    from oort.policy.state import State
    from oort.queue.store import Queue
    from oort.remote import Remote
    from oort.values import Upload

log = structlog.get_logger("oort.workers")

_STOP: Final = None
AT_A_TIME_ASIDE: Final = 2
QUICK_S: Final = 1.0
"""Attempts shorter than this are handed out ahead, so that no worker waits for a claim."""
AHEAD_S: Final = 0.25
"""What lies ready is to be on its way within so long: an interactive retry comes after it."""
MOST_AHEAD: Final = 64
"""So many lie ready at most: each is a question to the server after a power cut."""


@dataclass(slots=True)
class Progress:
    """An upload in a worker's hands; written by its worker alone, read by whoever shows it."""

    upload: Upload
    started_at: datetime
    state: State
    bytes_sent: int = 0
    is_stuck: bool = False
    """Its disk does not answer: another thread has taken this one's place."""
    is_aside: bool = False
    """A small file that passes the large ones, in a thread that counts as none of the number."""


class Traffic:
    """How many bytes went out, and when last; written by the workers, read by status and links."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._moved: dict[str, tuple[float, int]] = {}
        self.total = 0

    def moved(self, api: str, upload_id: int, count: int) -> None:
        """Note that bytes of an upload went out to `api` just now."""
        with self._lock:
            self.total += count
            self._moved[api] = (self._clock.monotonic(), upload_id)

    def moved_since(self, api: str, since_mono: float, besides: int) -> bool:
        """Tell whether bytes of another upload went out to `api` since a moment."""
        with self._lock:
            when, upload_id = self._moved.get(api, (float("-inf"), besides))
        return upload_id != besides and when >= since_mono


class Workers:
    """Upload threads that take uploads from a hand-out queue; their number can change at any time."""

    def __init__(
        self,
        desk: Desk,
        store: Queue,
        gate: Gate,
        clock: Clock,
        stopping: threading.Event,
        *,
        on_free: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._store = store
        self._gate = gate
        self._clock = clock
        self._on_free = on_free
        self._handed_out: queue.SimpleQueue[Upload | None] = queue.SimpleQueue()
        self._aside: queue.SimpleQueue[Upload | None] = queue.SimpleQueue()
        self._has_aside = False
        """A thread takes from there."""
        self._waiting_aside = 0
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._progress: dict[int, Progress] = {}
        self._remotes: set[Remote] = set()
        self._waiting = 0
        self._made = 0
        self._wanted = 0
        self._is_short = False
        """The last thread that was asked for was not to be had."""
        self._last_took_s = 0.0
        self._last_size = 0
        self._rng = random.Random()  # noqa: S311  # jitter, no secret
        self.stopping = stopping
        self.on_attempt: Callable[[int, float, Outcome], None] | None = None
        """Is told of each attempt: the file's bytes, the seconds it took, and what came of it."""
        self.on_recorded: Callable[[Upload, str, Decision, datetime], None] | None = None
        """Is told of each attempt that is on disk: what came of it, what was decided, its start."""
        self.key_epoch = 0
        """Grows when a key or a server's address changed: kept connections are thrown away."""

    # -- number of threads -----------------------------------------------------------------------

    def resize(self, count: int) -> None:
        """Have `count` threads from now on; those too many end when they are free.

        Where the system gives no more of them there are fewer, as `count` says: ask again later.
        """
        with self._lock:
            if count and self.stopping.is_set():
                return  # the end has counted them
            fewer = max(0, self._wanted - count)
            self._wanted -= fewer
            try:
                while self._wanted < count:
                    self._add_thread()
                    self._wanted += 1
                    self._is_short = False
            except (RuntimeError, MemoryError) as error:
                if not self._is_short:
                    log.warning("workers.short", count=self._wanted, of=count, reason=str(error))
                self._is_short = True
        for _ in range(fewer):
            self._handed_out.put(_STOP)
        if not count:
            self._aside.put(_STOP)

    def replace_stuck(self, watches: Collection[str]) -> None:
        """Have another thread for each that hangs in the disk of one of these watches.

        The one that hangs ends when it comes back, if it ever does. What it was to find out of a
        link is tried with another file.
        """
        with self._lock:
            if self.stopping.is_set():
                return  # nobody would tell another thread to end
            hanging = [
                progress
                for progress in self._progress.values()
                if progress.upload.watch in watches and not progress.is_stuck
            ]
            for progress in hanging:
                progress.is_stuck = True
                log.warning("worker.stuck", watch=progress.upload.watch)
                self._add_thread(aside=progress.is_aside)
        for progress in hanging:
            self._gate.end_trial(progress.upload.id)
        if hanging:
            self._on_free()

    def _add_thread(self, *, aside: bool = False) -> None:
        self._made += 1
        name = f"worker-{self._made}"
        thread = threading.Thread(target=self._run, args=(aside,), name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    @property
    def count(self) -> int:
        """How many threads there are, without those that were told to end."""
        return self._wanted

    @property
    def are_alive(self) -> bool:
        """Whether every thread runs that was not told to end: they take themselves off the list."""
        with self._lock:
            return all(thread.is_alive() for thread in self._threads)

    @property
    def room(self) -> int:
        """How many uploads may be claimed now: one a free thread, and more for quick files."""
        with self._lock:
            return max(0, self._wanted + self._ahead() - self._moving() - self._waiting)

    def _ahead(self) -> int:
        """How many uploads lie ready beyond those in hand, so that no thread waits for a claim."""
        if self._last_took_s >= QUICK_S:
            return 0
        each = AHEAD_S / max(self._last_took_s, AHEAD_S / MOST_AHEAD)
        return max(self._wanted, min(MOST_AHEAD, round(self._wanted * each)))

    @property
    def free(self) -> int:
        """How many threads have nothing to do."""
        with self._lock:
            return max(0, self._wanted - self._moving() - self._waiting)

    @property
    def bytes_ahead(self) -> int:
        """How many bytes go out within `AHEAD_S`, as fast as the last file did, of all threads."""
        with self._lock:
            size, took_s = self._last_size, max(self._last_took_s, 0.001)
            return round(self._wanted * size / took_s * AHEAD_S)

    @property
    def busy(self) -> int:
        """How many uploads are in hand; those that hang in a dead disk's are not."""
        with self._lock:
            aside = sum(one.is_aside and not one.is_stuck for one in self._progress.values())
            return self._moving() + self._waiting + aside + self._waiting_aside

    def _moving(self) -> int:
        return sum(not (one.is_stuck or one.is_aside) for one in self._progress.values())

    def _runs_low(self) -> bool:
        """Tell whether it is time for another claim: half of what lay ready is in hand."""
        with self._lock:
            return self._waiting * 2 <= self._ahead()

    def hand_out(self, uploads: list[Upload]) -> None:
        """Give claimed uploads to the threads."""
        with self._lock:
            self._waiting += len(uploads)
        for upload in uploads:
            self._handed_out.put(upload)

    @property
    def room_aside(self) -> int:
        """How many small uploads may pass the large ones now: one, and one that lies ready."""
        with self._lock:
            aside = sum(one.is_aside and not one.is_stuck for one in self._progress.values())
            return max(0, AT_A_TIME_ASIDE - aside - self._waiting_aside)

    def set_aside(self, most_bytes: int) -> None:
        """Have what lies ready and is at most so large pass what is in hand."""
        ready: list[Upload | None] = []
        with contextlib.suppress(queue.Empty):
            while True:
                ready.append(self._handed_out.get_nowait())
        small = [one for one in ready if one is not None and one.size <= most_bytes]
        for one in ready:
            if one not in small:
                self._handed_out.put(one)
        if small:
            with self._lock:
                self._waiting -= len(small)
            self.hand_out_aside(small)

    def hand_out_aside(self, uploads: list[Upload]) -> None:
        """Give claimed small uploads to a thread beyond the number, which takes no others."""
        try:
            with self._lock:
                if not self._has_aside:
                    self._add_thread(aside=True)
                    self._has_aside = True
                self._waiting_aside += len(uploads)
        except (RuntimeError, MemoryError):  # no more threads are to be had
            self.hand_out(uploads)
            return
        for upload in uploads:
            self._aside.put(upload)

    def in_hand(self) -> list[Progress]:
        """Return what is being worked on just now."""
        with self._lock:
            return list(self._progress.values())

    # -- the loop --------------------------------------------------------------------------------

    def _run(self, aside: bool) -> None:
        remotes: dict[str, Remote] = {}
        epoch = self.key_epoch
        source = self._aside if aside else self._handed_out
        while (upload := source.get()) is not _STOP:
            if epoch != self.key_epoch:
                epoch = self.key_epoch
                self._close(remotes)
            was_stuck = self._carry_safely(upload, remotes, aside=aside)
            if aside or self._runs_low():
                self._on_free()
            if was_stuck:
                break
        self._close(remotes)
        with self._lock:
            self._threads.remove(threading.current_thread())

    def _carry_safely(self, upload: Upload, remotes: dict[str, Remote], *, aside: bool) -> bool:
        """Carry one upload; whatever happens, the thread goes on and the row is given back.

        Tells whether another thread has taken this one's place meanwhile.
        """
        progress = Progress(upload, self._clock.now(), upload.state, is_aside=aside)
        with self._lock:
            self._waiting -= not aside
            self._waiting_aside -= aside
            self._progress[upload.id] = progress
        try:
            self._carry(upload, progress, remotes)
        except StaleRowError as error:  # the claim was lost
            log.warning("upload.not_recorded", upload_id=upload.id, reason=error.message)
        except QueueError as error:
            # One that is closed takes it back neither: the next start makes the row a doubt.
            log.warning("upload.not_recorded", upload_id=upload.id, reason=error.message)
            self._give_back(upload, progress, error)
        except Exception as error:
            log.exception("upload.crashed", upload_id=upload.id, path=printable(upload.rel_path))
            self._give_back(upload, progress, error)
        finally:
            self._gate.end_trial(upload.id)
            with self._lock:
                self._progress.pop(upload.id, None)
        return progress.is_stuck

    def _give_back(self, upload: Upload, progress: Progress, error: BaseException) -> None:
        """Let a row wait whose attempt ended in a way that nobody foresaw: a doubt, counted."""
        reason = f"unexpected: {type(error).__name__}: {error}"
        facts = Facts(upload.attempts, may_be_stored=True, body_complete=upload.body_complete)
        outcome = Unreadable(reason)
        decision = decide(outcome, facts, self._desk.limits(), self._rng)
        ended = Ended(type(error).__name__, progress.started_at, progress.bytes_sent)
        future = self._store.finish(upload, progress.state, decision, ended)
        future.add_done_callback(lambda done: _note_refusal(upload, done))

    def _carry(self, upload: Upload, progress: Progress, remotes: dict[str, Remote]) -> None:
        """Attempt, decide, move: the heart of the product."""
        began = self._clock.monotonic()
        carried, api = self._attempt(upload, progress, remotes)
        learnt = self._gate.after_attempt(upload.watch, api, upload.id, carried.outcome)
        facts = Facts(
            attempts=upload.attempts,
            may_be_stored=carried.doubt.may_be_stored,
            body_complete=carried.doubt.body_complete,
            ask_first=carried.doubt.ask_first,
            asked_complete=carried.doubt.asked_complete,
            counts=learnt.counts,
            waited_s=(self._clock.now() - upload.created_at).total_seconds(),
        )
        decision = decide(learnt.outcome, facts, self._desk.limits(), self._rng)
        self._last_size = upload.size
        self._last_took_s = took_s = self._clock.monotonic() - began
        if self.on_attempt is not None:
            self.on_attempt(upload.size, took_s, carried.outcome)
        self._finish(upload, progress, learnt.outcome, decision)

    def _attempt(
        self, upload: Upload, progress: Progress, remotes: dict[str, Remote]
    ) -> tuple[Carried, str]:
        as_before = doubt_of(upload)
        if self.stopping.is_set():
            return Carried(Interrupted("the daemon is stopping"), as_before), ""
        order = self._desk.order(upload)
        if order is None:
            return Carried(Interrupted("its watch is gone from config.toml"), as_before), ""
        owner = self._desk.owner(upload)
        if owner is not None:  # detection looks again, and finds that it is none of this watch's
            return Carried(Changed(f'it belongs to the watch "{owner}" now'), as_before), ""
        api = order.watch.api
        trouble = self._gate.keeps_back(upload.watch, api, upload.id)
        if trouble is not None:
            return Carried(Interrupted(f"not begun: {trouble}"), as_before), api
        remote = remotes.get(api)
        if remote is None:
            remote = remotes[api] = self._desk.remote(api)
            with self._lock:
                self._remotes.add(remote)
        carried = carry(order, remote, self._desk.around(order, progress))
        self._desk.heard_clock(remote)
        return carried, api

    def _finish(
        self, upload: Upload, progress: Progress, outcome: Outcome, decision: Decision
    ) -> None:
        ended = Ended(
            outcome=type(outcome).__name__,
            started_at=progress.started_at,
            bytes_sent=getattr(outcome, "bytes_sent", 0),
            http_status=getattr(outcome, "http_status", None),
            remote_id=getattr(outcome, "remote_id", None),
            remote_name=getattr(outcome, "remote_name", None),
            sha256=getattr(outcome, "sha256", None),
            unproven=getattr(outcome, "unproven", False),
            tags_pending=getattr(outcome, "tags_pending", False),
        )
        if isinstance(outcome, WatchRefused):
            self._store.datasets.forget_rule(upload.watch)
        # With others in hand its commit is shared; nobody waits for this one alone.
        future = self._store.finish(
            upload, progress.state, decision, ended, urgent=len(self._progress) == 1
        )
        future.add_done_callback(
            lambda done: self._recorded(upload, progress, decision, ended.outcome, done)
        )
        log.info(
            "upload.attempted",
            upload_id=upload.id,
            watch=upload.watch,
            path=printable(upload.rel_path),
            outcome=ended.outcome,
            status=decision.state.status.value,
            substatus=decision.state.substatus.value,
            cause=decision.cause,
            bytes_sent=ended.bytes_sent,
            http_status=ended.http_status,
            took_s=round(self._last_took_s, 3),
        )

    def _recorded(
        self,
        upload: Upload,
        progress: Progress,
        decision: Decision,
        outcome: str,
        done: Future[bool],
    ) -> None:
        """Runs in the writer's thread when an attempt is on disk; a changed file is looked at.

        What was in hand when its watch was taken away, and waits now, is put aside as the rest was.
        """
        refusal = done.exception()
        if refusal is None:
            if self.on_recorded is not None:
                self.on_recorded(upload, outcome, decision, progress.started_at)
            if decision.state == state.SETTLING or done.result():
                self._desk.look_again(upload.watch, upload.rel_path)
            if decision.state.status is Status.NEW and self._desk.is_let_go(upload.watch):
                self._store.let_go(upload.watch)
        elif isinstance(refusal, StaleRowError) or self.stopping.is_set():
            # The claim was lost, or the queue is closed: the next start makes the row a doubt.
            _note_refusal(upload, done)
        else:
            self._give_back(upload, progress, refusal)

    # -- the end ---------------------------------------------------------------------------------

    def stop(
        self, *, grace_s: float, patience_s: float = 2.0, on_cut: Callable[[], None] | None = None
    ) -> bool:
        """Let uploads in hand finish for `grace_s`, then cut them; tell whether all came back.

        `on_cut` is called between the two.
        """
        ended = threading.Event()
        for _ in range(round(grace_s / 0.05)):
            if self.busy == 0:
                break
            ended.wait(0.05)
        self.stopping.set()
        if on_cut is not None:
            on_cut()
        with self._lock:
            remotes = list(self._remotes)
        for remote in remotes:
            remote.cancel()
        self.resize(0)
        for _ in range(round(patience_s / 0.05)):
            with self._lock:
                stuck = sum(one.is_stuck for one in self._progress.values())
                alive = sum(thread.is_alive() for thread in self._threads)
            if alive <= stuck:
                return not alive  # nobody waits for what a dead disk may never give back
            ended.wait(0.05)
        return False

    def _close(self, remotes: dict[str, Remote]) -> None:
        for remote in remotes.values():
            remote.close()
            with self._lock:
                self._remotes.discard(remote)
        remotes.clear()


def _note_refusal(upload: Upload, done: Future[bool]) -> None:
    refusal = done.exception()
    if refusal is not None:
        log.warning("upload.not_recorded", upload_id=upload.id, reason=str(refusal))
