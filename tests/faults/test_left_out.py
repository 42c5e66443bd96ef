"""What lies in a watched folder and is not to be sent: hidden, empty, excluded, and Oort's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import mounted
from tests.support.files import arrived, make_fits
from tests.support.glance import Glance

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


@pytest.mark.nightly
@pytest.mark.timeout(240)
def test_own_hidden_empty_and_excluded_files_are_never_sent(home: Home, sandbox: Sandbox) -> None:
    """Where Oort's own home lies in the watched folder, images are sent and nothing of its own.

    1. The watched folder holds the home with queue, log, key and config.toml; hidden files and
       folders, empty files, excluded names and folders, temporary names, and images among all that.
    2. The images arrive, also from beside Oort's own files, and nothing else, after many scans.
    3. `oort status PATH` names the rule for each of the others; `oort status` counts them.
    4. A pattern is taken away while it runs: what it kept out arrives.
    """
    folder = home.folder
    files = [
        make_fits(folder / name, salt=salt) for salt, name in enumerate(("a.fits", "b/c.fits"))
    ]
    files += [make_fits(folder / "oort/beside.fits", salt=2)]
    left_out = {
        ".hidden.fits": "hidden",
        ".cache/in.fits": "hidden",
        "b/.deep/x/in.fits": "hidden",
        "empty.fits": "empty",
        "x.fits.tmp": "*.tmp",
        "y.part": "*.part",
        "darks/d.fits": "darks/",
        "b/flat_1.fits": "flat_*",
        "notes.txt": "not included",
        "oort/config.toml": "own file",
        "oort/oort.db": "own file",
        "arcsecond/config.ini": "own file",
    }
    for salt, name in enumerate(left_out, start=10):
        if not (folder / name).exists() and not name.startswith(("oort/", "arcsecond/")):
            make_fits(folder / name, salt=salt)
    (folder / "empty.fits").write_bytes(b"")
    kept = ["*.fits", "*.db*", "*.toml", "*.ini", "*.lock", "*.log*", "*.json"]
    options = [word for pattern in kept for word in ("--include", pattern)]
    home.watch(folder, *options, "--exclude", "darks/", "--exclude", "flat_*")
    home.start()
    look = Glance(home)
    look.until_rows(OK=3)
    look.until_watch("observatory", "watching")
    files.append(make_fits(folder / "oort/logs-of-the-dome.fits", salt=3))
    first = look.watch("observatory")["last_scan_at"]
    look.until(lambda: look.watch("observatory")["last_scan_at"] != first)
    look.until_rows(OK=4)

    assert arrived(sandbox.files(), files)
    assert len(look.rows()) == 4, look.tell()
    for name, rule in left_out.items():
        path = folder / name
        by_command = name.startswith(("arcsecond/", "y."))
        found = home.json("status", path) if by_command else look.of_path(path)
        assert (found["id"], found["status"]) == (None, "Skipped"), name
        assert rule in found["error"], (name, found["error"])
    counted = look.watch("observatory")["left_out"]
    assert (counted["hidden"], counted["empty"], counted["outside"]) == (3, 1, 0)

    home.watch(folder, "--exclude", "darks/")
    look.until_rows(OK=5)
    assert arrived(sandbox.files(), [*files, folder / "b/flat_1.fits"])
    assert len(sandbox.uploads()) == 5


@pytest.mark.linux
def test_queue_on_a_network_share_is_refused(home: Home, tmp_path: Path) -> None:
    """A daemon whose queue lies on a network share refuses with a line that names the remedy.

    1. OORT_HOME is moved to a share; the daemon is started: exit 1, one line and a hint.
    2. The queue alone is moved back by `database` in config.toml: it starts.
    """
    behind, place = tmp_path / "server", tmp_path / "share"
    (home.folder / "oort").rename(behind)
    with mounted.share(behind, place, subtype=None), home:
        home.environment["OORT_HOME"] = str(place)
        refused = home.run("oort", "start", check=False)
        assert refused.returncode == 1
        error, hint = [line for line in refused.stderr.splitlines() if not line.startswith("20")]
        assert f"the queue's folder {place} is on a network file system" in error
        assert hint.startswith("Hint: set OORT_HOME")
        assert {path.name for path in behind.glob("oort.db*")} == {"oort.db.lock"}

        home.environment["OORT_DATABASE_URL"] = f"sqlite:///{tmp_path}/queue.db"
        home.start()
        assert home.stop() == 0
