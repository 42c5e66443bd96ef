"""The disk of a watched folder is unmounted, mounted late, or another one is mounted in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import mounted
from tests.support.files import arrived, fits_bytes, make_fits
from tests.support.glance import Glance

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.linux


@pytest.mark.timeout(240)
@pytest.mark.nightly
def test_unmounted_with_files_that_wait_and_mounted_again(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """An unmounted disk is `missing`: its rows stay, nothing is gone, and it resumes by itself.

    1. A file is sent. The daemon is paused; one file waits, one still settles (it is short).
    2. The disk is unmounted, on the disk a file is written and the short one completed; the daemon
       is resumed: the watch is `missing` with the reason, both rows stay, for longer than two looks.
    3. It is mounted again: all arrive, and a file that is written then; no scan is due meanwhile.
    4. The same with `umount -l` while the daemon is killed and started again.
    """
    disk, folder = tmp_path / "disk", tmp_path / "dome"
    folder.mkdir()
    whole = fits_bytes(8 * 2880, salt=9)
    home.configure({"rescan_s": "600"})
    with mounted.tmpfs(disk), mounted.nothing_left_at(folder), home:
        mounted.mount("--bind", disk, folder)
        files = [make_fits(disk / "a.fits")]
        home.watch(folder)
        home.start()
        look = Glance(home)
        look.until_rows(OK=1)
        home.oort("pause")
        files.append(make_fits(folder / "waits.fits", salt=1))
        (folder / "short.fits").write_bytes(whole[: 5 * 2880])
        look.until(
            lambda: {row["substatus"] for row in look.rows()} == {"done", "held", "settling..."}
        )

        mounted.unmount(folder)
        (disk / "short.fits").write_bytes(whole)
        files += [disk / "short.fits", make_fits(disk / "meanwhile.fits", salt=2)]
        home.oort("resume")
        assert "is its disk mounted?" in look.until_watch("dome", "missing")
        look.until(lambda: "is its disk mounted?" in str(look.rows_of("waits.fits")[0]["error"]))
        seen = home.told().count("watch.returned")
        look.until(lambda: _looks(home) >= 2)
        assert look.status()["queue"]["by_status"]["New"] == 2, look.tell()
        assert home.told().count("watch.returned") == seen

        mounted.mount("--bind", disk, folder)
        look.until_rows(OK=4)
        look.until_watch("dome", "watching")
        files.append(make_fits(folder / "after.fits", salt=3))
        look.until_rows(OK=5)

        home.kill()
        files.append(make_fits(folder / "night.fits", salt=4))
        mounted.unmount(folder, lazily=True)
        home.start()
        assert "is its disk mounted?" in look.until_watch("dome", "missing")
        mounted.mount("--bind", disk, folder)
        look.until_rows(OK=6, New=0, Skipped=0, Error=0)
        assert arrived(sandbox.files(), files)
        assert len(sandbox.uploads()) == 6


def _looks(home: Home) -> int:
    """Return how often a worker has looked below the missing folder in vain."""
    return home.told().count("outcome=RootMissing") + home.told().count('"RootMissing"')


@pytest.mark.timeout(240)
@pytest.mark.nightly
def test_mounted_late_and_replaced_by_another_disk(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A disk that is mounted late is taken over, and so is another one that holds files.

    1. The daemon starts with one watch on an empty mount point, and one whose folder is not there:
       that one is `missing`, with the reason.
    2. The disk is mounted and the folder made, both with files in new folders: they arrive, and
       what is written then.
    3. The daemon is paused, a file waits, and another disk is mounted over the first: the first
       one's file is `file gone` after two looks, the other's files arrive.
    4. The other disk is taken away: the waiting file is there again, settles again, and arrives.
    """
    late, absent = tmp_path / "late", tmp_path / "absent"
    late.mkdir()
    absent.mkdir()
    home.configure({"rescan_s": "600"})
    with mounted.nothing_left_at(late), home:
        home.watch(late)
        home.watch(absent)
        absent.rmdir()
        home.start()
        look = Glance(home)
        assert "is not there" in look.until_watch("absent", "missing")
        look.until_watch("late", "watching")

        mounted.mount("-t", "tmpfs", "-o", "size=16m", "first", late)
        files = [make_fits(late / "n1/a.fits", salt=1), make_fits(absent / "n1/b.fits", salt=2)]
        look.until_rows(OK=2)
        files += [make_fits(late / "n1/c.fits", salt=3), make_fits(absent / "n2/d.fits", salt=4)]
        look.until_rows(OK=4)

        home.oort("pause")
        kept = make_fits(tmp_path / "kept/waits.fits", salt=5)
        (late / "waits.fits").write_bytes(kept.read_bytes())
        files.append(kept)
        look.until(lambda: [row["substatus"] for row in look.rows_of("waits.fits")] == ["held"])
        held = tmp_path / "first"
        held.mkdir()
        with mounted.nothing_left_at(held):
            mounted.mount("--bind", late, held)
            mounted.mount("-t", "tmpfs", "-o", "size=16m", "second", late)
            other = make_fits(tmp_path / "kept/other.fits", salt=6)
            (late / "other.fits").write_bytes(other.read_bytes())
            files.append(other)
            look.until(lambda: look.rows_of("other.fits"))
            home.oort("resume")
            look.until_rows(OK=5, Skipped=1)
            (row,) = look.rows_of("waits.fits")
            assert row["substatus"] == "file gone", look.tell()

            mounted.unmount(late)
            look.until_rows(OK=6, Skipped=0)
            assert arrived(sandbox.files(), files)
            assert len(sandbox.uploads()) == 6
