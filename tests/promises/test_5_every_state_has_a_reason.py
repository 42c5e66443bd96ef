"""Promise 5: for any file `oort status PATH` tells what happened to it, when, and what comes next."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Final

from tests.support.files import BLOCK, fits_bytes, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

ENDS: Final = {
    "stored.fits": ("OK", "done"),
    "there_before.fits": ("Skipped", "already synced"),
    "other_there.fits": ("Error", "name conflict"),
    "refused.fits": ("Error", "error"),
    "busy.fits": ("New", "waiting to retry"),
    "slow.fits": ("Uploading", "uploading..."),
    "open.dat": ("New", "settling..."),
    "cut.fits": ("Error", "truncated file"),
    "deleted.fits": ("Skipped", "file gone"),
    "changed.fits": ("Skipped", "changed after upload"),
    ".hidden.fits": ("Skipped", "skipped (hidden file)"),
    "empty.fits": ("Skipped", "skipped (empty file)"),
    "camera.log": ("Skipped", "ignored"),
    "outside.fits": ("Skipped", "ignored"),
    "acknowledged.fits": ("Skipped", "ignored"),
    "late.fits": ("New", "held"),
}
"""What becomes of each file of the scenario."""
WITHOUT_ROW: Final = {".hidden.fits", "empty.fits", "camera.log", "outside.fits"}


def test_every_file_tells_its_state_its_history_and_what_comes_next(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A folder with a file in each state that there is: each tells its story, for people and scripts."""
    folder = tmp_path / "dome"
    dataset = sandbox.create_dataset("dome")
    for name in ("there_before.fits", "other_there.fits"):
        make_fits(folder / name, salt=1)
    for name, salt in (("there_before.fits", 1), ("other_there.fits", 2)):
        content = fits_bytes(salt=salt)
        tags = [f"arcsecond|sha256|{hashlib.sha256(content).hexdigest()}"]
        sandbox.upload(dataset, name, content, tags=tags)
    make_fits(tmp_path / "elsewhere.fits")
    (folder / "outside.fits").symlink_to(tmp_path / "elsewhere.fits")
    for name in (".hidden.fits", "camera.log", "stored.fits", "changed.fits", "refused.fits"):
        make_fits(folder / name, salt=len(name))
    make_fits(folder / "acknowledged.fits", salt=30)
    make_fits(folder / "busy.fits", salt=31)
    make_fits(folder / "slow.fits", 500 * BLOCK, salt=32)
    (folder / "empty.fits").touch()
    (folder / "cut.fits").write_bytes(fits_bytes(salt=33)[: 2 * BLOCK])
    post = {"method": "POST", "path": "/datafiles/"}
    sandbox.rule(**post, file="^(refused|acknowledged)", status=400, body={"file": ["No."]})
    sandbox.rule(**post, file="^busy", status=503, headers={"Retry-After": "3600"})
    sandbox.rule(**post, file="^slow", read_bytes_per_s=1000)
    home.watch(folder, "--exclude", "*.log")

    with (folder / "open.dat").open("wb") as writer:
        writer.write(b"x" * 1000)
        writer.flush()
        home.start()
        _becomes(home, folder / "changed.fits", "done")
        home.configure({"truncated_after_s": "3600"})
        (folder / "deleted.fits").write_bytes(fits_bytes(salt=34)[: 2 * BLOCK])
        _becomes(home, folder / "deleted.fits", "settling...")
        (folder / "deleted.fits").unlink()
        home.configure({"truncated_after_s": "2"})
        make_fits(folder / "changed.fits", 5 * BLOCK, salt=99)
        _becomes(home, folder / "acknowledged.fits", "error")
        home.oort("skip", folder / "acknowledged.fits")
        for name in ENDS.keys() - {"late.fits"}:
            _becomes(home, folder / name, ENDS[name][1])
        for name in ENDS.keys() - {"late.fits"}:
            _tells_everything(home, folder / name)
        home.oort("pause")
        make_fits(folder / "late.fits", salt=100)
        _becomes(home, folder / "late.fits", "held")
        _tells_everything(home, folder / "late.fits")


def _tells_everything(home: Home, path: Path) -> None:
    document = home.json("status", path)
    status, substatus = ENDS[path.name]
    assert (document["status"], document["substatus"]) == (status, substatus), document
    if status == "Error" or path.name in WITHOUT_ROW:
        assert document["error"], document
    _tells_its_history(path.name, document)
    _, _, comes_next = home.oort("status", path).partition("What comes next:\n")
    assert comes_next.strip().endswith("."), path


def _tells_its_history(name: str, document: dict[str, object]) -> None:
    """See that the history ends where the row is, with a moment and a cause for each step."""
    history = document["history"]
    assert isinstance(history, list)
    if name in WITHOUT_ROW:
        assert document["id"] is None
        assert history == []
        return
    moments = [datetime.fromisoformat(step["at"]) for step in history]
    assert moments == sorted(moments)
    assert all(step["cause"] for step in history), history
    if document["substatus"] != "held":  # computed when asked, never written
        last = history[-1]
        assert (last["status"], last["substatus"]) == (document["status"], document["substatus"])


def _becomes(home: Home, path: Path, substatus: str) -> None:
    def found() -> str:
        done = home.run("oort", "status", path, "--json", check=False)
        return done.stdout + done.stderr

    wait_until(
        lambda: f'"substatus": "{substatus}"' in found().partition('"history"')[0],
        timeout_s=40,
        every_s=0.1,
        what=lambda: f"{path.name} is not {substatus}: {found()}\n{home.told()}",
    )


def test_a_path_that_has_no_state_says_why(home: Home, tmp_path: Path) -> None:
    """What is not there, or not watched, is one line on stderr that says which, and exit 1."""
    folder = tmp_path / "dome"
    folder.mkdir()
    elsewhere = make_fits(tmp_path / "elsewhere.fits")
    home.watch(folder)
    home.start()

    for path, words in (
        (folder / "never.fits", "does not exist"),
        (elsewhere, "watch"),
    ):
        done = home.run("oort", "status", path, check=False)
        assert done.returncode == 1
        assert done.stdout == ""
        assert words in done.stderr
        assert "Traceback" not in done.stderr
