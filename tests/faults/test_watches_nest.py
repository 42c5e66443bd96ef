"""One watched folder lies inside another one, from some moment on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox


def dataset_of(home: Home, path: Path) -> str:
    return str(home.json("status", path)["dataset"])


@pytest.mark.nightly
def test_inner_watch_comes_and_goes(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A file belongs to the innermost watch; what another one has stored is not sent again.

    1. The outer folder is watched; a file of it and one of its folder `inner` are stored. The
       daemon pauses; a third file waits in `inner`.
    2. `inner` becomes a watch of its own while the daemon runs, which goes on then: the waiting
       file and a new one go by the inner watch's rules, a new one outside by the outer's. What was
       stored stays as it is.
    3. `inner` is watched no more: the next file in it goes by the outer watch, and nothing that the
       inner one has stored goes again, also after a restart.
    4. Each file is there once, no file was sent twice, and none asks for anybody.
    """
    outer = tmp_path / "dome"
    inner = outer / "inner"
    a, b = make_fits(outer / "a.fits", salt=1), make_fits(inner / "b.fits", salt=2)
    home.watch(outer, "-d", "outer data")
    home.start()
    home.wait_for(OK=2)
    home.oort("pause")
    c = make_fits(inner / "c.fits", salt=3)
    home.wait_for(OK=2, New=1)
    wait_until(lambda: home.json("status", c)["substatus"] == "held", timeout_s=30, what=home.told)

    home.watch(inner, "-d", "inner data")
    wait_until(
        lambda: b"watch.handed_over" in home.log_file.read_bytes(), timeout_s=30, what=home.told
    )
    home.oort("resume")
    home.wait_for(OK=3)
    d, e = make_fits(inner / "deep" / "d.fits", salt=4), make_fits(outer / "e.fits", salt=5)
    home.wait_for(OK=5)
    _rescanned(home, 2)
    assert [dataset_of(home, path) for path in (a, b, c, d, e)] == [
        "outer data",
        "outer data",
        "inner data",
        "inner data",
        "outer data",
    ]

    home.oort("unwatch", inner, "-y")
    f = make_fits(inner / "f.fits", salt=6)
    home.wait_for(OK=6)
    assert dataset_of(home, f) == "outer data"
    _rescanned(home, 1)
    assert home.stop() == 0
    home.start()
    _rescanned(home, 1)
    status = home.status()
    assert arrived(sandbox.files(), [a, b, c, d, e, f])
    assert len(sandbox.uploads()) == 6
    assert status["queue"]["by_status"]["Error"] == 0
    assert status["attention"] == []


@pytest.mark.nightly
def test_inner_watch_of_new_files_only_loses_nothing_that_waits(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """What was accepted for sending is sent, also by a watch that leaves out what lies there.

    1. The outer folder is watched, without the files `*.old`. The daemon pauses; a file waits.
    2. Its folder `inner` becomes a watch of its own, of new files only: the file that waits is sent
       by the inner watch's rules, once; the one that the outer watch left out is not.
    """
    outer = tmp_path / "dome"
    inner = outer / "inner"
    make_fits(inner / "left.old", salt=1)
    home.watch(outer, "-d", "outer data", "--exclude", "*.old")
    home.start()
    home.oort("pause")
    waits = make_fits(inner / "waits.fits", salt=2)
    home.wait_for(New=1)
    wait_until(
        lambda: home.json("status", waits)["substatus"] == "held", timeout_s=30, what=home.told
    )

    home.watch(inner, "-d", "inner data", "--new-only")
    wait_until(
        lambda: b"watch.handed_over" in home.log_file.read_bytes(), timeout_s=30, what=home.told
    )
    home.oort("resume")
    home.wait_for(OK=1)
    assert dataset_of(home, waits) == "inner data"
    assert arrived(sandbox.files(), [waits])
    assert len(sandbox.uploads()) == 1


@pytest.mark.nightly
def test_inner_watch_waits_for_what_the_outer_may_have_stored(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A lost answer is settled by the watch that sent the file, though another one has it now.

    1. The server stores a file of the folder `inner` and resets the connection; it does not say
       what it has, so nobody knows.
    2. `inner` becomes a watch of its own and is scanned: it sends nothing.
    3. The server answers again: the outer watch finds the file there. It was sent once.
    """
    outer = tmp_path / "dome"
    inner = outer / "inner"
    sandbox.rule(method="POST", path="/datafiles/", drop=True, when="after", times=1)
    sandbox.rule(method="GET", path="/datafiles/", status=503)
    file = make_fits(inner / "a.fits", salt=1)
    home.configure({"max_attempts": "1000"})
    home.watch(outer, "-d", "outer data")
    home.start()
    wait_until(lambda: len(sandbox.uploads()) == 1, timeout_s=60, what=home.told)
    wait_until(lambda: home.json("status", file)["status"] == "New", timeout_s=60, what=home.told)

    home.watch(inner, "-d", "inner data")
    wait_until(lambda: len(home.status()["watches"]) == 2, timeout_s=60, what=home.told)
    wait_until(
        lambda: all(watch["last_scan_at"] for watch in home.status()["watches"]),
        timeout_s=60,
        what=home.told,
    )
    sandbox.clear()
    home.wait_for(OK=1)
    _rescanned(home, 2)
    assert len(sandbox.uploads()) == 1
    assert [one["name"] for one in sandbox.files()] == ["a.fits"]


def _rescanned(home: Home, watches: int) -> None:
    """Wait until each watch was scanned twice more, and nothing waits."""

    def scans() -> list[str]:
        return [str(watch["last_scan_at"]) for watch in home.status()["watches"]]

    for _ in range(2):
        before = scans()
        assert len(before) == watches
        wait_until(
            lambda before=before: all(
                now != then for now, then in zip(scans(), before, strict=True)
            ),  # type: ignore[misc]
            timeout_s=60,
            every_s=0.5,
            what=home.told,
        )
    wait_until(
        lambda: home.status()["queue"]["by_status"]["New"] == 0,
        timeout_s=30,
        every_s=0.5,
        what=lambda: f"{home.status()} {home.told()}",
    )
