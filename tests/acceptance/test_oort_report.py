"""`oort report` as people, scripts and printers get it: a night that was really sent."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from oort.policy.night import night_of
from tests.support.daemon import Home
from tests.support.files import make_fits
from tests.support.sandbox import running_sandbox
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVIL = "<script>alert(1)<&\"'{{7*7}}.fits"
TONIGHT = night_of(datetime.now(UTC), None).isoformat()  # noqa: TID251  # what is tested goes by the clock
VOID = {"meta", "link", "br", "path", "circle"}


class Page(HTMLParser):
    """A page as a reader without eyes has it: its tags, its text, what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.title = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "title":
            self.title += data
        elif "style" not in self.open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A night in which everything arrived, the numbers have a hole, and the daemon still runs."""
    folder = tmp_path_factory.mktemp("report")
    with running_sandbox(folder / "storage") as sandbox, Home(folder / "home") as made:
        made.know(sandbox)
        made.configure()
        images = folder / "images"
        now = datetime.now(UTC).isoformat()[:19]  # noqa: TID251  # a camera's clock
        for n in (1, 2, 4):
            make_fits(
                images / f"M31_{n:04}.fits",
                salt=n,
                OBJECT="M31",
                FILTER="R",
                IMAGETYP="Light Frame",
                EXPTIME="300.0",
                **{"DATE-OBS": now},
            )
        make_fits(images / "flats" / "flat.fits", salt=9, IMAGETYP="FLAT", EXPTIME="2")
        make_fits(images / EVIL.replace("/", ""), salt=10, OBJECT="<b>x</b>")
        made.watch(images)
        made.start()
        made.wait_for(OK=5)
        yield made


def run(home: Home, *words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "oort", "report", *words],
        capture_output=True,
        text=True,
        env={**home.environment, **environment},
        check=False,
    )


def report(home: Home, *words: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run(home, *words, "--json").stdout)
    return document


def test_a_night_that_arrived_is_complete(home: Home) -> None:
    document = wait_until(
        lambda: found if (found := report(home))["complete"] else None, timeout_s=60
    )

    assert TONIGHT == document["night"]
    assert {"total": 5, "safe": 5} == {key: document["files"][key] for key in ("total", "safe")}
    assert {"R": 3} == document["by_filter"]
    assert {"Light Frame": 3, "FLAT": 1} == document["by_imagetyp"]
    assert {"M31": 3, "<b>x</b>": 1} == document["by_object"]
    assert {"images": 4, "images/flats": 1} == document["by_dataset"]
    assert 900.0 == document["exposure_s"]
    assert 0 < document["time_to_cloud_s"]["median"] <= document["time_to_cloud_s"]["max"]
    (gap,) = document["gaps"]
    assert ("M31_0002.fits", "M31_0004.fits", 1) == (gap["after"], gap["before"], gap["missing"])
    assert [] == document["failures"] == document["unknown"]
    done = run(home, "--check")
    assert (0, "") == (done.returncode, done.stderr)


def test_another_night_is_empty_and_a_night_to_come_is_not_complete(home: Home) -> None:
    assert 0 == report(home, "--night", "2001-01-01")["files"]["total"]
    assert 0 == run(home, "--night", "2001-01-01", "--check").returncode
    done = run(home, "--night", "2999-01-01", "--check")
    assert (1, "") == (done.returncode, done.stderr)
    assert "has not begun" in done.stdout
    assert 2 == run(home, "--night", "22.11.2026").returncode


def test_the_verdict_comes_first_and_the_rest_fits_a_terminal(home: Home) -> None:
    shown = run(home).stdout

    assert shown.startswith(f"The night of {TONIGHT} is complete: all 5 files are safe.\n")
    assert "\x1b" not in shown
    for words in ("EXPOSURE", "15 min of light frames", "OBJECT", "M31_0002.fits"):
        assert words in shown


@pytest.mark.parametrize("columns", [80, 120])
def test_on_a_terminal_no_line_is_longer_than_it(home: Home, columns: int) -> None:
    import pty

    ours, theirs = pty.openpty()
    environment = {**home.environment, "TERM": "xterm", "COLUMNS": str(columns)}
    for no_color in ({}, {"NO_COLOR": "1"}):
        with subprocess.Popen(
            [sys.executable, "-m", "oort", "report"],
            stdout=theirs,
            stdin=theirs,
            env=environment | no_color,
        ) as process:
            shown = b""
            while b"M31_0004.fits" not in shown:
                shown += os.read(ours, 1 << 16)
            process.wait(60)
        plain = re.sub(rb"\x1b\[[0-9;]*m", b"", shown).decode()
        assert max(len(line) for line in plain.splitlines()) <= columns
        assert (b"\x1b[32m" in shown) == (not no_color)
    os.close(ours)
    os.close(theirs)


def test_the_page_needs_nothing_else_and_says_the_same(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "night.html"

    done = run(home, "--html", file)

    assert 0 == done.returncode, done.stderr
    assert f"Written: {file}" in done.stdout
    text = file.read_text(encoding="utf-8")
    page = Page(text)
    assert [] == page.open
    assert [{"lang": "en"}] == page.all("html")
    assert "complete" in page.title
    assert "All 5 files are at the server." in page.text
    fetched = [
        (tag, key, value)
        for tag, attributes in page.tags
        for key, value in attributes.items()
        if key in ("src", "href", "srcset", "data", "action", "poster", "xlink:href", "background")
    ]
    assert [("link", "href", "data:,")] == fetched
    assert not re.search(r"https?:|//\w|url\(|@import|<script", text)
    assert "default-src 'none'" in text


def test_the_page_escapes_what_cameras_write(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "night.html"
    make_known = report(home)["by_object"]
    assert "<b>x</b>" in make_known

    run(home, "--html", file)

    text = file.read_text(encoding="utf-8")
    assert "<b>x</b>" not in text
    assert "&lt;b&gt;x&lt;/b&gt;" in text


def test_the_page_can_be_used_without_seeing_it(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "night.html"
    run(home, "--html", file)
    page = Page(file.read_text(encoding="utf-8"))

    assert page.all("table")
    assert page.all("th")
    assert all(one.get("scope") in ("col", "row") for one in page.all("th"))
    assert len(page.all("caption")) + len(
        [one for one in page.all("table") if one.get("aria-labelledby")]
    ) == len(page.all("table"))
    drawings = page.all("svg")
    assert all(one.get("aria-hidden") or one.get("aria-label") for one in drawings)
    assert ["img"] == [one["role"] for one in drawings if "role" in one]
    assert 1 == len(page.all("h1")) == len(page.all("main"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    named = {
        attributes[key]
        for _, attributes in page.tags
        for key in ("aria-labelledby", "aria-describedby")
        if key in attributes
    }
    assert named <= set(ids)


def test_a_page_is_written_in_one_step_or_not_at_all(home: Home, tmp_path: Path) -> None:
    link, target = tmp_path / "latest.html", tmp_path / "real.html"
    target.write_text("old")
    link.symlink_to(target)

    assert 0 == run(home, "--html", link).returncode
    done = run(home, "--html", tmp_path / "nowhere" / "night.html")

    assert target.read_text(encoding="utf-8").endswith("</html>\n")
    assert link.is_symlink()
    assert 1 == done.returncode
    assert re.fullmatch(r"Error: .*cannot be written: .*\nHint: .*\n", done.stderr)
    assert {"latest.html", "real.html"} == {one.name for one in tmp_path.glob("*html*")}


def test_what_is_not_safe_makes_the_check_fail_without_a_word_on_stderr(
    home: Home, tmp_path: Path
) -> None:
    """Last of all: it adds to the night a file that stays short."""
    images = next(iter(home.json("folders")))["path"]
    short = make_fits(tmp_path / "short.fits", salt=11).read_bytes()[:-3000]
    with open(f"{images}/short.fits", "wb") as file:  # noqa: PTH123
        file.write(short)
    wait_until(lambda: report(home)["files"]["waiting"] == 1, timeout_s=60)

    done = run(home, "--check", "--json")

    assert (1, "") == (done.returncode, done.stderr)
    assert not json.loads(done.stdout)["complete"]
    assert "is not complete: 5 of 6 files safe; 1 on the way." in run(home).stdout
