"""Files that may be at the server already: after a lost answer, a first scan, a lost queue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.files import arrived, fits_bytes, make_fits, sha256_of
from tests.support.sandbox import running_sandbox
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(300)]

POST = {"method": "POST", "path": "/datafiles/$"}
ONE = r"/datafiles/[^/]+/$"
ODD_NAMES = [
    "M31.2026.11.28.fits",
    "4711",
    "100%.fits",
    "%41.fits",
    "étoile ☄.fits",
    'quo"te.fits',
    "a&amp;b.fits",
    "(1) [x] {y}.fits",
]


def _questions(sandbox: Sandbox) -> tuple[int, int]:
    """Return how many single questions for files were asked, and how many listings."""
    asked = [r["path"] for r in sandbox.requests("GET") if "/datafiles/" in r["path"]]
    listings = sum(path.endswith("/datafiles/") for path in asked)
    return len(asked) - listings, listings


def _lose_queue(home: Home) -> None:
    assert home.stop() == 0
    for left in [*(home.folder / "oort").glob("oort.db*"), *home.folder.glob("oort/backups/*")]:
        left.unlink()


def _records(*files: Path) -> list[dict[str, Any]]:
    """Return records of the server for local files, as our own upload would have made them."""
    return [
        {
            "name": path.name,
            "size": path.stat().st_size,
            "tags": [f"arcsecond|sha256|{sha256_of(path)}"],
        }
        for path in files
    ]


def _sent_once(sandbox: Sandbox, files: Sequence[Path]) -> None:
    assert arrived(sandbox.files(), files)
    names = [request["file"] for request in sandbox.uploads()]
    assert len(names) == len(files), "sent again"


def test_lost_answers_of_odd_names(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Whatever a file is called, its lost answer is settled by asking, and its lost row too.

    1. Names with dots, of digits alone, with percent signs, blanks, quotes, HTML entities and
       beyond ASCII: every file is stored, and every answer lost; single questions are answered
       with a page of HTML for every dotted name, and digits are taken for a pk.
    2. Each is found, and sent once. The queue is deleted: each is found again.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder, "-d", "M31")
    home.start()
    sandbox.rule(**POST, drop=True, when="after", times=len(ODD_NAMES))
    sandbox.rule(
        method="GET", path=r"/datafiles/[^/]*\.[^/]*/$", status=404, content_type="text/html"
    )
    sandbox.rule(method="GET", path=ONE, digits_are_pk=True)
    files = [make_fits(folder / name, salt=n) for n, name in enumerate(ODD_NAMES)]
    wait_until(lambda: len(sandbox.files()) == len(files), timeout_s=60, what=home.told)
    home.wait_for(OK=len(files))
    assert {f["sha256"] for f in sandbox.files()} == {sha256_of(path) for path in files}
    assert len(sandbox.uploads()) == len(files)

    _lose_queue(home)
    home.start()
    home.wait_for(Skipped=len(files))
    assert len(sandbox.uploads()) == len(files)
    assert home.status()["queue"]["unproven"] == 0


def test_first_scan_and_lost_queue_of_three_datasets(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Of 300 files in three datasets nothing is sent twice when the queue is lost.

    1. 300 files of three folders go to a dataset each; the queue is deleted, one file is new in
       each folder, and the daemon starts again.
    2. Every old file is asked for and none sent; the new ones are. The server is asked once a file,
       and for one listing a dataset.
    """
    folder = tmp_path / "dome"
    files = [
        make_fits(folder / f"n{k}" / f"{n}.fits", 5760, salt=n)
        for k in range(3)
        for n in range(100)
    ]
    home.watch(folder, "-d", "{folder}")
    home.start()
    wait_until(lambda: len(sandbox.files()) == 300, timeout_s=90, every_s=0.3, what=home.told)
    home.wait_for(OK=300)
    _lose_queue(home)
    files += [make_fits(folder / f"n{k}" / "new.fits", 5760, salt=1000) for k in range(3)]
    sandbox.forget_requests()

    home.start()
    wait_until(lambda: len(sandbox.files()) == 303, timeout_s=90, every_s=0.3, what=home.told)
    home.wait_for(OK=3, Skipped=300)
    assert arrived(sandbox.files(), files)
    assert {r["file"] for r in sandbox.uploads()} == {"new.fits"}
    assert len(sandbox.uploads()) == 3
    single, listings = _questions(sandbox)
    assert single <= 303
    assert 3 <= listings <= 6
    assert home.status()["queue"]["unproven"] == 0


@pytest.mark.parametrize("paged", [pytest.param(False, marks=pytest.mark.soak), True])
def test_many_doubts_by_one_listing(tmp_path: Path, paged: bool) -> None:
    """1,500 files of one dataset are settled by one listing, whole or in pages.

    1. The server has 1,500 files, half of them ours; our folder has those and one more.
    2. The first scan reads one listing, asks for few one by one, and sends the one.
    """
    from tests.support.daemon import Home as Made

    folder = tmp_path / "dome"
    content = fits_bytes(5760)
    folder.mkdir()
    files = []
    for number in range(1500):
        path = folder / f"{number}.fits"
        path.write_bytes(content)
        files.append(path)
    with (
        running_sandbox(tmp_path / "sandbox", page_size=400 if paged else None) as sandbox,
        Made(tmp_path / "observatory") as home,
    ):
        home.log_in(sandbox)
        home.configure()
        dataset = sandbox.create_dataset("M31")
        sandbox.add_records(dataset, _records(*files))
        new = make_fits(folder / "new.fits", salt=1)
        home.watch(folder, "-d", "M31")
        sandbox.forget_requests()
        home.start()
        wait_until(sandbox.uploads, timeout_s=100, every_s=0.5, what=home.told)
        home.wait_for(OK=1, Skipped=1500)
        assert [r["file"] for r in sandbox.uploads()] == [new.name]
        single, listings = _questions(sandbox)
        # Those that are seen first are asked for one by one, until it is known how many there are.
        assert single <= 1000
        assert listings <= (2 * 4 if paged else 2)


ELSEWHERE = "http://127.0.0.2:9/datasets/x/datafiles/?page=2"
UNUSABLE: dict[str, dict[str, Any]] = {
    "cut": {"body": '[{"pk": 1, "name": "x.fits"}, {"pk"', "content_type": "application/json"},
    "leads elsewhere": {"body": {"count": 9, "next": ELSEWHERE, "results": []}},
    "not made in time": {"status": 504, "content_type": "text/html", "body": "<h1>Time-out</h1>"},
}


@pytest.mark.parametrize("how", UNUSABLE)
def test_listing_that_cannot_be_used(
    home: Home, sandbox: Sandbox, tmp_path: Path, how: str
) -> None:
    """A listing that is cut, or leads to another server, gives way to single questions.

    1. The dataset has some of our files; its listing is cut, leads to another origin, or ends in a
       504 of a proxy.
    2. Every file that is there is found; the others are sent, once; the link stays online. The
       other origin is never asked.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(8)]
    dataset = sandbox.create_dataset("M31")
    for path in files[4:]:
        tag = f"arcsecond|sha256|{sha256_of(path)}"
        sandbox.upload(dataset, path.name, path.read_bytes(), tags=[tag])
    sandbox.rule(
        method="GET", path="^/datasets/[^/]+/datafiles/$", **{"status": 200, **UNUSABLE[how]}
    )
    sandbox.forget_requests()
    home.watch(folder, "-d", "M31")
    home.start()
    wait_until(lambda: len(sandbox.files()) == 8, timeout_s=60, every_s=0.2, what=home.told)
    status = home.wait_for(OK=4, Skipped=4)
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == 4
    assert status["link"]["state"] == "online"
    assert "link.offline" not in home.told()
    assert _questions(sandbox)[1] <= 12


@pytest.mark.soak
def test_listing_of_more_than_64_mib(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A listing of more than 64 MiB is given up for single questions, and costs little memory.

    1. The dataset's listing is 70 MB long; it has some of our files, others are new.
    2. Every file that is there is found, the others are sent once, and the daemon has never had
       half of the listing in memory.
    """
    folder = tmp_path / "dome"
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(6)]
    dataset = sandbox.create_dataset("M31")
    for path in files[3:]:
        tag = f"arcsecond|sha256|{sha256_of(path)}"
        sandbox.upload(dataset, path.name, path.read_bytes(), tags=[tag])
    for batch in range(100):
        tags = ["x" * 700_000]
        sandbox.add_records(dataset, [{"name": f"old{batch}.fits", "size": 1, "tags": tags}])
    home.watch(folder, "-d", "M31")
    sandbox.forget_requests()
    home.start()
    assert home.daemon is not None
    memory = Path(f"/proc/{home.daemon.pid}/status")
    wait_until(lambda: len(sandbox.files()) == 106, timeout_s=60, every_s=0.5, what=home.told)
    home.wait_for(OK=3, Skipped=3)
    assert sorted(request["file"] for request in sandbox.uploads()) == [
        "0.fits",
        "1.fits",
        "2.fits",
    ]
    (peak,) = (line for line in memory.read_text().splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) < 150_000, peak  # kB


def test_complete_body_is_asked_for_twice(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A body that went out whole and is not there is asked for twice, retry_base_s apart.

    1. The server takes a whole file, forgets it, and resets the connection.
    2. It is asked twice, at least retry_base_s apart, before the file is sent again.
    """
    home.configure({"retry_max_s": "4", "retry_base_s": "2"})
    folder = tmp_path / "dome"
    make_fits(folder / "known.fits")
    home.watch(folder, "-d", "M31")
    home.start()
    home.wait_for(OK=1)
    sandbox.rule(**POST, status=200, times=1, drop=True, when="after")
    sandbox.forget_requests()
    lost = make_fits(folder / "a.fits", salt=1)
    wait_until(lambda: len(sandbox.uploads()) == 2, timeout_s=60, every_s=0.2, what=home.told)
    home.wait_for(OK=2)
    first, second = sandbox.uploads()
    asked = [
        request
        for request in sandbox.requests("GET", "/datafiles/a.fits/")
        if first["id"] < request["id"] < second["id"]
    ]
    assert len(asked) == 2
    assert lost.name in {file["name"] for file in sandbox.files()}
    causes = [step["cause"] for step in home.json("status", lost)["history"]]
    assert any("once more before the file is sent again" in cause for cause in causes)
