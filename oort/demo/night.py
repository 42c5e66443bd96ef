"""The rehearsal night, from dusk to the proof: who starts when, what breaks, and when it is over.

The camera runs in a thread of its own and never waits for anybody, as a real one. The night's own
thread plays the rest: it starts the daemon, cuts the link, waits for the kill -9 in the middle of
an upload, starts the daemon again as a service manager would, and holds disk against server.
"""

from __future__ import annotations

import random
import re
import shutil
import signal
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from oort.clock import SystemClock
from oort.demo import server as sandbox
from oort.demo import snapshot
from oort.demo.camera import Camera, plan
from oort.demo.display import Display
from oort.demo.processes import Processes
from oort.demo.proof import prove
from oort.demo.sequence import Sequence
from oort.errors import OortError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from types import FrameType

    from oort.clock import Clock
    from oort.demo.camera import Exposure, Written
    from oort.demo.proof import Proof
    from oort.demo.script import Script
    from oort.demo.server import Server
    from oort.demo.snapshot import Snapshot

T = TypeVar("T")

API_NAME: Final = "rehearsal"
FOLDER: Final = "images"
DAEMON_LOG: Final = "daemon.log"
PAGE: Final = "night.html"
_UPLOADS: Final = {"method": "POST", "path": "/datafiles/$"}
_SEED: Final = 31
_LOOK_EVERY_S: Final = 0.1
_START_LIMIT_S: Final = 30.0
_LOG_LINES: Final = 30
_STATUS_EVERY_S: Final = 1.0


class InVainError(OortError):
    """Something did not happen in the time that it may take."""


def rehearse(play: Script, *, keep: bool) -> Proof:
    """Play a night in a temporary home, print the proof and the night's report; return the proof.

    Whatever happens, Ctrl-C and SIGTERM included, the processes are ended, and the home is removed
    unless it is to be kept. Raises OortError when the night cannot be played to its end.
    """
    clock = SystemClock()
    display = Display(clock)
    with _interruptible():
        home = Path(tempfile.mkdtemp(prefix="oort-demo-")).resolve()
        try:
            night = _Night(play, home, display, clock, page=home / PAGE if keep else None)
            with display:
                proof = night.play()
            display.conclude(proof)
            display.print("", *night.report.splitlines())
            if not proof.is_complete:
                display.print("", *_tail(home / DAEMON_LOG))
            return proof
        finally:
            if keep:
                display.print(f"Kept: {home}")
            else:
                shutil.rmtree(home, ignore_errors=True)


class _Night:
    """One night in one home; `play` may be called once."""

    def __init__(
        self, play: Script, home: Path, display: Display, clock: Clock, *, page: Path | None
    ) -> None:
        self._script = play
        self._home = home
        self._display = display
        self._clock = clock
        self._folder = home / FOLDER
        self._log = home / DAEMON_LOG
        self._page = page
        self.report = ""
        """What `oort report` says of the night, once it is over."""
        self._over = threading.Event()
        self._processes = Processes(home)
        # Appended to by the sequence's thread, read by the night's own.
        self._written: list[Written] = []
        self._sequence = self._prepare_sequence()
        self._watcher = threading.Thread(target=self._look_at_status, name="demo-status")

    def play(self) -> Proof:
        """Return the proof; ends every process and thread that it started."""
        try:
            server = self._prepare()
            daemon = self._start_daemon()
            self._watcher.start()
            self._sequence.start()
            kill = self._cut_the_link(server, daemon)
            self._await_the_kill(server, daemon, kill)
            self._over.wait(self._script.restart_after_s)
            daemon = self._start_daemon()
            self._await_the_last_file(server, daemon)
            self._stop(daemon)
            written = () if self._page is None else ("--html", str(self._page))
            self.report = self._processes.run("oort", "report", *written)
            return prove(self._folder, self._written, server.copies())
        except OortError:
            self._display.print(*_tail(self._log))
            raise
        finally:
            self._over.set()
            self._processes.close()
            for thread in (self._sequence, self._watcher):
                if thread.ident is not None:
                    thread.join()

    def _prepare_sequence(self) -> Sequence:
        camera = Camera(
            self._folder,
            self._home / "elsewhere",
            width=self._script.width,
            height=self._script.height,
            pause_s=self._script.pause_s,
            rng=random.Random(_SEED),  # noqa: S311  # an invented sky is no secret
            clock=self._clock,
            stop=self._over,
            report=self._note,
        )
        return Sequence(self._script, camera, stop=self._over, announce=self._announce)

    def _prepare(self) -> Server:
        """Set up what a user sets up: a server, a login, a watched folder."""
        self._folder.mkdir()
        self._say("server", "starting: arcsecond sandbox --faults")
        server = sandbox.start(self._processes, self._home, self._over)
        self._display.picture.server = f"{server.url} (this machine)"
        server.rule(**_UPLOADS, read_bytes_per_s=self._script.link_bytes_per_s)
        run = self._processes.run
        run("arcsecond", "api", "add", API_NAME, server.url)
        run(
            *("arcsecond", "login", "--api", API_NAME, "--username", server.username),
            *("--upload_key", "-"),
            answer=f"{server.upload_key}\n",
        )
        self._say("night", "arcsecond login: the key is stored")
        run("oort", "watch", str(self._folder), "--api", API_NAME, "-y")
        self._say("night", f"oort watch: {self._folder}")
        return server

    def _start_daemon(self) -> subprocess.Popen[bytes]:
        daemon = self._processes.start("oort", "start", output=self._log)
        self._say("daemon", f"oort start: pid {daemon.pid}")
        self._until(lambda: self._runs(daemon), _START_LIMIT_S, "the daemon runs")
        return daemon

    def _runs(self, daemon: subprocess.Popen[bytes]) -> bool:
        """Tell whether the daemon says so itself; raises OortError if it has ended."""
        _refuse_an_end(daemon)
        try:
            return self._status().running
        except OortError:  # before the first start there is no queue to ask
            return False

    @property
    def _victim(self) -> Exposure:
        """The exposure in whose upload the daemon is killed."""
        return plan(self._script.exposures)[self._script.killed_at - 1]

    def _cut_the_link(self, server: Server, daemon: subprocess.Popen[bytes]) -> int:
        """Cut the link under a file that is on its way; return the rule of the kill to come.

        The kill is left to the server, because it alone sees the bytes arrive.
        """
        limit_s = self._script.limit_s
        self._until(
            lambda: self._sequence.taken >= self._script.cut_at, limit_s, "the camera has begun"
        )
        on_its_way = self._until(server.in_hand, limit_s, "a file is on its way")
        kill = server.rule(
            **_UPLOADS,
            file=f"^{re.escape(self._victim.name)}$",
            times=1,
            kill_pid=daemon.pid,
            after_bytes=self._script.killed_after_bytes,
        )
        server.cut_link(self._script.outage_s)
        self._say("link", f"cut for {self._script.outage_s:.0f} s under {' and '.join(on_its_way)}")
        self._over.wait(self._script.outage_s)
        self._until(server.listens, _START_LIMIT_S, "the link is back")
        self._say("link", "back")
        return kill

    def _await_the_kill(self, server: Server, daemon: subprocess.Popen[bytes], kill: int) -> None:
        self._until(lambda: daemon.poll() is not None, self._script.limit_s, "the daemon is killed")
        if daemon.returncode != -signal.SIGKILL or not server.applied(kill):
            _refuse_an_end(daemon)
        sent = self._script.killed_after_bytes
        self._say("daemon", f"kill -9: {sent:,} bytes of {self._victim.name} had arrived")

    def _await_the_last_file(self, server: Server, daemon: subprocess.Popen[bytes]) -> None:
        self._until(
            lambda: not self._sequence.is_alive(), self._script.limit_s, "the camera has finished"
        )
        self._sequence.check()
        self._say("night", f"dawn: waiting until all {len(self._written)} files are at the server")
        try:
            self._until(
                lambda: self._has_all(server, daemon),
                self._script.patience_s,
                "all files are there",
            )
        except InVainError as error:
            # The proof will name what is not there.
            self._say("night", error.message)
            return
        victim = self._folder / self._victim.folder / self._victim.name
        story = self._processes.run("oort", "status", str(victim), "--json")
        self._say("night", f"{victim.name} after the kill -9: {snapshot.newest_cause(story)}")

    def _has_all(self, server: Server, daemon: subprocess.Popen[bytes]) -> bool:
        _refuse_an_end(daemon)
        return not self._status().pending and server.stored() >= len(self._written)

    def _stop(self, daemon: subprocess.Popen[bytes]) -> None:
        self._processes.run("oort", "stop")
        self._until(lambda: daemon.poll() is not None, _START_LIMIT_S, "the daemon is gone")
        self._say("daemon", f"oort stop: ended with exit {daemon.returncode}")
        if daemon.returncode:
            _refuse_an_end(daemon)

    def _status(self) -> Snapshot:
        return snapshot.read(self._processes.run("oort", "status", "--json"))

    def _look_at_status(self) -> None:
        """Ask the daemon how it is, in a thread of its own, until the night is over."""
        while not self._over.wait(_STATUS_EVERY_S):
            try:
                self._display.show(self._status())
            except OortError as error:
                if not self._over.is_set():
                    self._say("daemon", error.message)

    def _announce(self, exposure: Exposure) -> None:
        self._display.picture.camera = (
            f"exposure {exposure.number} of {self._script.exposures}: {exposure.name}"
        )

    def _note(self, written: Written) -> None:
        self._written.append(written)
        self._say("camera", f"{written.path.relative_to(self._folder)}, {written.way}")

    def _until(self, ask: Callable[[], T], limit_s: float, what: str) -> T:
        """Return the first true answer; raises InVainError after `limit_s`, or if the camera fails."""
        began = self._clock.monotonic()
        while not (answer := ask()):
            self._sequence.check()
            if self._clock.monotonic() - began > limit_s:
                raise InVainError(f"waited {limit_s:.0f} s in vain until {what}")
            self._over.wait(_LOOK_EVERY_S)
        return answer

    def _say(self, who: str, words: str) -> None:
        self._display.say(who, words)


def _refuse_an_end(daemon: subprocess.Popen[bytes]) -> None:
    if daemon.poll() is not None:
        raise OortError(f"the daemon ended by itself, with exit {daemon.returncode}")


def _tail(log: Path) -> list[str]:
    if not log.exists():
        return []
    return log.read_text(encoding="utf-8", errors="backslashreplace").splitlines()[-_LOG_LINES:]


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM, and a terminal that goes away, end the night as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
