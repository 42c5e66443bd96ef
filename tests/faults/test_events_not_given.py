"""Events that do not come: the kernel gives none of a folder, or of one that appeared meanwhile."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.linux


def watch_of(home: Home) -> dict[str, Any]:
    (watch,) = home.status()["watches"]
    found: dict[str, Any] = watch
    return found


def wait_for_watch(home: Home, becomes: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    latest: dict[str, Any] = {}

    def reached() -> bool:
        latest.update(watch_of(home))
        return becomes(latest)

    wait_until(reached, timeout_s=60, every_s=0.5, what=lambda: f"{latest}\n{home.told()}")
    return latest


@pytest.mark.nightly
def test_missed_events_turn_a_watch_to_polling(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A watch whose events do not come is counted out, polled, and says so.

    1. The watched folder holds a link to a folder elsewhere, and `follow_symlinks` is set: no
       observer tells of what is written there. Status says "watching", and what it does not hear.
    2. Eight files appear there. The scan finds them: they arrive, and are counted as missed.
    3. The watch is `polling` now, by itself, and status gives the reason; the next file is found
       within the time of a poll, though the next scan would be an hour away.
    """
    folder, elsewhere = tmp_path / "dome", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "link").symlink_to(elsewhere)
    home.configure({"rescan_s": "4", "poll_s": "1"})
    home.watch(folder, "--follow-symlinks")
    home.start()
    deaf = "no events come from 1 folders behind links"
    wait_for_watch(home, lambda watch: (watch["state"], watch["reason"]) == ("watching", deaf))
    wait_until(lambda: _scans(home) > 1, timeout_s=30, every_s=0.5, what=home.told)

    files = [make_fits(elsewhere / f"{n}.fits", salt=n) for n in range(8)]
    home.wait_for(OK=8)
    polled = wait_for_watch(home, lambda watch: watch["state"] == "polling")
    assert polled["missed_events"] >= 5
    assert polled["reason"].startswith("events are not reliable here: ")
    assert polled["reason"].endswith(f" were missed; {deaf}")
    assert "events are not reliable here" in home.oort("status")

    home.oort("config", "set", "rescan_s", "3600")
    files.append(make_fits(elsewhere / "late.fits", salt=99))
    home.wait_for(OK=9)
    assert arrived(sandbox.files(), files)
    assert watch_of(home)["state"] == "polling"


def _scans(home: Home) -> int:
    """Count the scans that began since the daemon started, by the moments that status showed."""
    seen: set[str] = home.__dict__.setdefault("seen_scans", set())
    seen.add(str(watch_of(home)["last_scan_at"]))
    return len(seen)


@pytest.fixture
def mount() -> Iterator[Callable[[Path, Path], None]]:
    """Give a function that mounts a folder over another one; all is taken down at the end."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it mounts a folder")
    mounted: list[Path] = []

    def bind(source: Path, target: Path) -> None:
        done = subprocess.run(
            ["mount", "--bind", str(source), str(target)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
        mounted.append(target)

    yield bind
    for target in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(target)], check=False)


@pytest.mark.nightly
def test_disk_mounted_below_a_watched_folder(
    home: Home, sandbox: Sandbox, tmp_path: Path, mount: Callable[[Path, Path], None]
) -> None:
    """What is mounted below a watched folder later on is found, and observed from then on.

    1. The daemon watches a folder with the empty folder `card` in it.
    2. A disk with a file in a folder of it is mounted on `card`, which the kernel tells nobody. The
       next scan finds the file; it arrives.
    3. The scan walked more folders than are watched, so the observer is replaced: status has no
       complaint, and what is written on the disk now arrives by its events, with no scan for an
       hour.
    """
    folder, disk = tmp_path / "dome", tmp_path / "disk"
    (folder / "card").mkdir(parents=True)
    home.configure({"rescan_s": "5"})
    home.watch(folder)
    home.start()
    wait_for_watch(home, lambda watch: watch["state"] == "watching")
    files = [make_fits(disk / "DCIM" / "a.fits", salt=1)]

    mount(disk, folder / "card")
    home.wait_for(OK=1)
    wait_until(lambda: b"watch.renewed" in home.log_file.read_bytes(), timeout_s=60, what=home.told)
    home.oort("config", "set", "rescan_s", "3600")
    wait_until(
        lambda: home.log_file.read_bytes().count(b"config.taken") > 0, timeout_s=15, what=home.told
    )
    home.becomes_idle()
    files += [make_fits(folder / "card" / "DCIM" / "b.fits", salt=2)]
    files += [make_fits(folder / "card" / "c.fits", salt=3)]

    home.wait_for(OK=3)
    assert arrived(sandbox.files(), files)
    history = home.json("status", folder / "card" / "c.fits")["history"]
    assert history[0]["cause"] == "an event named it"
    assert (watch_of(home)["state"], watch_of(home)["reason"]) == ("watching", None)
