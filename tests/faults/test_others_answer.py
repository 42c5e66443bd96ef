"""Not Arcsecond answers but somebody else: another host, a hotel's page, a proxy, half a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.files import arrived, make_fits
from tests.support.raw_server import Connection, RawServer
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

EVERYTHING = "^/(?!_faults)"
PAGE = {"content_type": "text/html", "body": "<html><h1>Welcome. Please log in.</h1></html>"}


def _watched(home: Home, tmp_path: Path) -> Path:
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    return folder


def test_a_redirect_to_another_host_gets_neither_key_nor_file(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """No redirect is followed; the file waits and its text says to check the API address.

    1. A question for the dataset is answered with 302, then the upload with 301, 302, 307, 308,
       all to a server of another address that writes down what it gets.
    2. The file arrives in the end; each redirect was a counted attempt whose text names the host
       and says what to check. The other server was never spoken to.
    """
    folder = _watched(home, tmp_path)

    def overhear(connection: Connection) -> bytes:
        head = connection.read_request()
        connection.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        return head

    with RawServer(overhear, host="127.0.0.2") as other:
        location = {"Location": f"{other.url}/datafiles/?key=1"}
        sandbox.rule(method="GET", path="/datasets/", status=302, headers=location, times=1)
        for status in (301, 302, 307, 308):
            sandbox.rule(
                method="POST", path="/datafiles/", status=status, headers=location, times=1
            )
        file = make_fits(folder / "a.fits")
        home.wait_for(OK=1)
        assert other.accepted == 0
        assert other.results == []

    row = home.json("status", file)
    assert row["attempts"] == 6
    causes = [one["cause"] for one in row["history"] if one["substatus"] == "waiting to retry"]
    assert len(causes) == 5
    for cause in causes:
        assert f"127.0.0.2:{other.port}" in cause
        assert "check the API address" in cause
        assert "key=1" not in cause
    assert arrived(sandbox.files(), [file])


@pytest.mark.nightly
def test_a_captive_portal_holds_the_link(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A page for everything is no success: three files notice, and the rest waits at no cost.

    1. Everything is answered with a page, one after the other: with 200, with 511, and with a
       redirect to a login page on https.
    2. Of four files three have one counted attempt, no more; the link is offline and says so.
    3. The page is gone: all four arrive, once.
    """
    folder = _watched(home, tmp_path)
    pages: dict[str, dict[str, Any]] = {
        "answered with a page": {"status": 200, **PAGE},
        "511 Network Authentication Required": {"status": 511, **PAGE},
        "login.example": {"status": 302, "headers": {"Location": "https://login.example/?from=x"}},
    }
    files: list[Path] = []
    for number, (words, page) in enumerate(pages.items()):
        sandbox.rule(path=EVERYTHING, **page)
        new = [make_fits(folder / f"{number}-{n}.fits", salt=10 * number + n) for n in range(4)]
        home.wait_for_link("offline", words)
        wait_until(lambda new=new: all(home.row(f.name).get("id") for f in new), timeout_s=30)
        seen = len(sandbox.requests())
        wait_until(lambda seen=seen: len(sandbox.requests()) > seen + 1, timeout_s=60)
        assert sum(home.row(file.name)["attempts"] for file in new) == 3, words
        assert len(sandbox.files()) == len(files)

        sandbox.clear()
        files += new
        home.wait_for(OK=len(files))
        home.wait_for_link("online")
    assert arrived(sandbox.files(), files)


def test_a_page_that_says_404_to_everything_holds_the_watch(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A page of "not found" proves nothing: nothing is sent, nothing is counted, and it passes.

    1. Everything is answered with an HTML 404; two files are written.
    2. The watch is held with the reason; no attempt is counted.
    3. The page is gone: both arrive.
    """
    home.configure({"link_retry_max_s": "1"})
    folder = _watched(home, tmp_path)
    sandbox.rule(path=EVERYTHING, status=404, **PAGE)
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(2)]

    watch = wait_until(lambda: _held(home), timeout_s=60, every_s=0.2, what=home.told)
    assert "404" in watch["reason"]
    assert sum(home.row(file.name)["attempts"] for file in files) == 0

    sandbox.clear()
    home.wait_for(OK=2)
    assert arrived(sandbox.files(), files)
    assert len(sandbox.uploads()) == 2


def test_a_success_that_proves_nothing_is_asked_about(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """An empty 201, a 204, cut JSON, a list, a page: what is there is OK, what is not is sent again.

    1. The server stores five files, and confirms each in a way that proves nothing.
    2. It stores two others not, and answers as if it had.
    3. All seven are OK and there once; the first five were sent once, the two others twice.
    """
    folder = _watched(home, tmp_path)
    stored: dict[str, dict[str, Any]] = {
        "empty": {"status": 201, "body": ""},
        "nothing": {"status": 204, "body": ""},
        "cut": {"status": 201, "body": '{"pk": 7, "name": "cu', "content_type": "application/json"},
        "list": {"status": 201, "body": '["ok"]', "content_type": "application/json"},
        "page": {"status": 200, **PAGE},
    }
    for name, answer in stored.items():
        sandbox.rule(file=f"^{name}", stored=True, times=1, **answer)
    sandbox.rule(file="^lost", status=201, body="", times=1)
    sandbox.rule(file="^object", status=200, body={"detail": "thanks"}, times=1)
    names = [*stored, "lost", "object"]
    files = [make_fits(folder / f"{name}.fits", salt=n) for n, name in enumerate(names)]

    home.wait_for(OK=7)
    assert arrived(sandbox.files(), files)
    sent = [one["file"] for one in sandbox.uploads()]
    assert sorted(sent) == sorted([*(f"{name}.fits" for name in names), "lost.fits", "object.fits"])


def _held(home: Home) -> dict[str, Any] | None:
    (watch,) = home.status()["watches"]
    return dict(watch) if watch["state"] == "held" else None
