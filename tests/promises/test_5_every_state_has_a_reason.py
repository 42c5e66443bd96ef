"""Promise 5: for any file `oort status PATH` tells what happened to it, when, and what comes next."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Final

import pytest

from arcsecond.status import Substatus
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
COMES_NEXT: Final = {
    "pending": "sent as soon as a worker is free",
    "settling...": "once it no longer changes",
    "waiting to retry": "tried again at ",
    "held": "goes on as soon as that is over",
    "checking remote file...": "being asked whether it has the file",
    "syncing dataset...": "being found or created; then it is sent",
    "uploading...": "being sent",
    "tagging...": "stored; its tags are being written",
    "done": "stored and confirmed",
    "already synced": "the server had it before",
    "skipped (hidden file)": "hidden files are never sent",
    "skipped (empty file)": "sent once something is in it",
    "ignored": "left out",
    "file gone": "If it comes back, it is sent",
    "changed after upload": "the server keeps the earlier version",
    "error": "until somebody decides",
    "name conflict": "until somebody decides",
    "truncated file": "sent if it grows",
}
"""Words of what comes next, for each state that there is."""
LONG_S: Final = 8.0
"""The time that a server takes which is slow: for a look or two by a command."""
WITHOUT_ROW: Final = {".hidden.fits", "empty.fits", "camera.log", "outside.fits"}


@pytest.mark.slow
@pytest.mark.timeout(240)  # some fifty commands, each a process
def test_every_file_tells_its_state_its_history_and_what_comes_next(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A folder with a file in each state that lasts: each tells its story, for people and scripts."""
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
    _tells_what_comes_next(home, path, substatus)


def _tells_what_comes_next(home: Home, path: Path, substatus: str) -> None:
    _, _, comes_next = home.oort("status", path).partition("What comes next:\n")
    assert COMES_NEXT[substatus] in comes_next, comes_next
    assert comes_next.strip().endswith("."), path


@pytest.mark.slow
def test_states_that_pass_tell_what_comes_next_too(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A file that is looked at while its state passes tells what is done, and what is next.

    1. There is one worker. The server takes long to create the dataset: the first file's is being
       synced, the others are pending.
    2. The server leaves the tags out of its answer, and takes long to write them: the first file is
       tagging.
    3. The answer about the second one is lost, and the server takes long to say what it has: the
       file is being checked.
    4. All end in OK, with a history that shows what each went through.
    """
    assert COMES_NEXT.keys() == {state.value for state in Substatus}
    folder = tmp_path / "dome"
    first, second, third = (folder / f"{name}.fits" for name in ("first", "second", "third"))
    make_fits(first)
    home.configure({"workers": "1"})
    home.watch(folder)
    sandbox.rule(method="POST", path="/datasets/$", delay_s=LONG_S)
    sandbox.rule(method="POST", path="/datafiles/$", file="^first", omit=["tags"])
    sandbox.rule(method="PATCH", path="/datafiles/", delay_s=LONG_S)
    sandbox.rule(
        method="POST", path="/datafiles/$", file="^second", drop=True, when="after", times=1
    )
    sandbox.rule(method="GET", path="/datafiles/", delay_s=LONG_S)
    home.start()
    home.wait_for_row(first.name, substatus="syncing dataset...")
    make_fits(second, salt=1)
    home.wait_for_row(second.name, substatus="pending")
    make_fits(third, salt=2)

    for path, substatus in (
        (first, "syncing dataset..."),
        (third, "pending"),
        (first, "tagging..."),
        (second, "checking remote file..."),
    ):
        home.wait_for_row(path.name, substatus=substatus)
        _tells_what_comes_next(home, path, substatus)
    home.wait_for(OK=3)
    for path, step in ((first, "tagging..."), (second, "checking remote file...")):
        assert step in {one["substatus"] for one in home.json("status", path)["history"]}
    assert len(sandbox.uploads()) == 3


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
    """Wait for a state: in the queue's file, or by the command where no row has that state."""
    if path.name not in WITHOUT_ROW and substatus != "held":
        home.wait_for_row(path.name, substatus=substatus)
        return
    wait_until(
        lambda: home.json("status", path)["substatus"] == substatus,
        timeout_s=40,
        every_s=0.5,
        what=home.told,
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
