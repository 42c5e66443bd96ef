"""`oort verify`: folders, queue and server compared, as people and scripts see it.

1. All there: exit 0, in words and as a document.
2. Deleted at the server: missing, exit 1, put back into the queue, sent again by a daemon.
3. Changed on the disk; another content at the server: named as different, exit 1.
4. Without a hash at the server: unproven, counted apart, exit 0.
5. Not seen by the queue yet; ignored by somebody's word.
6. A time that changed while the content did not is no difference.
7. A watched folder that is away, and one that cannot be read: nobody can say that all is there.
8. One listing a dataset, whatever the number of its files; an interrupted one goes on.
9. A server that cannot be asked, a key of another user: one line.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.files import make_fits

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.slow


@pytest.fixture
def images(tmp_path: Path, home: Home) -> Path:
    """Give a folder whose three files are stored, and no daemon any more."""
    folder = tmp_path / "images"
    for number in range(3):
        make_fits(folder / f"{number}.fits", salt=number)
    home.watch(folder, "-d", "night")
    home.start()
    home.wait_for(OK=3)
    assert home.stop() == 0
    return folder


def verified(home: Home, *words: str) -> tuple[int, dict[str, Any]]:
    done = home.run("oort", "verify", "--json", *words, check=False)
    assert not done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def nothing(**found: list[str]) -> dict[str, list[str]]:
    return {"missing": [], "differs": [], "unproven": []} | found


def test_all_is_there(home: Home, images: Path) -> None:
    assert verified(home) == (0, nothing())
    assert home.oort("verify") == "All is there: 3 files proven by SHA-256.\n"
    assert verified(home, "images") == (0, nothing())
    assert images.exists()


def test_what_the_server_lacks_is_sent_again(home: Home, images: Path, sandbox: Sandbox) -> None:
    lost = next(file for file in sandbox.files() if file["name"] == "1.fits")
    sandbox.request("DELETE", f"/datafiles/{lost['pk']}/")
    done = home.run("oort", "verify", check=False)
    assert done.returncode == 1
    assert "2 files proven; 1 missing, 0 differ, 0 unproven." in done.stdout
    assert "1.fits  (the server has not got it)" in done.stdout
    assert "1 file back in the queue" in done.stdout
    home.start()
    home.wait_for(OK=3)
    assert sorted(file["name"] for file in sandbox.files()) == ["0.fits", "1.fits", "2.fits"]
    assert verified(home) == (0, nothing())
    history = home.json("status", images / "1.fits")["history"]
    assert "verify: the server has not got it" in [step["cause"] for step in history]


def test_it_asks_a_running_daemon_to_send_again(home: Home, images: Path, sandbox: Sandbox) -> None:
    home.start()
    lost = sandbox.files()[0]
    sandbox.request("DELETE", f"/datafiles/{lost['pk']}/")
    code, found = verified(home)
    assert (code, found) == (1, nothing(missing=[str(images / lost["name"])]))
    home.wait_for(OK=3)
    assert len(sandbox.files()) == 3


def test_a_changed_file_differs(home: Home, images: Path) -> None:
    make_fits(images / "0.fits", salt=99)
    make_fits(images / "1.fits", size=20 * 2880, salt=99)
    assert verified(home) == (
        1,
        nothing(differs=[str(images / "0.fits"), str(images / "1.fits")]),
    )


def test_a_touched_file_does_not_differ(home: Home, images: Path) -> None:
    os.utime(images / "0.fits")
    assert verified(home) == (0, nothing())


def test_a_file_without_a_hash_at_the_server_is_unproven(
    home: Home, images: Path, sandbox: Sandbox
) -> None:
    plain = sandbox.files()[0]
    sandbox.send("PATCH", f"/datafiles/{plain['pk']}/", {"tags": []})
    code, found = verified(home)
    assert (code, found) == (0, nothing(unproven=[str(images / plain["name"])]))
    assert "1 unproven" in home.oort("verify")


def test_what_the_queue_has_not_seen_and_what_is_ignored(home: Home, images: Path) -> None:
    make_fits(images / "new.fits", salt=7)
    assert verified(home) == (1, nothing(missing=[str(images / "new.fits")]))
    home.start()
    home.wait_for(OK=4)
    home.stop()
    (images / "bad.fits").write_bytes(b"SIMPLE  =                    T")
    home.configure({"truncated_after_s": "1", "settle_s": "0.3"})
    home.start()
    home.wait_for(Error=1)
    assert verified(home) == (1, nothing(missing=[str(images / "bad.fits")]))
    home.oort("skip", images / "bad.fits")
    assert verified(home) == (0, nothing())


def test_a_folder_that_is_away(home: Home, images: Path) -> None:
    images.rename(images.with_name("elsewhere"))
    done = home.run("oort", "verify", check=False)
    assert done.returncode == 1
    assert "Warning:" in done.stderr
    assert "is not there" in done.stderr


def test_one_listing_for_a_dataset_and_an_interrupted_one_goes_on(
    home: Home, images: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    more = tmp_path / "more"
    make_fits(more / "x.fits", salt=50)
    home.watch(more, "-d", "other")
    home.watch(images, "-d", "{folder}")
    make_fits(images / "sub" / "y.fits", salt=51)
    home.start()
    home.wait_for(OK=5)
    home.stop()
    sandbox.forget_requests()
    assert verified(home) == (0, nothing())
    assert len(sandbox.requests("GET", "/datafiles/")) == 3  # night, other, images/sub
    sandbox.rule(method="GET", path="/datafiles/", status=500, skip=1)
    done = home.run("oort", "verify", "images", check=False)
    assert done.returncode == 1
    assert "goes on from here" in done.stderr
    sandbox.clear()
    sandbox.forget_requests()
    assert verified(home, "images") == (0, nothing())
    assert len(sandbox.requests("GET", "/datafiles/")) == 1


def test_who_cannot_be_asked_is_named(home: Home, images: Path, sandbox: Sandbox) -> None:
    assert images.exists()
    done = home.run("oort", "verify", "nope", check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "Error: there is no watch nope")
    sandbox.stop()
    done = home.run("oort", "verify", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "could not be reached" in done.stderr
