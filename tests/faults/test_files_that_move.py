"""Folders are moved away and written to where they went; files are renamed, deleted and put back."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.files import arrived, make_fits
from tests.support.glance import Glance

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


def _in_their_places(rows: list[dict[str, Any]], **by_status: int) -> bool:
    """Tell whether there are just so many rows of each status, without those put aside as renamed."""
    counts = Counter(row["status"] for row in rows if row["substatus"] != "ignored")
    return counts == by_status


@pytest.mark.nightly
def test_what_is_written_where_a_folder_went_is_not_sent(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A folder that left the watch sends nothing more, under no path; not even where it is the root.

    1. Two files are sent. One's folder is moved out of the watch and written to where it went; a
       folder of the old name is made, with a file.
    2. That file arrives, and nothing of the folder that went.
    3. The watched folder itself is renamed and written to where it went: nothing of that is sent,
       no row is made, and the watch is `missing`. A folder of its old name is made: its file arrives.
    """
    folder, away = tmp_path / "dome", tmp_path / "away"
    away.mkdir()
    files = [make_fits(folder / "one/a.fits", salt=0), make_fits(folder / "b.fits", salt=1)]
    home.configure({"rescan_s": "600"})
    home.watch(folder)
    home.start()
    look = Glance(home)
    look.until_rows(OK=2)

    (folder / "one").rename(away / "one")
    make_fits(away / "one/ghost.fits", salt=90)
    make_fits(away / "one/deep/ghost.fits", salt=91)
    files[0] = away / "one/a.fits"
    files.append(make_fits(folder / "one/c.fits", salt=2))
    look.until_rows(OK=3)
    make_fits(away / "one/late-ghost.fits", salt=92)
    files.append(make_fits(folder / "one/d.fits", salt=3))
    look.until_rows(OK=4)

    folder.rename(away / "dome")
    make_fits(away / "dome/ghost.fits", salt=93)
    make_fits(away / "dome/one/ghost.fits", salt=94)
    look.until_watch("dome", "missing")
    make_fits(away / "dome/late-ghost.fits", salt=95)
    kept = [away / "dome" / file.relative_to(folder) for file in files[1:]]
    files = [files[0], *kept, make_fits(folder / "again.fits", salt=4)]
    look.until_rows(OK=5)

    assert not look.rows_of("ghost.fits")
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == 5
    assert len(look.rows()) == 5


@pytest.mark.nightly
def test_files_that_wait_are_moved_deleted_and_put_back(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A file that waits is sent from where it is now; one that is gone is told so, until it is back.

    1. The daemon is paused while files wait: one is renamed, one's folder is renamed within the
       watch, one's folder leaves it, and one is deleted.
    2. It is resumed: the renamed ones arrive by their new names, each once (the row of an old name
       follows, or is put aside as renamed where the new name was seen first); the others are
       Skipped, `file gone`, after two looks, and `oort status` does not call the night safe.
    3. The deleted file is put back as it was: it settles again and arrives.
    4. The folder that left comes back: its file arrives.
    """
    folder, away = tmp_path / "dome", tmp_path / "away"
    home.configure({"rescan_s": "600"})
    folder.mkdir()
    home.watch(folder)
    home.start()
    look = Glance(home)
    home.oort("pause")
    make_fits(folder / "before.fits", salt=1)
    make_fits(folder / "inner/b.fits", salt=2)
    make_fits(folder / "leaves/c.fits", salt=3)
    deleted = make_fits(folder / "deleted.fits", salt=4)
    look.until(lambda: [row["substatus"] for row in look.rows()] == ["held"] * 4)

    (folder / "before.fits").rename(folder / "after.fits")
    (folder / "inner").rename(folder / "moved")
    (folder / "leaves").rename(away)
    shutil.copy2(deleted, tmp_path / "kept.fits")
    deleted.unlink()
    look.until(lambda: look.rows_of("after.fits") and look.rows_of("moved/b.fits"))
    home.oort("resume")

    look.until(lambda: _in_their_places(look.rows(), OK=2, Skipped=2))
    files = [folder / "after.fits", folder / "moved/b.fits"]
    assert arrived(sandbox.files(), files)
    for name in ("deleted.fits", "leaves/c.fits"):
        (row,) = look.rows_of(name)
        assert row["substatus"] == "file gone"
    assert look.status()["queue"]["gone"] == 2
    assert "are gone and never stored" in home.oort("status")

    shutil.copy2(tmp_path / "kept.fits", deleted)
    away.rename(folder / "leaves")
    look.until(lambda: _in_their_places(look.rows(), OK=4))
    assert look.status()["queue"]["gone"] == 0
    assert arrived(sandbox.files(), [*files, deleted, folder / "leaves/c.fits"])
    assert len(sandbox.uploads()) == 4
