"""News for every page from one reader, which rests while nobody looks."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

from oort.monitor.events import Feed
from tests.support.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

HELLO = {"version": "5"}


class Source:
    """A queue that says what a test says, and counts how often it was asked."""

    def __init__(self) -> None:
        self.state = {"turn": 0}
        self.looks = self.marks = 0
        self.threads: set[int] = set()

    def look(self) -> dict[str, Any]:
        self.looks += 1
        self.threads.add(threading.get_ident())
        return dict(self.state)

    def mark(self) -> object:
        self.marks += 1
        return tuple(self.state.values())


def run(test: Callable[[Source, Feed], Awaitable[None]]) -> None:
    """Run a test with a feed that asks often."""

    async def with_feed() -> None:
        source = Source()
        feed = Feed(source.look, source.mark, FakeClock(), every_s=0.01, beat_s=0.05)
        try:
            await asyncio.wait_for(test(source, feed), 20)
        finally:
            await feed.close()

    asyncio.run(with_feed())


async def next_of(events: AsyncIterator[str], name: str) -> Any:
    async for one in events:
        kind, _, data = one.removeprefix("event: ").partition("\ndata: ")
        if kind == name:
            return json.loads(data)
    raise AssertionError("the stream ended")


def test_a_page_is_greeted_and_told_the_state_and_what_changes() -> None:
    async def test(source: Source, feed: Feed) -> None:
        page = feed.events(HELLO)
        assert await next_of(page, "hello") == HELLO
        assert await next_of(page, "page") == {"turn": 0}
        source.state = {"turn": 1}
        assert await next_of(page, "page") == {"turn": 1}
        assert "at" in await next_of(page, "beat")

    run(test)


def test_nothing_new_is_not_looked_at_and_not_told() -> None:
    async def test(source: Source, feed: Feed) -> None:
        page = feed.events(HELLO)
        await next_of(page, "page")
        for _ in range(3):
            await next_of(page, "beat")
        assert source.marks > 3
        assert source.looks == 1

    run(test)


def test_many_pages_have_one_reader() -> None:
    async def test(source: Source, feed: Feed) -> None:
        pages = [feed.events(HELLO) for _ in range(10)]
        for turn in range(3):
            source.state = {"turn": turn}
            for page in pages:
                while await next_of(page, "page") != {"turn": turn}:
                    pass
        assert feed.pages == 10
        assert source.looks == 3
        assert len(source.threads) == 1

    run(test)


def test_nobody_is_asked_while_nobody_looks() -> None:
    async def test(source: Source, feed: Feed) -> None:
        page = feed.events(HELLO)
        await next_of(page, "page")
        await page.aclose()  # type: ignore[attr-defined]  # an async generator has it
        assert feed.pages == 0
        await asyncio.sleep(0.05)  # what was in hand ends
        asked = (source.marks, source.looks)
        await asyncio.sleep(0.2)
        assert (source.marks, source.looks) == asked

        source.state = {"turn": 7}
        assert await next_of(feed.events(HELLO), "page") == {"turn": 7}

    run(test)


def test_after_an_order_it_is_looked_at_once_whatever_the_mark_says() -> None:
    async def test(source: Source, feed: Feed) -> None:
        page = feed.events(HELLO)
        await next_of(page, "page")
        source.mark = lambda: "the same"  # type: ignore[method-assign]  # a clock too coarse
        feed.poke()
        source.state = {"turn": 2}
        feed.poke()
        assert await next_of(page, "page") == {"turn": 2}

    run(test)


def test_the_end_ends_every_stream() -> None:
    async def test(_source: Source, feed: Feed) -> None:
        page = feed.events(HELLO)
        await next_of(page, "page")
        closing = asyncio.create_task(feed.close())
        rest = [one async for one in page]
        await closing
        assert len(rest) <= 2

    run(test)
