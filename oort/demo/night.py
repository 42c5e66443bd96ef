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
from typing import TYPE_CHECKING, Final

from oort.clock import SystemClock
from oort.demo import server as sandbox
from oort.demo import snapshot
from oort.demo.camera import Camera, Written, plan
from oort.demo.display import Display
from oort.demo.processes import Processes
from oort.demo.proof import prove
from oort.errors import OortError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from types import FrameType

    from oort.clock import Clock
    from oort.demo.camera import Exposure
    from oort.demo.proof import Proof
    from oort.demo.script import Script
    from oort.demo.server import Server

API_NAME: Final = "rehearsal"
FOLDER: Final = "images"
DAEMON_LOG: Final = "daemon.log"
_SEED: Final = 31
_LOOK_EVERY_S: Final = 0.1
_LOG_LINES: Final = 30
_STATUS_EVERY_S: Final = 1.0


def rehearse(play: Script, *, keep: bool, clock: Clock | None = None) -> Proof:
    """Play a night in a temporary home, print the proof and return it.

    Whatever happens, Ctrl-C and SIGTERM included, the processes are ended, and the home is removed
    unless it is to be kept. Raises OortError when the night cannot be played to its end.
    """
    home = Path(tempfile.mkdtemp(prefix="oort-demo-")).resolve()
    try:
        with _interruptible(), Display(clock or SystemClock()) as display:
            proof = _Night(play, home, display, clock or SystemClock()).play()
        display.conclude(proof)
        if not proof.is_complete:
            display.print("", *_tail(home / DAEMON_LOG))
        return proof
    finally:
        if keep:
            Display(clock or SystemClock()).print(f"Kept: {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)


class _Night:
    """One night in one home; `play` may be called once."""

    def __init__(self, play: Script, home: Path, display: Display, clock: Clock) -> None:
        self._script = play
        self._home = home
        self._display = display
        self._clock = clock
        self._folder = home / FOLDER
        self._log = home / DAEMON_LOG
        self._over = threading.Event()
        self._processes = Processes(home)
        self._taken = 0
        # Appended to by the camera's thread, read by the night's own.
        self._written: list[Written] = []
        self._camera_error: BaseException | None = None

    def play(self) -> Proof:
        """Return the proof; ends every process and thread that it started."""
        threads = [
            threading.Thread(target=self._photograph, name="demo-camera"),
            threading.Thread(target=self._look_at_status, name="demo-status"),
        ]
        try:
            server = self._prepare()
            daemon = self._start_daemon()
            self._arm_the_kill(server, daemon)
            for thread in threads:
                thread.start()
            self._cut_the_link(server)
            self._await_the_kill(server, daemon)
            self._over.wait(self._script.restart_after_s)
            daemon = self._start_daemon()
            self._until(lambda: not threads[0].is_alive(), 600.0, "the camera has finished")
            self._await_the_last_file(server, daemon)
            self._stop(daemon)
            return prove(self._folder, self._written, server.copies())
        except OortError:
            self._display.print(*_tail(self._log))
            raise
        finally:
            self._over.set()
            self._processes.close()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()

    def _prepare(self) -> Server:
        """Set up what a user sets up: a server, a login, a watched folder."""
        self._folder.mkdir()
        self._say("server", "starting: arcsecond sandbox --faults")
        server = sandbox.start(self._processes, self._home, self._over)
        self._display.picture.server = f"{server.url} (this machine)"
        server.rule(
            method="POST", path="/datafiles/$", read_bytes_per_s=self._script.link_bytes_per_s
        )
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
        return daemon

    @property
    def _victim(self) -> Exposure:
        return plan(self._script.exposures)[self._script.killed_at - 1]

    def _arm_the_kill(self, server: Server, daemon: subprocess.Popen[bytes]) -> None:
        server.rule(
            method="POST",
            path="/datafiles/$",
            file=f"^{re.escape(self._victim.name)}$",
            times=1,
            kill_pid=daemon.pid,
            after_bytes=self._script.width * self._script.height // 2,
        )

    def _cut_the_link(self, server: Server) -> None:
        self._until(lambda: self._taken >= self._script.cut_at, 60.0, "the camera has begun")
        self._until(server.in_hand, 60.0, "a file is on its way")
        torn = server.in_hand()
        server.cut_link(self._script.outage_s)
        words = f", with {', '.join(torn)} on its way" if torn else ""
        self._say("link", f"cut for {self._script.outage_s:.0f} s{words}")
        self._until(lambda: not server.listens(), 5.0, "the link is down")
        self._until(server.listens, 30.0 + self._script.outage_s, "the link is back")
        self._say("link", "back")

    def _await_the_kill(self, server: Server, daemon: subprocess.Popen[bytes]) -> None:
        self._until(lambda: daemon.poll() is not None, 120.0, "the daemon is killed")
        if daemon.returncode != -signal.SIGKILL:
            raise OortError(f"the daemon ended by itself, with exit {daemon.returncode}")
        torn = server.torn(self._victim.name)
        if torn is None:
            raise OortError("the daemon was killed, but not in the middle of an upload")
        self._say("daemon", f"kill -9: {torn.bytes_received:,} bytes of {torn.file} had arrived")

    def _await_the_last_file(self, server: Server, daemon: subprocess.Popen[bytes]) -> None:
        self._say("night", f"dawn: waiting until all {len(self._written)} files are at the server")
        waited = self._clock.monotonic()
        while self._clock.monotonic() - waited < self._script.patience_s:
            if daemon.poll() is not None:
                raise OortError(f"the daemon ended by itself, with exit {daemon.returncode}")
            queue = snapshot.read(self._processes.run("oort", "status", "--json"))
            if not queue.pending and server.stored() >= len(self._written):
                return
            self._over.wait(_LOOK_EVERY_S)

    def _stop(self, daemon: subprocess.Popen[bytes]) -> None:
        self._processes.run("oort", "stop")
        self._until(lambda: daemon.poll() is not None, 15.0, "the daemon is gone")
        self._say("daemon", f"oort stop: ended with exit {daemon.returncode}")
        if daemon.returncode:
            raise OortError(f"the daemon was asked to stop and ended with {daemon.returncode}")

    def _photograph(self) -> None:
        """Take the exposures of the night, in the camera's thread."""
        try:
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
            for exposure in plan(self._script.exposures):
                if self._over.is_set():
                    return
                self._expose(camera, exposure)
        except Exception as error:  # noqa: BLE001  # whatever it is, the night must tell
            self._camera_error = error

    def _expose(self, camera: Camera, exposure: Exposure) -> None:
        self._display.picture.camera = (
            f"exposure {exposure.number} of {self._script.exposures}: {exposure.name}"
        )
        self._taken = exposure.number
        camera.take(exposure)
        if exposure.number == self._script.calibration_at:
            camera.move_in_calibration()
        self._over.wait(self._script.every_s)

    def _note(self, written: Written) -> None:
        self._written.append(written)
        self._say("camera", f"{written.path.relative_to(self._folder)}, {written.way}")

    def _look_at_status(self) -> None:
        """Ask the daemon how it is, in a thread of its own, until the night is over."""
        while not self._over.wait(_STATUS_EVERY_S):
            try:
                self._display.show(snapshot.read(self._processes.run("oort", "status", "--json")))
            except OortError as error:
                if not self._over.is_set():
                    self._say("daemon", error.message)

    def _until(self, is_so: Callable[[], object], limit_s: float, what: str) -> None:
        began = self._clock.monotonic()
        while not is_so():
            if self._camera_error is not None:
                raise OortError(f"the camera failed: {self._camera_error}") from self._camera_error
            if self._clock.monotonic() - began > limit_s:
                raise OortError(f"waited {limit_s:.0f} s in vain until {what}")
            self._over.wait(_LOOK_EVERY_S)

    def _say(self, who: str, words: str) -> None:
        self._display.say(who, words)


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
