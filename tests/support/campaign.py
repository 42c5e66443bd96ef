"""A bad night, made from a seed: cameras of several kinds, and a server of changing mood.

What a seed decides is what is written and how the server behaves; when exactly the two meet is up
to the machine. A failure is therefore looked into with the seed and the daemon's own log.
"""

from __future__ import annotations

import gzip
import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from tests.support.files import BLOCK, fits_bytes, sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

_POST: Final = {"method": "POST", "path": "/datafiles/$"}
ENDED_IN_ORDER: Final = 0.2
"""This share of the daemon's ends is a SIGTERM; the others are kill -9."""

_HTML: Final = "<html><title>Welcome to the hotel</title></html>"

MOODS: Final[dict[str, list[dict[str, Any]]]] = {
    "calm": [],
    "503 for everything": [{"status": 503}],
    "503 for files": [{**_POST, "status": 503}],
    "429": [{**_POST, "status": 429, "headers": {"Retry-After": "1"}}],
    "500 after storing": [{**_POST, "status": 500, "stored": True, "times": 4}],
    "answers lost": [{**_POST, "drop": True, "when": "after"}],
    "504 after storing": [{**_POST, "status": 504, "stored": True, "content_type": "text/html"}],
    "502": [{"status": 502, "content_type": "text/html"}],
    "reset in the body": [{**_POST, "drop": True, "when": "during", "after_bytes": 20_000}],
    "reset before the body": [{**_POST, "drop": True}],
    "no questions": [{"method": "GET", "drop": True}],
    "slow reading": [{**_POST, "read_bytes_per_s": 100_000}],
    "late answers": [{"delay_s": 0.7}],
    "closes": [{"close": True}],
    "a hotel": [{"status": 200, "body": _HTML, "content_type": "text/html"}],
    "no identifier": [{**_POST, "omit": ["pk", "id"]}],
    "key refused": [{"status": 401, "body": {"detail": "Invalid key."}}],
    "datasets lost": [{"method": "POST", "path": "/datasets/$", "drop": True, "when": "after"}],
    "mute details": [
        {"method": "GET", "path": "/datafiles/[^/]+/$", "status": 404, "content_type": "text/html"}
    ],
}
"""What the server is like for about a second, as rules of its switchboard."""

ODD_NAMES: Final = (
    b"with blank.fits",
    b"per%20cent.fits",
    b'quo"te.fits',
    b"com,ma|bar.fits",
    "gr\u00fcn \u2606.fits".encode(),
    b"not\xffutf8.fits",
    b"new\nline.fits",
    b"-dash.fits",
    b"semi;colon.fits",
    b"back\\slash.fits",
    b"#hash?query=1&x.fits",
    b"x" * 180 + b".fits",
)


class Cameras:
    """Several threads that write files below a folder until the work of the seed is done."""

    def __init__(self, folder: Path, seed: int, *, count: int, over_s: float, threads: int) -> None:
        self.folder = folder
        self.written: dict[bytes, set[str]] = {}
        """Each file's path, and the SHA-256 of every version that it had when it was closed."""
        self.trouble: list[BaseException] = []
        self._staging = folder.parent / "staging"
        self._staging.mkdir()
        self._lock = threading.Lock()
        self._pause_s = over_s * threads / count
        numbers = list(range(count))
        self._threads = [
            threading.Thread(
                target=self._work,
                args=(random.Random(f"{seed} camera {n}"), numbers[n::threads]),
                name=f"camera {n}",
            )
            for n in range(threads)
        ]

    def start(self) -> None:
        """Begin to write."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until everything is written."""
        for thread in self._threads:
            thread.join()
        assert not self.trouble, self.trouble

    def _work(self, rng: random.Random, numbers: list[int]) -> None:
        kinds: list[Callable[[random.Random, int], None]] = [
            self._slow,
            self._renamed,
            self._compressed,
            self._moved_in,
            self._rewritten,
            self._odd,
            self._at_once,
            self._at_once,
        ]
        try:
            for number in numbers:
                rng.choice(kinds)(rng, number)
                time.sleep(rng.uniform(0, 2 * self._pause_s))
        except BaseException as error:
            self.trouble.append(error)
            raise

    def _content(self, rng: random.Random, number: int) -> bytes:
        blocks = rng.choice((2, 4, 10, 40, 100, 300))
        return fits_bytes(blocks * BLOCK, salt=number)

    def _note(self, path: Path) -> None:
        with self._lock:
            self.written.setdefault(os.fsencode(path), set()).add(sha256_of(path))

    def _night(self, rng: random.Random) -> Path:
        folder = self.folder / rng.choice(("", "lights", "darks/cold", "a/b/c/d"))
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _at_once(self, rng: random.Random, number: int) -> None:
        path = self._night(rng) / f"at_once_{number}.fits"
        path.write_bytes(self._content(rng, number))
        self._note(path)

    def _slow(self, rng: random.Random, number: int) -> None:
        path = self._night(rng) / f"slow_{number}.fits"
        content = self._content(rng, number)
        step = len(content) // 4
        with path.open("wb") as file:
            for at in range(0, len(content), step):
                file.write(content[at : at + step])
                file.flush()
                time.sleep(rng.uniform(0.05, 0.6))
        self._note(path)

    def _renamed(self, rng: random.Random, number: int) -> None:
        path = self._night(rng) / f"renamed_{number}.fits"
        aside = path.with_name(path.name + rng.choice((".tmp", ".part", "~")))
        aside.write_bytes(self._content(rng, number))
        time.sleep(rng.uniform(0, 0.6))
        aside.rename(path)
        self._note(path)

    def _compressed(self, rng: random.Random, number: int) -> None:
        path = self._night(rng) / f"compressed_{number}.fits.gz"
        content = gzip.compress(rng.randbytes(rng.choice((3_000, 60_000))), 1)
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
            file.flush()
            time.sleep(rng.uniform(0, 0.6))
            file.write(content[len(content) // 2 :])
        self._note(path)

    def _moved_in(self, rng: random.Random, number: int) -> None:
        made = self._staging / f"night_{number}"
        (made / "deep").mkdir(parents=True)
        names = [f"moved_{number}_{n}.fits" for n in range(3)]
        for n, name in enumerate(names):
            (made / "deep" / name).write_bytes(self._content(rng, 10_000 + 10 * number + n))
        there = self.folder / made.name
        made.rename(there)
        for name in names:
            self._note(there / "deep" / name)

    def _rewritten(self, rng: random.Random, number: int) -> None:
        path = self._night(rng) / f"rewritten_{number}.fits"
        path.write_bytes(self._content(rng, number))
        self._note(path)
        time.sleep(rng.uniform(0, 0.25))
        with path.open("r+b") as file:  # as a program does that adds the star's name afterwards
            file.seek(6 * 80)
            file.write(f"OBJECT  = 'M{number}'".ljust(80).encode())
            file.seek(5 * 80)
            file.write(b"COMMENT rewritten".ljust(80))
            file.seek(7 * 80)
            file.write(b"END".ljust(80))
        self._note(path)

    def _odd(self, rng: random.Random, number: int) -> None:
        # The number comes last: a server cuts what is in front of a backslash.
        name = rng.choice(ODD_NAMES).replace(b".fits", b"_%d.fits" % number)
        path = self._night(rng) / os.fsdecode(name)
        path.write_bytes(self._content(rng, number))
        self._note(path)


class Trouble:
    """A thread each for the server's mood, which changes every second, and for the kills.

    `every_s` is between which times the daemon is killed, or ended in order.
    """

    def __init__(
        self, home: Home, sandbox: Sandbox, seed: int, *, every_s: tuple[float, float] = (3.5, 5.5)
    ) -> None:
        self._every_s = every_s
        self.said: list[str] = []
        """The moods and kills in their order, for who looks into a failure."""
        self.codes: set[int] = set()
        """What the daemon ended with: 0 after SIGTERM, unless that came before it was caught."""
        self._home = home
        self._sandbox = sandbox
        self._moods = random.Random(f"{seed} moods")
        self._times = random.Random(f"{seed} kills")
        self._end = threading.Event()
        self._began = time.monotonic()
        self._threads = [
            threading.Thread(target=self._change, name="moods"),
            threading.Thread(target=self._kill, name="kills"),
        ]

    def __enter__(self) -> Trouble:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *trouble: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()
        self._sandbox.clear()

    def _say(self, what: str) -> None:
        self.said.append(f"{time.monotonic() - self._began:.1f} {what}")

    def _change(self) -> None:
        while not self._end.wait(self._moods.uniform(0.6, 1.4)):
            mood = self._moods.choice([*MOODS, "refuses"])
            self._say(mood)
            self._sandbox.clear()
            if mood == "refuses":
                self._sandbox.refuse(1.0, cut=self._moods.random() < 0.7)
            for rule in MOODS.get(mood, []):
                self._sandbox.rule(**rule)

    def _kill(self) -> None:
        while not self._end.wait(self._times.uniform(*self._every_s)):
            if self._times.random() < ENDED_IN_ORDER:
                self._home.signal(signal.SIGTERM)
            else:
                self._home.signal(signal.SIGKILL)
            code = self._home.ended()
            self._say(f"ended with {code}")
            self.codes.add(code)
            self._end.wait(self._times.uniform(0, 0.5))
            self._home.start(wait=False)
            self._say("started")
