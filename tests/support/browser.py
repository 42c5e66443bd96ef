"""A real Chromium: Debian's, driven by playwright. What a page asks for and complains of is kept.

with chromium() as browser, open_page(browser, monitor.url) as seen:
    expect(seen.page.get_by_role("heading", level=1)).to_have_text("…")
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

CHROMIUM: Final = shutil.which("chromium")
_QUIETLY: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NAMED: Final = {"button", "link", "textbox", "progressbar", "image", "img", "dialog", "heading"}


@dataclass
class Seen:
    """An open page, and what it did that nobody sees."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> set[str]:
        """Whom it asked for anything."""
        return {urlsplit(url).netloc for url in self.requests}

    def nameless(self) -> list[str]:
        """Return what a screen reader meets and cannot name, from Chromium's own accessibility tree."""
        session = self.page.context.new_cdp_session(self.page)
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        session.detach()
        return [
            str(node["role"]["value"])
            for node in nodes
            if not node.get("ignored")
            and node.get("role", {}).get("value", "").lower() in _NAMED
            and not node.get("name", {}).get("value")
        ]


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run a Chromium for the time of the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIETLY))
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def open_page(browser: Browser, url: str, **context: Any) -> Iterator[Seen]:
    """Open a page in a profile of its own: `color_scheme`, `viewport`, and what else there is."""
    profile = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **context})
    seen = Seen(profile.new_page())
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.on(
        "console",
        lambda said: said.type in ("error", "warning") and seen.complaints.append(said.text),
    )
    try:
        seen.page.goto(url)
        yield seen
    finally:
        profile.close()
