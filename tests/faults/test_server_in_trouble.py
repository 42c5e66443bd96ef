"""The server answers with errors that may pass: one file's, or everybody's."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from oort.clock import SystemClock
from tests.support.files import arrived, make_fits
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

PAGE = {"content_type": "text/html", "body": "<html><h1>Bad Gateway</h1></html>"}


def _watched(home: Home, tmp_path: Path) -> Path:
    folder = tmp_path / "dome"
    folder.mkdir()
    home.watch(folder)
    home.start()
    return folder


def _attempts(home: Home) -> list[str]:
    """Return the daemon's lines of what it tried."""
    lines = home.log_file.read_text(errors="replace").splitlines()
    return [line for line in lines if "upload.attempted" in line]


@pytest.mark.nightly
def test_what_may_pass_is_tried_again_and_asked_for_where_it_may_be_stored(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Each such answer is one counted attempt; what a proxy says does not prove that nothing is stored.

    1. Files are answered once with 408, 425 or 429 in JSON, with 500, 502, 503, 504, or with a 400
       or 422 that is a page; two at a time, for three in a row are the link's trouble.
    2. Each arrives at its second attempt. After 500, 502 and 504 the server was asked for the file
       before it was sent again; after the others not.
    """
    folder = _watched(home, tmp_path)
    files = [make_fits(folder / "first.fits")]
    home.wait_for(OK=1)
    answers = (408, 425, 429, 500, 502, 503, 504, 400, 422)
    for pair in (answers[begin : begin + 2] for begin in range(0, len(answers), 2)):
        for status in pair:
            page = {} if status in (408, 425, 429) else PAGE
            sandbox.rule(file=f"^{status}", status=status, times=1, **page)
            files.append(make_fits(folder / f"{status}.fits", salt=status))
        for status in pair:
            name = f"{status}.fits"
            row = home.wait_for_row(name, substatus="done")
            assert row["attempts"] == 2, status
            assert [one["file"] for one in sandbox.uploads()].count(name) == 2, status
            asked = bool(sandbox.requests("GET", f"/{name}"))
            assert asked == (status in (500, 502, 504)), status
            causes = [line for line in _attempts(home) if f"path={name}" in line]
            assert any(HTTPStatus(status).phrase in line for line in causes), causes
            assert not any("<" in line for line in causes), causes
    assert arrived(sandbox.files(), files)
    assert home.status()["link"]["state"] == "online"


@pytest.mark.nightly
def test_retry_after_is_obeyed_for_a_file(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """A file waits as long as the server asked, in seconds or until a date, a day at most.

    1. One file after the other is answered once with 429 or 503 and a `Retry-After`: 3600 s, a date
       in half an hour, ten years in seconds and as a date, a date in the past, and words.
    2. It waits for that long, for a day, or as if nothing had been said.
    3. `oort retry` sends it at once.
    """
    folder = _watched(home, tmp_path)
    now = SystemClock().now()
    years = timedelta(days=3650)

    def date(in_the_future: timedelta) -> str:
        return format_datetime(now + in_the_future, usegmt=True)

    cases: dict[str, tuple[int, str, float, float]] = {
        "seconds": (429, "3600", 3500, 3600),
        "date": (503, date(timedelta(minutes=30)), 1500, 1800),
        "ten-years": (503, str(int(years.total_seconds())), 86_300, 86_400),
        "far-date": (429, date(years), 86_300, 86_400),
        "past": (503, date(-years), 0, 1),
        "words": (429, "soon, perhaps", 0, 1),
    }
    files = []
    for number, (name, (status, header, least, most)) in enumerate(cases.items()):
        sandbox.rule(file=f"^{name}", status=status, headers={"Retry-After": header}, times=1)
        files.append(make_fits(folder / f"{name}.fits", salt=number))
        if most > 1:
            row = home.wait_for_row(f"{name}.fits", substatus="waiting to retry", attempts=1)
            told = home.json("status", files[-1])["next_attempt_at"]
            in_s = (datetime.fromisoformat(told) - SystemClock().now()).total_seconds()
            assert least < in_s <= most, (name, in_s)
            home.oort("retry", files[-1])
        row = home.wait_for_row(f"{name}.fits", substatus="done")
        assert row["attempts"] == 2, name
    assert arrived(sandbox.files(), files)


@pytest.mark.nightly
def test_a_server_in_trouble_costs_three_attempts_and_no_more(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Three files that are refused with no success between hold the link; one row is the probe.

    1. Every upload is answered with 503; ten files are written.
    2. The link is offline and says that the server is in trouble. Each of three files has one
       counted attempt; however often it is tried, no other is counted, and no two are tried at once.
    3. The server goes away, and comes back with the same trouble: still nothing more is counted.
    4. It is well again: all ten arrive.
    """
    folder = _watched(home, tmp_path)
    rule = sandbox.rule(method="POST", path="/datafiles/$", status=503, **PAGE)
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(10)]
    home.wait_for_link("offline", "the server is in trouble: 503")

    def counted() -> int:
        return sum(home.row(file.name)["attempts"] or 0 for file in files)

    def tried(more: int) -> None:
        seen = len(sandbox.uploads())
        wait_until(lambda: len(sandbox.uploads()) >= seen + more, timeout_s=60, what=home.told)

    tried(2)
    assert counted() == 3
    sandbox.refuse(3.0, cut=True)
    home.wait_for_link("offline", "could not be reached")
    tried(2)
    assert counted() == 3
    assert home.json("status", files[-1])["substatus"] in ("held", "waiting to retry")

    sandbox.remove(rule)
    home.wait_for(OK=10)
    assert arrived(sandbox.files(), files)
    assert counted() == 13


@pytest.mark.parametrize("how", ["seconds", pytest.param("date", marks=pytest.mark.nightly)])
def test_retry_after_holds_for_the_link(
    home: Home, sandbox: Sandbox, tmp_path: Path, how: str
) -> None:
    """A server in trouble that asks for time is not tried before.

    1. Three files are answered with 503 and a `Retry-After` of five seconds (or a date in twenty);
       the server is well at once.
    2. The link waits as long as asked, although `link_retry_max_s` is 1 s; then all arrive.
    """
    folder = _watched(home, tmp_path)
    until = SystemClock().now() + timedelta(seconds=20)
    asked = "5" if how == "seconds" else format_datetime(until, usegmt=True)
    sandbox.rule(
        method="POST", path="/datafiles/$", status=503, headers={"Retry-After": asked}, times=3
    )
    files = [make_fits(folder / f"{n}.fits", salt=n) for n in range(3)]

    link = home.wait_for_link("offline", "the server is in trouble")
    next_at = datetime.fromisoformat(link["next_attempt_at"])
    if how == "seconds":
        waits = next_at - datetime.fromisoformat(link["since"])
        assert 4 < waits.total_seconds() < 7
    else:
        assert abs((next_at - until).total_seconds()) < 2
    assert len(sandbox.uploads()) == 3
    home.wait_for(OK=3)
    assert how == "seconds" or SystemClock().now() > until - timedelta(seconds=2)
    assert arrived(sandbox.files(), files)
    assert {home.row(file.name)["attempts"] for file in files} == {2}
