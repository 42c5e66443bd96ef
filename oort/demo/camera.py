"""A simulated camera: it writes star fields the awkward ways in which real cameras write files.

Some programs keep the file open while it grows, some write under another name and rename, some
come back to change the header of a file that looked finished, and some nights a whole folder is
moved in from elsewhere. The camera knows nothing of Oort; it reports what it wrote and when it
let go of it, which is the moment from which the proof counts.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from oort.demo import fits
from oort.demo.stars import Sky

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path
    from threading import Event

    from oort.clock import Clock

_PIECES: Final = 5
_EXPTIME_S: Final = 120.0
_FILTERS: Final = ("L", "R", "G", "B")
_TELESCOPE: Final = "Rehearsal 0.4m f/8"
_INSTRUMENT: Final = "OORT SIM-16"
CALIBRATION_FOLDER: Final = "calibration"


class Way(StrEnum):
    """How a file comes to lie in the folder; the words are what the display says."""

    SLOWLY = "slowly, the file open all the while"
    COMPRESSED = "compressed, in pieces"
    RENAMED = "under a temporary name, then renamed"
    REWRITTEN = "its header rewritten after closing"
    AT_ONCE = "in one go, a name with blanks and accents"
    MOVED_IN = "with its folder, moved in from elsewhere"


@dataclass(frozen=True, slots=True)
class Exposure:
    """One light frame that the camera will take: its path below the folder, and how it is written."""

    number: int
    folder: str
    name: str
    way: Way
    filter: str


@dataclass(frozen=True, slots=True)
class Written:
    """A file that the camera has let go of: `finished_at` is its last close, or its rename.

    `sha256` is of the bytes that the camera meant to write, not of what lies on the disk since.
    """

    path: Path
    way: Way
    size: int
    sha256: str
    finished_at: datetime


def plan(exposures: int) -> tuple[Exposure, ...]:
    """Return the light frames of a night, every way of writing in turn."""
    ways = [way for way in Way if way is not Way.MOVED_IN]
    return tuple(
        _planned(number, ways[(number - 1) % len(ways)]) for number in range(1, exposures + 1)
    )


def _planned(number: int, way: Way) -> Exposure:
    band = _FILTERS[(number - 1) % len(_FILTERS)]
    suffix = ".fits.gz" if way is Way.COMPRESSED else ".fits"
    target = "M 31 d'été" if way is Way.AT_ONCE else "M31"
    return Exposure(number, "M31", f"{target}_{band}_{number:04d}{suffix}", way, band)


class Camera:
    """Writes exposures below `folder`; `elsewhere` lies on the same file system, out of sight.

    `stop` ends every pause at once. One thread uses a camera at a time.
    """

    def __init__(
        self,
        folder: Path,
        elsewhere: Path,
        *,
        width: int,
        height: int,
        pause_s: float,
        rng: random.Random,
        clock: Clock,
        stop: Event,
        report: Callable[[Written], None],
    ) -> None:
        self._folder = folder
        self._elsewhere = elsewhere
        self._pause_s = pause_s
        self._clock = clock
        self._stop = stop
        self._report = report
        self._sky = Sky(width, height, rng)

    def take(self, exposure: Exposure) -> None:
        """Expose one frame and write it in its own way, then report it."""
        path = self._folder / exposure.folder / exposure.name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = self._sky.light()
        content = fits.file(self._head(exposure), pixels)
        match exposure.way:
            case Way.SLOWLY:
                self._grow(path, content)
            case Way.RENAMED:
                aside = path.with_name(path.name + ".tmp")
                self._grow(aside, content)
                aside.rename(path)
            case Way.REWRITTEN:
                path.write_bytes(content)
                solved = self._head(exposure, solved=True)
                self._rewrite(path, solved)
                content = fits.file(solved, pixels)
            case Way.COMPRESSED:
                content = gzip.compress(content, compresslevel=1, mtime=0)
                self._grow(path, content)
            case Way.AT_ONCE | Way.MOVED_IN:
                path.write_bytes(content)
        self._let_go(exposure.way, {path: content})

    def move_in_calibration(self) -> None:
        """Write bias and flat frames in another place and move their folder in, then report them."""
        aside = self._elsewhere / CALIBRATION_FOLDER
        aside.mkdir(parents=True)
        folder = self._folder / CALIBRATION_FOLDER
        frames = {}
        for kind, number in (("BIAS", 1), ("BIAS", 2), ("FLAT", 1), ("FLAT", 2)):
            pixels = self._sky.bias() if kind == "BIAS" else self._sky.flat()
            exptime_s = 0.0 if kind == "BIAS" else 2.5
            content = fits.file(self._cards(kind, kind, "R", exptime_s), pixels)
            name = f"{kind}_{number:04d}.fits"
            (aside / name).write_bytes(content)
            frames[folder / name] = content
        shutil.move(aside, folder)
        self._let_go(Way.MOVED_IN, frames)

    def _grow(self, path: Path, content: bytes) -> None:
        """Write in pieces with pauses between, as a slow read-out does, the file open throughout."""
        step = -(-len(content) // _PIECES)
        with path.open("wb") as file:
            for start in range(0, len(content), step):
                if start:
                    self._stop.wait(self._pause_s)
                file.write(content[start : start + step])
                file.flush()

    def _rewrite(self, path: Path, head: bytes) -> None:
        """Open a finished file again and put another header of the same length over the old one."""
        with path.open("r+b") as file:
            self._stop.wait(self._pause_s)
            file.write(head)

    def _let_go(self, way: Way, files: Mapping[Path, bytes]) -> None:
        now = self._clock.now()
        for path, content in files.items():
            sha256 = hashlib.sha256(content).hexdigest()
            self._report(Written(path, way, len(content), sha256, now))

    def _head(self, exposure: Exposure, *, solved: bool = False) -> bytes:
        return self._cards("M31", "LIGHT", exposure.filter, _EXPTIME_S, solved=solved)

    def _cards(
        self, target: str, kind: str, band: str, exptime_s: float, *, solved: bool = False
    ) -> bytes:
        taken_at = self._clock.now().replace(tzinfo=None).isoformat(timespec="milliseconds")
        cards = [
            fits.Card("OBJECT", target, "what the telescope looks at"),
            fits.Card("IMAGETYP", kind, "LIGHT, BIAS, DARK or FLAT"),
            fits.Card("FILTER", band),
            fits.Card("DATE-OBS", taken_at, "start of the exposure, UTC"),
            fits.Card("EXPTIME", exptime_s, "duration in seconds"),
            fits.Card("TELESCOP", _TELESCOPE),
            fits.Card("INSTRUME", _INSTRUMENT),
            fits.Card("OBSERVER", "Oort demo"),
            fits.Card("GAIN", 1.3, "electrons per count"),
            fits.Card("CCD-TEMP", -15.0, "degrees Celsius"),
            fits.Card("XBINNING", 1),
            fits.Card("YBINNING", 1),
            fits.Card("XPIXSZ", 3.76, "micrometres"),
            fits.Card("YPIXSZ", 3.76, "micrometres"),
            fits.Card("FOCALLEN", 3200.0, "millimetres"),
            fits.Card("SWCREATE", "oort demo", "a simulated frame of an invented sky"),
        ]
        if solved:
            cards += [
                fits.Card("CRVAL1", 10.684708, "right ascension in degrees"),
                fits.Card("CRVAL2", 41.26875, "declination in degrees"),
            ]
        return fits.header(self._sky.width, self._sky.height, cards)
