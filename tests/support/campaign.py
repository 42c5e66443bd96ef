"""A bad night, made from a seed: cameras that write files of all kinds, a server of changing mood.

What a seed decides is what is written and how the server behaves; when exactly the two meet is up
to the machine. A failure is therefore looked into with the seed and the daemon's own log.
"""

from __future__ import annotations

import bz2
import gzip
import io
import mmap
import os
import random
import signal
import threading
import time
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.support.files import BLOCK, fits_bytes, sha256_of
from tests.support.formats import xisf_bytes

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
    "forbidden": [{**_POST, "status": 403, "body": {"detail": "Not now."}, "times": 2}],
    "redirects": [{"status": 307, "headers": {"Location": "http://127.0.0.2:9/"}}],
    "key refused early": [{**_POST, "status": 401, "early": True, "close": True}],
    "tags lost": [{**_POST, "omit": ["tags"]}, {"method": "PATCH", "status": 500}],
    "sizes untold": [{**_POST, "omit": ["size"]}],
    "renames": [{**_POST, "rename": "underscores"}],
    "renames what is there": [{**_POST, "rename": "if_taken"}],
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


@dataclass(slots=True)
class Written:
    """One file as its camera left it."""

    versions: set[str] = field(default_factory=set)
    """The SHA-256 of every version that it had when it was closed; more than one if rewritten."""
    stood_s: float = 0.0
    """How long the version before the last one stood still: long enough, and it may be sent."""


class Cameras:
    """Several threads that write files below a folder until the work of the seed is done."""

    def __init__(self, folder: Path, seed: int, *, files: int, over_s: float, threads: int) -> None:
        self.folder = folder
        self.written: dict[bytes, Written] = {}
        """Each file by its path."""
        self.trouble: list[BaseException] = []
        self._staging = folder.parent / "staging"
        self._staging.mkdir()
        self._lock = threading.Lock()
        self._numbers = iter(range(10**6))
        self._wanted = files
        self._over_s = over_s
        self._began = 0.0
        self._threads = [
            threading.Thread(
                target=self._work, args=(random.Random(f"{seed} camera {n}"),), name=f"camera {n}"
            )
            for n in range(threads)
        ]

    def start(self) -> None:
        """Begin to write."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until everything is written."""
        for thread in self._threads:
            thread.join()
        assert not self.trouble, self.trouble

    def _work(self, rng: random.Random) -> None:
        kinds: list[Callable[[random.Random, int], None]] = [
            self._slow,
            self._renamed,
            self._compressed,
            self._moved_in,
            self._rewritten,
            self._odd,
            self._preallocated,
            self._mapped,
            self._grown,
            self._namesakes,
            self._other_formats,
            self._at_once,
            self._at_once,
        ]
        try:
            while (count := len(self.written)) < self._wanted:
                with self._lock:
                    number = next(self._numbers)
                rng.choice(kinds)(rng, number)
                # Fewer files than this moment wants: no rest; the night has its length all the same.
                early = count / self._wanted * self._over_s - (time.monotonic() - self._began)
                time.sleep(rng.uniform(0, 2 * max(0.0, early)))
        except BaseException as error:
            self.trouble.append(error)
            raise

    def _content(self, rng: random.Random, number: int) -> bytes:
        blocks = rng.choice((2, 4, 10, 40, 100, 300))
        return fits_bytes(blocks * BLOCK, salt=number)

    def _note(self, path: Path, *, stood_s: float = 0.0) -> None:
        sha256 = sha256_of(path)
        with self._lock:
            written = self.written.setdefault(os.fsencode(path), Written())
            written.versions.add(sha256)
            written.stood_s = max(written.stood_s, stood_s)

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

    def _in_halves(self, path: Path, content: bytes, rng: random.Random) -> None:
        """Write a file in two pieces with a pause, as a slow program does."""
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
            file.flush()
            time.sleep(rng.uniform(0, 0.6))
            file.write(content[len(content) // 2 :])
        self._note(path)

    def _compressed(self, rng: random.Random, number: int) -> None:
        content = rng.randbytes(rng.choice((3_000, 60_000)))
        path = self._night(rng) / f"compressed_{number}.fits.gz"
        self._in_halves(path, gzip.compress(content, 1), rng)

    def _other_formats(self, rng: random.Random, number: int) -> None:
        content = rng.randbytes(rng.choice((3_000, 60_000)))
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w") as archive:
            archive.writestr("a.dat", content)
        name, made = rng.choice(
            (
                ("log_{}.bz2", bz2.compress(content, 1)),
                ("stack_{}.xisf", xisf_bytes((3000, 500), keywords={"OBJECT": f"M{number}"})),
                ("night_{}.zip", zipped.getvalue()),
                ("seeing_{}.csv", content.hex().encode()),
                ("no_suffix_{}", content),
            )
        )
        self._in_halves(self._night(rng) / name.format(number), made, rng)

    def _moved_in(self, rng: random.Random, number: int) -> None:
        made = self._staging / f"night_{number}"
        (made / "deep").mkdir(parents=True)
        names = [f"moved_{number}_{n}.fits" for n in range(3)]
        for n, name in enumerate(names):
            (made / "deep" / name).write_bytes(self._content(rng, 10**7 + 10 * number + n))
        there = self.folder / made.name
        made.rename(there)
        for name in names:
            self._note(there / "deep" / name)

    def _rewritten(self, rng: random.Random, number: int) -> None:
        path = self._night(rng) / f"rewritten_{number}.fits"
        path.write_bytes(self._content(rng, number))
        closed = time.monotonic()
        self._note(path)
        time.sleep(rng.uniform(0, 0.25))
        with path.open("r+b") as file:  # as a program does that adds the star's name afterwards
            file.seek(6 * 80)
            file.write(f"OBJECT  = 'M{number}'".ljust(80).encode())
            file.seek(5 * 80)
            file.write(b"COMMENT rewritten".ljust(80))
            file.seek(7 * 80)
            file.write(b"END".ljust(80))
        self._note(path, stood_s=time.monotonic() - closed)

    def _odd(self, rng: random.Random, number: int) -> None:
        # The number comes last: a server cuts what is in front of a backslash.
        name = rng.choice(ODD_NAMES).replace(b".fits", b"_%d.fits" % number)
        path = self._night(rng) / os.fsdecode(name)
        path.write_bytes(self._content(rng, number))
        self._note(path)

    def _preallocated(self, rng: random.Random, number: int) -> None:
        path = self._night(rng) / f"preallocated_{number}.fits"
        content = self._content(rng, number)
        with path.open("wb") as file:
            file.truncate(len(content))
            for at in range(0, len(content), len(content) // 2):
                time.sleep(rng.uniform(0, 0.6))
                file.write(content[at : at + len(content) // 2])
                file.flush()
        self._note(path)

    def _mapped(self, rng: random.Random, number: int) -> None:
        path = self._night(rng) / f"mapped_{number}.fits"
        content = self._content(rng, number)
        with path.open("w+b") as file:
            file.truncate(len(content))
            mapping = mmap.mmap(file.fileno(), len(content))
        with mapping:
            half = len(content) // 2
            mapping[:half] = content[:half]
            time.sleep(rng.uniform(0, 0.6))
            mapping[half:] = content[half:]
            mapping.flush()
        self._note(path)

    def _grown(self, rng: random.Random, number: int) -> None:
        """Write a file whose header is closed before the pixels come."""
        path = self._night(rng) / f"grown_{number}.fits"
        content = self._content(rng, number)
        path.write_bytes(content[:BLOCK])
        time.sleep(rng.uniform(0, 0.6))
        with path.open("ab") as file:
            file.write(content[BLOCK:])
        self._note(path)

    def _namesakes(self, rng: random.Random, number: int) -> None:
        """Write files of one name into two folders: another dataset each."""
        for n, folder in enumerate(("east", "west")):
            path = self.folder / folder / f"frame_{number}.fits"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(self._content(rng, 2 * 10**7 + 10 * number + n))
            self._note(path)


class Trouble:
    """A thread each for the server's mood, which changes every second, and for the kills.

    `kills_s` is between which times the daemon is killed, or ended in order; None: never.
    """

    def __init__(
        self, home: Home, sandbox: Sandbox, seed: int, *, kills_s: tuple[float, float] | None
    ) -> None:
        self.said: list[str] = []
        """The moods and kills in their order, for who looks into a failure."""
        self.codes: list[int] = []
        """What the daemon ended with: 0 after SIGTERM, unless that came before it was caught."""
        self._home = home
        self._sandbox = sandbox
        self._moods = random.Random(f"{seed} moods")
        self._times = random.Random(f"{seed} kills")
        self._end = threading.Event()
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._change, name="moods")]
        if kills_s is not None:
            self._threads.append(threading.Thread(target=self._kill, args=kills_s, name="kills"))

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

    def _kill(self, least_s: float, most_s: float) -> None:
        while not self._end.wait(self._times.uniform(least_s, most_s)):
            if self._times.random() < ENDED_IN_ORDER:
                self._home.signal(signal.SIGTERM)
            else:
                self._home.signal(signal.SIGKILL)
            code = self._home.ended()
            self._say(f"ended with {code}")
            self.codes.append(code)
            self._end.wait(self._times.uniform(0, 0.5))
            self._home.start(wait=False)
            self._say("started")
