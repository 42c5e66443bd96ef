"""The page of `oort monitor` in a real Chromium, with a real night behind it.

Each run leaves pictures of the page in its temporary folder (`…/pictures`), to be looked at.
"""

from __future__ import annotations

import contextlib
import os
import re
import statistics
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from oort.clock import SystemClock
from oort.daemon.tally import SPAN_S
from oort.policy import state
from oort.queue.opening import OpenQueue
from tests.support.browser import CHROMIUM, chromium, open_page
from tests.support.daemon import QUICK, Home
from tests.support.files import make_fits
from tests.support.monitor import Monitor, running_monitor
from tests.support.rows import row_in, sqlite_at
from tests.support.sandbox import running_sandbox
from tests.support.wait import wait_until

if CHROMIUM is None:
    pytest.skip("chromium is not installed", allow_module_level=True)

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.support.browser import Seen
    from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.slow

WORDS = '{"detail": "The file is not a valid FITS file: no END card in its header."}'
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow, light": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
    "narrow, dark": {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
    "a wall": {"color_scheme": "dark", "viewport": {"width": 2560, "height": 1440}},
}


@dataclass
class Dome:
    """A sandbox, a home with a daemon that watches `folder`, and a monitor of it."""

    sandbox: Sandbox
    home: Home
    folder: Path
    monitor: Monitor

    def expose(self, name: str, size: int = 2880 * 20) -> None:
        """Have a camera write a file."""
        make_fits(self.folder / name, size, salt=hash(name) % 10**9)

    def refuse(self, *names: str) -> None:
        """Have files refused by the server: they need somebody."""
        rule = self.sandbox.rule(
            method="POST",
            path="/datafiles/",
            status=422,
            body=WORDS,
            content_type="application/json",
        )
        for name in names:
            self.expose(name)
        for name in names:
            self.home.wait_for_row(name, status="Error")
        self.sandbox.remove(rule)


@contextmanager
def dome_at(folder: Path, *options: str, **settings: str) -> Iterator[Dome]:
    with running_sandbox(folder / "sandbox") as sandbox, Home(folder / "observatory") as home:
        home.know(sandbox)
        home.configure({**QUICK, "retry_base_s": "1", **settings})
        watched = folder / "dome 1"
        watched.mkdir()
        home.watch(watched, "--name", "dome 1")
        home.start()
        with running_monitor(home, *options) as monitor:
            yield Dome(sandbox, home, watched, monitor)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def dome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dome]:
    """Give one night to all tests that leave it as they found it."""
    with dome_at(tmp_path_factory.mktemp("night")) as made:
        for number in range(20):
            made.expose(f"M31/M31_R_{number:04d}.fits")
        made.home.wait_for(OK=20)
        yield made


@contextmanager
def looking(dome: Dome, browser: Browser, **context: Any) -> Iterator[Seen]:
    """Open the page; afterwards it has complained of nothing, and asked nobody but its monitor."""
    with open_page(browser, dome.monitor.url, **context) as seen:
        expect(seen.page.locator("#chip-live")).to_have_text("Live")
        yield seen
        assert seen.complaints == []
        assert seen.hosts == {f"127.0.0.1:{dome.monitor.port}"}


def verdict(page: Page) -> Any:
    return expect(page.get_by_role("heading", level=1))


# -- what it looks like -----------------------------------------------------------------------------


@pytest.mark.parametrize("look", LOOKS)
def test_it_is_whole_in_light_and_dark_wide_and_narrow(
    dome: Dome, browser: Browser, pictures: Path, look: str
) -> None:
    with looking(dome, browser, **LOOKS[look]) as seen:
        page = seen.page
        verdict(page).to_have_text(re.compile(r"^All \d+ files of tonight are safe$"))
        expect(page.locator("#finished-list li")).to_have_count(12)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        lightness = sum(int(part) for part in re.findall(r"\d+", ground)[:3]) / 3
        assert (lightness > 128) == (LOOKS[look]["color_scheme"] == "light")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        (pictures / f"safe, {look}.png").write_bytes(page.screenshot(full_page=True))


def test_a_busy_night_in_all_its_looks(browser: Browser, tmp_path: Path, pictures: Path) -> None:
    """What needs somebody, what is being sent, and twelve hours of throughput, for the pictures."""
    with dome_at(tmp_path, bwlimit="1M", workers="3") as dome:
        dome.home.stop()
        _remember_a_night(dome.home)
        dome.home.start()
        dome.refuse("flat_V_0001.fits", "flat_V_0002.fits")
        for number in range(8):
            dome.expose(f"M31/M31_Ha_180s_{number:04d}.fits", 2880 * 4000)
        for look, context in LOOKS.items():
            with looking(dome, browser, **context) as seen:
                page = seen.page
                expect(page.get_by_role("progressbar").first).to_be_visible()
                verdict(page).to_have_text("2 files need you")
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
                assert seen.nameless() == []
                for button in page.get_by_role("button").all():
                    box = button.bounding_box()
                    assert box is not None
                    assert box["height"] >= 24, "WCAG 2.5.8"
                (pictures / f"busy, {look}.png").write_bytes(page.screenshot(full_page=True))


def _remember_a_night(home: Home) -> None:
    """Write twelve hours of throughput into the notes, as a daemon does that ran all night."""
    now = int(SystemClock().now().timestamp()) // SPAN_S * SPAN_S
    spans = []
    for back in range(140, 0, -1):
        is_cloudy = 60 < back < 78
        rate = 0 if is_cloudy else 900_000 + 500_000 * ((back * 7919) % 13) / 13
        spans.append([now - back * SPAN_S, int(rate * SPAN_S), 0 if is_cloudy else 12])
    opened = OpenQueue(sqlite_at(home.folder / "oort" / "oort.db"), host="", clock=SystemClock())
    opened.queue.memory.note("throughput", {"span_s": SPAN_S, "spans": spans}).result()
    opened.close()


def test_without_motion_nothing_moves(dome: Dome, browser: Browser) -> None:
    moves = "[...document.querySelectorAll('*')].filter(e => parseFloat(getComputedStyle(e).transitionDuration) > 0).length"
    with looking(dome, browser, reduced_motion="no-preference") as seen:
        assert seen.page.evaluate(moves) > 0
    with looking(dome, browser, reduced_motion="reduce") as seen:
        assert seen.page.evaluate(moves) == 0


# -- how fresh it is --------------------------------------------------------------------------------


def test_a_file_that_is_stored_is_seen_within_two_seconds(dome: Dome, browser: Browser) -> None:
    """The median of five: other tests may have the processor just then."""
    with looking(dome, browser) as seen:
        took_s = []
        for number in range(5):
            before = int(seen.page.locator("#night-safe").inner_text())
            name = f"fresh_{number}.fits"
            dome.expose(name)
            wait_until(lambda n=name: dome.home.row(n).get("status") == "OK", every_s=0.01)
            began = time.monotonic()
            expect(seen.page.locator("#night-safe")).to_have_text(str(before + 1), timeout=20_000)
            first = seen.page.locator("#finished-list li").first
            expect(first).to_contain_text(name, timeout=20_000)
            took_s.append(time.monotonic() - began)
        assert statistics.median(took_s) <= 2.0, took_s


def test_bars_follow_the_bytes(browser: Browser, tmp_path: Path) -> None:
    with dome_at(tmp_path, bwlimit="1M", workers="1") as dome, looking(dome, browser) as seen:
        dome.expose("cube.fits", 2880 * 2500)
        bar = seen.page.get_by_role("progressbar", name="cube.fits")
        values = []
        while len(set(values)) < 3:
            values.append(int(bar.evaluate("bar => bar.value")))
        assert values == sorted(values)
        verdict(seen.page).to_have_text("1 file on the way")
        expect(seen.page.locator("#rate")).to_contain_text("to go")


def test_the_daemon_may_stop_and_start_while_it_is_open(browser: Browser, tmp_path: Path) -> None:
    with dome_at(tmp_path) as dome, looking(dome, browser) as seen:
        dome.expose("a.fits")
        verdict(seen.page).to_have_text("The file of tonight is safe")
        dome.home.stop()
        verdict(seen.page).to_have_text("The daemon is not running", timeout=2000)
        expect(seen.page.locator("#chip-daemon")).to_have_text("Daemon not running")
        expect(seen.page.get_by_role("list", name="Notices")).to_contain_text("oort start")
        dome.home.start()
        verdict(seen.page).to_have_text("The file of tonight is safe", timeout=5000)
        dome.home.kill()
        verdict(seen.page).to_have_text("The daemon is not running", timeout=2000)
        dome.home.start()
        expect(seen.page.locator("#chip-daemon")).to_have_text("Daemon running", timeout=5000)
        dome.sandbox.refuse(cut=True)
        dome.expose("b.fits")
        verdict(seen.page).to_have_text(
            re.compile(r"^1 file waits for the link, offline since \d\d:\d\d$"), timeout=10_000
        )
        dome.sandbox.clear()
        verdict(seen.page).to_have_text("All 2 files of tonight are safe", timeout=10_000)


def test_the_monitor_may_stop_and_start_while_it_is_open(browser: Browser, tmp_path: Path) -> None:
    with dome_at(tmp_path) as dome, open_page(browser, dome.monitor.url) as seen:
        dome.refuse("a.fits")
        verdict(seen.page).to_have_text("1 file needs you")
        port = dome.monitor.port
        dome.monitor.stop()
        expect(seen.page.locator("#chip-live")).to_contain_text("No contact since")
        expect(seen.page.get_by_role("list", name="Notices")).to_contain_text("lost its monitor")
        dome.monitor.start(port)
        expect(seen.page.locator("#chip-live")).to_have_text("Live", timeout=10_000)
        expect(seen.page.get_by_role("list", name="Notices")).not_to_contain_text("lost")
        # The new process gives its pages another token.
        seen.page.get_by_role("button", name="Retry: a.fits").click()
        verdict(seen.page).to_have_text("The file of tonight is safe", timeout=10_000)


def test_it_works_without_a_daemon_and_without_a_queue(
    browser: Browser, tmp_path: Path, pictures: Path
) -> None:
    with (
        Home(tmp_path / "new") as home,
        running_monitor(home) as monitor,
        open_page(browser, monitor.url) as seen,
    ):
        verdict(seen.page).to_have_text("The daemon is not running")
        expect(seen.page.locator("#night-seen")).to_have_text("0")
        (pictures / "nothing yet.png").write_bytes(seen.page.screenshot(full_page=True))
        assert seen.complaints == []


# -- with the keyboard, and with a screen reader ----------------------------------------------------


def _focused(page: Page) -> str:
    return str(
        page.evaluate(
            "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent.trim()"
        )
    )


def test_everything_can_be_done_with_the_keyboard(browser: Browser, tmp_path: Path) -> None:
    with dome_at(tmp_path) as dome, looking(dome, browser) as seen:
        page, press = seen.page, seen.page.keyboard.press
        dome.refuse("a.fits", "b.fits", "c.fits")
        expect(page.locator("#needs-list li")).to_have_count(3)

        press("Tab")
        assert _focused(page) == "To what needs you"
        press("Enter")
        press("Tab")
        assert _focused(page) == "Retry all"
        press("Tab")
        assert _focused(page).startswith("Retry: ")
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert page.evaluate(outline) == "solid"
        name = _focused(page).removeprefix("Retry: ")

        press("Tab")
        assert _focused(page) == f"Skip: {name}"
        press("Enter")
        dialog = page.get_by_role("dialog", name="Leave this file out?")
        expect(dialog).to_contain_text(name)
        assert _focused(page) == "Keep it"
        press("Escape")
        expect(dialog).to_be_hidden()
        assert _focused(page) == f"Skip: {name}"
        assert dome.home.row(name)["status"] == "Error"

        press("Enter")
        press("Tab")
        assert _focused(page) == "Skip it"
        press("Enter")
        dome.home.wait_for_row(name, status="Skipped")
        expect(page.locator("#said")).to_have_text(f"{name} is left out.")
        expect(page.locator("#needs-list li")).to_have_count(2)

        page.get_by_role("button", name="Retry all").focus()
        press("Enter")
        dome.home.wait_for(OK=2)
        expect(page.get_by_role("region", name="Needs you")).to_be_hidden()


def test_the_focus_is_not_lost_with_the_row_that_had_it(browser: Browser, tmp_path: Path) -> None:
    with dome_at(tmp_path) as dome, looking(dome, browser) as seen:
        page = seen.page
        dome.refuse("a.fits", "b.fits")
        expect(page.locator("#needs-list li")).to_have_count(2)
        page.get_by_role("button", name="Retry: a.fits").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#needs-list li")).to_have_count(1, timeout=10_000)
        assert _focused(page) == "Retry: b.fits"


def test_a_screen_reader_can_name_all_of_it(dome: Dome, browser: Browser) -> None:
    with looking(dome, browser) as seen:
        page = seen.page
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        for name in ("In hand", "The last 12 hours", "Stored last", "Watched folders", "Tonight"):
            expect(page.get_by_role("heading", level=2, name=name, exact=True)).to_be_visible()
            expect(page.get_by_role("region", name=name, exact=True)).to_be_visible()
        expect(page.get_by_role("img", name=re.compile(r"^\d+ of \d+ files safe$"))).to_be_visible()
        expect(page.get_by_role("img", name=re.compile("sent, .* stored; at most"))).to_be_visible()
        assert seen.nameless() == []
        assert page.locator("html").get_attribute("lang") == "en"


def test_a_screen_reader_hears_of_another_verdict_and_not_of_every_file(
    dome: Dome, browser: Browser
) -> None:
    with looking(dome, browser) as seen:
        spoken = seen.page.locator("#spoken")
        assert spoken.get_attribute("role") == "status"
        expect(spoken).to_have_text(re.compile(r"^All \d+ files of tonight are safe$"))
        told = seen.page.evaluate(
            """() => new Promise(done => {
                const node = document.getElementById('spoken'), heard = [];
                new MutationObserver(() => heard.push(node.textContent)).observe(node, {childList: true, characterData: true, subtree: true});
                window.heard = heard; done(heard.length);
            })"""
        )
        assert told == 0
        before = spoken.inner_text()
        for number in range(3):
            dome.expose(f"heard_{number}.fits")
            dome.home.wait_for_row(f"heard_{number}.fits", status="OK")
        verdict(seen.page).not_to_have_text(before)
        heard = seen.page.evaluate("window.heard")
        kinds = [re.sub(r"[\d,]+", "", words) for words in heard]
        assert all(one != another for one, another in pairwise(kinds))


# -- whom it trusts ---------------------------------------------------------------------------------


def test_a_name_is_text_whatever_is_in_it(browser: Browser, tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>&amp;'\"\u202egnp.fits"
    with Home(tmp_path / "observatory") as home:
        folder = tmp_path / "<b>dome"
        folder.mkdir()
        home.configure()
        config = home.folder / "oort" / "config.toml"
        config.write_text(f'{config.read_text()}\n[[watch]]\nname = "<i>dome"\npath = "{folder}"\n')
        database = sqlite_at(home.folder / "oort" / "oort.db")
        with closing(OpenQueue(database, host="", clock=SystemClock())) as opened:
            row_in(opened, evil, state.FAILED, watch="<i>dome", root=os.fsencode(folder))
        with running_monitor(home) as monitor, open_page(browser, monitor.url) as seen:
            row = seen.page.locator("#needs-list li")
            expect(row.locator(".name")).to_have_text(evil)
            expect(seen.page.locator("#watches-list .name")).to_have_text("<i>dome")
            assert seen.page.locator("main img, main i, main b").count() == 0
            assert seen.complaints == []


def test_scripts_that_are_not_its_own_files_are_not_run(dome: Dome, browser: Browser) -> None:
    add = """(way) => {
        const script = document.createElement('script');
        if (way === 'inline') script.append('window.ran = true');
        else script.src = 'data:text/javascript,window.ran=true';
        document.head.append(script);
    }"""
    with open_page(browser, dome.monitor.url) as seen:
        expect(seen.page.locator("#chip-live")).to_have_text("Live")
        for way in ("inline", "elsewhere"):
            with contextlib.suppress(PlaywrightError):  # the browser may throw, or only refuse
                seen.page.evaluate(add, way)
        seen.page.reload()
        expect(seen.page.locator("#chip-live")).to_have_text("Live")
        assert seen.page.evaluate("window.ran") is None
        assert any(re.search("Content Security Policy|Trusted", words) for words in seen.complaints)


class _Blank(BaseHTTPRequestHandler):
    """Another site on this very machine: another port is another origin."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def test_another_site_cannot_change_anything(browser: Browser, tmp_path: Path) -> None:
    """It sends what our own page would send, as far as a browser lets it."""
    another = HTTPServer(("127.0.0.1", 0), _Blank)
    serving = threading.Thread(target=another.serve_forever)
    serving.start()
    with dome_at(tmp_path) as dome, closing_server(another, serving):
        dome.refuse("a.fits")
        skip = f"{dome.monitor.url}/skip"
        with open_page(browser, f"http://127.0.0.1:{another.server_port}") as seen:
            seen.page.evaluate(
                """async (url) => {
                    const body = '{"ids": [1]}', method = 'POST';
                    for (const more of [{mode: 'no-cors'}, {}, {headers: {'X-Oort-Token': 'x'}}]) {
                        await fetch(url, {method, body, ...more}).catch(() => null);
                    }
                }""",
                skip,
            )
            with contextlib.suppress(PlaywrightError):
                seen.page.evaluate("url => fetch(url.replace('/skip', '/events'))", skip)
                raise AssertionError("it could read our news, and with them the page's token")
            seen.page.evaluate(
                """(url) => {
                    const form = document.createElement('form');
                    form.method = 'post';
                    form.action = url;
                    document.body.append(form);
                    form.submit();
                }""",
                skip,
            )
            expect(seen.page.locator("body")).to_have_text("not from this page")
        assert dome.home.row("a.fits")["status"] == "Error"


@contextmanager
def closing_server(server: HTTPServer, serving: threading.Thread) -> Iterator[None]:
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def test_the_token_is_asked_for_once(browser: Browser, tmp_path: Path, pictures: Path) -> None:
    token = "the-token-of-this-observatory"
    environment = {"OORT_MONITOR_TOKEN": token}
    with (
        Home(tmp_path / "observatory") as home,
        running_monitor(home, environment=environment) as monitor,
        open_page(browser, monitor.url) as seen,
    ):
        page = seen.page
        assert _focused(page) == ""
        assert page.evaluate("document.activeElement.id") == "token"
        (pictures / "token.png").write_bytes(page.screenshot())
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("That is not the token.")
        page.get_by_label("Token", exact=True).fill(token)
        page.keyboard.press("Enter")
        verdict(page).to_have_text("The daemon is not running")
        cookies = page.context.cookies()
        assert [(one["httpOnly"], one["sameSite"]) for one in cookies] == [(True, "Strict")]
        page.reload()
        verdict(page).to_have_text("The daemon is not running")
        assert page.evaluate("document.cookie") == ""


def test_a_read_only_page_has_no_buttons(browser: Browser, tmp_path: Path) -> None:
    with dome_at(tmp_path, "--read-only") as dome, looking(dome, browser) as seen:
        dome.refuse("a.fits", "b.fits")
        expect(seen.page.locator("#needs-list li")).to_have_count(2)
        expect(seen.page.get_by_role("button")).to_have_count(0)
