"""A dataset is refused, deleted, renamed, has a namesake, or is made by many at once."""

from __future__ import annotations

import time
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.daemon import Home as AnotherHome
from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(300)]

POST = {"method": "POST", "path": "/datafiles/$"}
CREATE = {"method": "POST", "path": "/datasets/$"}


def _named(sandbox: Sandbox, name: str) -> list[str]:
    found = sandbox.get("/datasets/").json()
    return [one["uuid"] for one in found if one["name"] == name]


def _files_of(sandbox: Sandbox, *names: str) -> list[dict[str, Any]]:
    return [file for file in sandbox.files() if file["name"] in names]


def _until_stored(home: Home, sandbox: Sandbox, count: int) -> None:
    wait_until(lambda: len(sandbox.files()) >= count, timeout_s=60, every_s=0.2, what=home.told)


REFUSALS: list[dict[str, Any]] = [
    {"status": 403, "body": {"detail": "Not in this dataset."}},
    {"status": 404, "body": {"detail": "Not in this dataset."}},
    {"status": 400, "body": {"dataset": ["Not in this dataset."]}},
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=["403", "404", "400"])
def test_refused_dataset_holds_its_watch_alone(
    home: Home, sandbox: Sandbox, tmp_path: Path, refusal: dict[str, Any]
) -> None:
    """A refused dataset holds its own watch, one request a retry, and releases by itself.

    1. Every upload of one watch is refused for its dataset, with 403, 404, or a 400 that names it.
    2. Its five files are held with the server's words; the other watch's files are stored. Of the
       held ones, one at a time is tried.
    3. The refusal ends: they are stored, with nothing told to the daemon.
    """
    held, free = tmp_path / "held", tmp_path / "free"
    held.mkdir(), free.mkdir()
    home.watch(held, "-d", "held")
    home.watch(free, "-d", "free")
    rule = sandbox.rule(**POST, file="^held", **refusal)
    home.start()
    began = time.monotonic()
    files = [make_fits(held / f"held{n}.fits", salt=n) for n in range(5)]
    wait_until(lambda: sandbox.rules()[0]["applied"] >= 1, timeout_s=40, what=home.told)
    others = [make_fits(free / f"free{n}.fits", salt=10 + n) for n in range(3)]
    _until_stored(home, sandbox, 3)
    status = home.wait_for(OK=3, New=5)
    assert arrived(sandbox.files(), others)
    (watch,) = (one for one in status["watches"] if one["dataset"] == "held")
    assert "Not in this dataset." in str(watch), watch
    told = home.json("status", files[4])
    assert told["substatus"] == "held"
    assert "Not in this dataset." in told["error"]
    assert status["link"]["state"] == "online"
    # All five may have been in hand at first; then it is one at a time, 4 s apart at least.
    assert sandbox.rules()[0]["applied"] <= 5 + 1 + (time.monotonic() - began) / 4

    sandbox.remove(rule)
    _until_stored(home, sandbox, 8)
    home.wait_for(OK=8)
    assert arrived(sandbox.files(), [*files, *others])


def test_dataset_deleted_and_renamed(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A dataset that is deleted is made again where its name is known, and holds its watch else.

    1. One watch goes by a dataset's name, one by another's UUID. Both have stored a file. The first
       is renamed at the server: the next file goes there all the same.
    2. Both are deleted. Several files come at once: the name is looked up and made again, once;
       the UUID holds its watch with the reason, asked for by single requests.
    """
    by_name, by_uuid = tmp_path / "name", tmp_path / "uuid"
    by_name.mkdir(), by_uuid.mkdir()
    uuid = sandbox.create_dataset("given")
    home.watch(by_name, "-d", "named")
    home.watch(by_uuid, "-d", uuid)
    home.start()
    make_fits(by_name / "n0.fits", salt=0), make_fits(by_uuid / "u0.fits", salt=1)
    _until_stored(home, sandbox, 2)
    (named,) = _named(sandbox, "named")
    sandbox.send("PATCH", f"/datasets/{named}/", {"name": "renamed"})
    make_fits(by_name / "n1.fits", salt=2)
    _until_stored(home, sandbox, 3)
    assert _files_of(sandbox, "n1.fits")[0]["dataset"] == "renamed"
    assert _named(sandbox, "named") == []

    home.wait_for(OK=3)
    for one in (named, uuid):
        sandbox.request("DELETE", f"/datasets/{one}/")
    sandbox.forget_requests()
    again = [make_fits(by_name / f"n{n}.fits", salt=n) for n in range(2, 8)]
    lost = [make_fits(by_uuid / f"u{n}.fits", salt=20 + n) for n in range(1, 4)]
    _until_stored(home, sandbox, 6)
    status = home.wait_for(OK=9, New=3)
    assert arrived(sandbox.files(), again)
    assert len(_named(sandbox, "named")) == 1
    assert {file["dataset"] for file in sandbox.files()} == {"named"}
    # First in the server's words, to what was on its way; then in ours, when it was asked for.
    wait_until(
        lambda: f"there is no dataset {uuid}" in str(home.json("status", lost[-1])["error"]),
        timeout_s=40,
        every_s=1.0,
        what=home.told,
    )
    assert home.json("status", lost[-1])["substatus"] == "held"
    assert status["link"]["state"] == "online"
    sent = [r for r in sandbox.uploads() if r["file"].startswith("u")]
    assert len(sent) <= len(lost)  # what was on its way when it was deleted; asked for since


def test_datasets_of_one_name(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Of two datasets of one name the oldest is used, with a warning, and nothing stops.

    1. Two datasets of a watch's name are there when the daemon starts.
    2. The files go into the older one; the status warns, with both UUIDs.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(3)]
    home.watch(folder, "-d", "twice")
    both = [sandbox.create_dataset("twice") for _ in range(2)]
    home.start()
    _until_stored(home, sandbox, 3)
    status = home.wait_for(OK=3)
    assert arrived(sandbox.files(), files)
    assert {file["dataset_uuid"] for file in sandbox.files()} == {both[0]}
    (warning,) = (text for text in status["daemon"]["warnings"] if "twice" in text)
    assert all(uuid in warning for uuid in both)


def test_names_of_datasets(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A folder of any name gets a dataset that the server takes, and the same one every time.

    1. A watch makes a dataset a folder. The folders' names are of 200 characters twice (equal in
       the first 190), of 99 emoji, composed and decomposed accents, with blanks at the end, a
       comma and a percent sign.
    2. Every file arrives; long names stay apart; the two spellings of one name share a dataset;
       no name has more than 100 code points.
    """
    folder = tmp_path / "dome"
    composed = unicodedata.normalize("NFC", "étoile")
    names = [
        "n" * 190 + "a",
        "n" * 190 + "b",
        "\U0001f52d" * 60,
        composed,
        unicodedata.normalize("NFD", composed),
        "M 31, 100%  ",
    ]
    files = [make_fits(folder / name / f"{n}.fits", salt=n) for n, name in enumerate(names)]
    home.watch(folder, "-d", "{folder}")
    home.start()
    _until_stored(home, sandbox, len(files))
    home.wait_for(OK=len(files))
    assert arrived(sandbox.files(), files)
    made = {file["name"]: file["dataset"] for file in sandbox.files()}
    assert made["3.fits"] == made["4.fits"] == f"dome/{composed}"
    assert made["5.fits"] == "dome/M 31, 100%"
    assert made["2.fits"] == "dome/" + "\U0001f52d" * 60
    assert len(set(made.values())) == 5
    assert all(len(name) <= 100 for name in made.values())
    assert len(sandbox.get("/datasets/").json()) == 5


@pytest.mark.parametrize("when", ["before", "after"])
def test_lost_answer_of_a_creation_by_ten_workers(
    home: Home, sandbox: Sandbox, tmp_path: Path, when: str
) -> None:
    """Ten workers of two watches need one new dataset, and its creation's answer is lost: one is made.

    1. Two watches of one dataset, twenty files, ten workers; the dataset's creation takes a while,
       and its answer is lost, after it was made or before.
    2. All files are stored, in one dataset.
    """
    home.oort("config", "set", "workers", "10")
    first, second = tmp_path / "first", tmp_path / "second"
    for n in range(10):
        make_fits(first / f"a{n}.fits", salt=n), make_fits(second / f"b{n}.fits", salt=20 + n)
    home.watch(first, "-d", "shared")
    home.watch(second, "-d", "shared")
    sandbox.rule(**CREATE, delay_s=0.5)
    sandbox.rule(**CREATE, drop=True, when=when, times=1)
    home.start()
    _until_stored(home, sandbox, 20)
    home.wait_for(OK=20)
    assert arrived(sandbox.files(), [*first.iterdir(), *second.iterdir()])
    assert len(_named(sandbox, "shared")) == 1
    assert len(sandbox.uploads()) == 20


def test_two_daemons_create_one_name(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Two PCs that make a dataset of the same name at once come to the same one.

    1. Two daemons, each with a home of its own, get files for the same new dataset at the same
       moment; the server takes two seconds to answer about datasets.
    2. Whatever was made, every file is in one dataset: the oldest of that name.
    """
    with AnotherHome(tmp_path / "second observatory") as other:
        other.log_in(sandbox)
        other.configure()
        first = [make_fits(tmp_path / "a" / f"a{n}.fits", salt=n) for n in range(3)]
        second = [make_fits(tmp_path / "b" / f"b{n}.fits", salt=9 + n) for n in range(3)]
        home.watch(tmp_path / "a", "-d", "both")
        other.watch(tmp_path / "b", "-d", "both")
        sandbox.rule(path="/datasets/$", delay_s=2)
        home.start(wait=False)
        other.start(wait=False)
        _until_stored(home, sandbox, 6)
        home.wait_for(OK=3)
        other.wait_for(OK=3)
        assert arrived(sandbox.files(), [*first, *second])
        oldest, *_rest = _named(sandbox, "both")
        assert {file["dataset_uuid"] for file in sandbox.files()} == {oldest}
