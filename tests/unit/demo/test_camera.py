"""The simulated camera writes files that astronomers' software takes for real ones."""

from __future__ import annotations

import gzip
import hashlib
import random
import threading
from typing import TYPE_CHECKING

import pytest
from astropy.io import fits

from oort.clock import SystemClock
from oort.demo.camera import Camera, Exposure, Way, Written, plan

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, HEIGHT = 96, 64


class Scene:
    """A camera, its folder, and what it reported."""

    def __init__(self, base: Path) -> None:
        self.folder = base / "images"
        self.folder.mkdir()
        self.written: list[Written] = []
        self.stop = threading.Event()
        self.camera = Camera(
            self.folder,
            base / "elsewhere",
            width=WIDTH,
            height=HEIGHT,
            pause_s=0.0,
            rng=random.Random(7),
            clock=SystemClock(),
            stop=self.stop,
            report=self.written.append,
        )

    def take(self, way: Way) -> Path:
        """Let the camera take the first frame of a night that is written in this way."""
        exposure = next(exposure for exposure in plan(5) if exposure.way is way)
        self.camera.take(exposure)
        return self.written[-1].path


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


EVERY_WAY = [way for way in Way if way is not Way.MOVED_IN]


@pytest.mark.parametrize("way", EVERY_WAY)
def test_every_way_of_writing_ends_in_a_file_that_astropy_opens_without_a_warning(
    scene: Scene, way: Way
) -> None:
    path = scene.take(way)

    with fits.open(path) as hdus:
        hdus.verify("exception")
        (image,) = hdus
        assert image.data.shape == (HEIGHT, WIDTH)
        assert image.data.dtype == "uint16"
        assert image.header["OBJECT"] == "M31"
        assert image.header["IMAGETYP"] == "LIGHT"
        assert image.header["FILTER"] in "LRGB"
        assert image.header["EXPTIME"] == 120.0
        assert image.header["TELESCOP"]
        assert image.header["INSTRUME"]
        assert image.header["DATE-OBS"].startswith("2")


def test_an_exposure_shows_stars_above_sky_and_noise(scene: Scene) -> None:
    with fits.open(scene.take(Way.SLOWLY)) as hdus:
        pixels = hdus[0].data

    assert 900 < pixels.mean() < 2500
    assert pixels.std() > 10
    assert pixels.max() > 3 * pixels.mean()


def test_two_exposures_are_never_the_same(scene: Scene) -> None:
    first, second = scene.take(Way.SLOWLY).read_bytes(), scene.take(Way.RENAMED).read_bytes()

    assert len(first) == len(second)
    assert first[2880:] != second[2880:]


def test_a_temporary_name_does_not_outlive_the_renaming(scene: Scene) -> None:
    path = scene.take(Way.RENAMED)

    assert list(scene.folder.rglob("*.tmp")) == []
    assert path.exists()


def test_a_rewritten_header_keeps_the_files_length_and_its_pixels(scene: Scene) -> None:
    path = scene.take(Way.REWRITTEN)

    with fits.open(path) as hdus:
        assert hdus[0].header["CRVAL1"] == pytest.approx(10.684708)
        assert path.stat().st_size % 2880 == 0
        assert hdus[0].data.shape == (HEIGHT, WIDTH)


def test_a_compressed_file_is_compressed(scene: Scene) -> None:
    path = scene.take(Way.COMPRESSED)

    assert path.name.endswith(".fits.gz")
    assert len(gzip.decompress(path.read_bytes())) > path.stat().st_size


def test_one_name_has_blanks_and_letters_beyond_ascii(scene: Scene) -> None:
    name = scene.take(Way.AT_ONCE).name

    assert " " in name
    assert not name.isascii()


def test_calibration_frames_arrive_with_their_folder(scene: Scene) -> None:
    scene.camera.move_in_calibration()

    assert [written.path.name for written in scene.written] == [
        "BIAS_0001.fits",
        "BIAS_0002.fits",
        "FLAT_0001.fits",
        "FLAT_0002.fits",
    ]
    for written in scene.written:
        with fits.open(written.path) as hdus:
            assert hdus[0].header["IMAGETYP"] == written.path.name.split("_")[0]
            assert hdus[0].data.dtype == "uint16"


@pytest.mark.parametrize("way", EVERY_WAY)
def test_a_report_tells_size_and_hash_of_what_lies_on_the_disk(scene: Scene, way: Way) -> None:
    content = scene.take(way).read_bytes()

    assert scene.written[-1].size == len(content)
    assert scene.written[-1].sha256 == hashlib.sha256(content).hexdigest()


def test_a_night_of_five_exposures_shows_every_way_of_writing() -> None:
    assert [exposure.way for exposure in plan(5)] == EVERY_WAY


def test_no_two_exposures_of_a_night_have_one_name() -> None:
    names: list[Exposure] = list(plan(40))

    assert len({(exposure.folder, exposure.name) for exposure in names}) == 40


def test_the_same_seed_gives_the_same_pixels(tmp_path: Path) -> None:
    frames = []
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        frames.append(Scene(tmp_path / place).take(Way.SLOWLY).read_bytes())

    assert frames[0][2880:] == frames[1][2880:]
