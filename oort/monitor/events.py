"""News for every open page from one reader: server-sent events.

However many pages are open, the queue is asked by one reader, and only while somebody looks. A page
that reads slowly gets the newest state, not all that were before.
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from oort.values import iso

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from oort.clock import Clock

EVERY_S: Final = 0.25
"""How often it is asked whether there is news, a quarter of a millisecond; a look costs fifty times that."""
BEAT_S: Final = 5.0
"""A page that hears nothing for longer knows that the connection is gone."""
MOST_PAGES: Final = 100


class Feed:
    """Owned by the event loop; `look` and `mark` run in a thread of their own, one at a time."""

    def __init__(
        self,
        look: Callable[[], dict[str, Any]],
        mark: Callable[[], object],
        clock: Clock,
        *,
        every_s: float = EVERY_S,
        beat_s: float = BEAT_S,
    ) -> None:
        self._look = look
        self._mark = mark
        self._clock = clock
        self._every_s = every_s
        self._beat_s = beat_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="oort-look")
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()
        self._poked = asyncio.Event()
        self._closed = False
        self._state: str | None = None
        self._turn = 0
        self.pages = 0
        """How many pages are open."""

    @property
    def is_full(self) -> bool:
        """Whether one more page would be too many."""
        return self.pages >= MOST_PAGES

    async def events(self, hello: dict[str, Any]) -> AsyncIterator[str]:
        """Yield what one page is told: `hello`, each new state, and a beat in between."""
        self.pages += 1
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())
        try:
            yield event("hello", json.dumps(hello))
            seen = 0
            while not self._closed:
                seen, state = await self._newer_than(seen)
                if state is not None:
                    yield event("page", state)
                yield event("beat", json.dumps({"at": iso(self._clock.now())}))
        finally:
            self.pages -= 1
            if self.pages == 0:
                self._rest()

    async def _newer_than(self, seen: int) -> tuple[int, str | None]:
        """Wait for a newer state; none within a beat, and none when it ends."""
        async with self._news:
            try:
                async with asyncio.timeout(self._beat_s):
                    await self._news.wait_for(lambda: self._closed or self._turn > seen)
            except TimeoutError:
                return seen, None
            return self._turn, None if self._closed else self._state

    def _rest(self) -> None:
        """Ask nothing any more: nobody looks."""
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
        self._state, self._turn = None, 0

    async def _read(self) -> None:
        """Look whenever there is news, as long as somebody looks."""
        loop = asyncio.get_running_loop()
        mark: object = None
        while True:
            self._poked.clear()
            rest_s = self._every_s
            found = await loop.run_in_executor(self._thread, self._mark)
            if mark is None or found != mark:
                mark = found  # of before the look: what is written meanwhile is seen next time
                began = loop.time()
                await self._tell(await loop.run_in_executor(self._thread, self._look))
                # Half a second between looks, and more where the queue is so large that they take long.
                rest_s = max(2 * rest_s, loop.time() - began)
            try:
                async with asyncio.timeout(rest_s):
                    await self._poked.wait()
                mark = None
            except TimeoutError:
                pass

    async def _tell(self, document: dict[str, Any]) -> None:
        state = json.dumps(document)
        if state != self._state:
            async with self._news:
                self._state = state
                self._turn += 1
                self._news.notify_all()

    def poke(self) -> None:
        """Have it look now: something was changed through the page."""
        self._poked.set()

    async def close(self) -> None:
        """End every page's stream."""
        async with self._news:
            self._closed = True
            self._news.notify_all()
        if self._reader is not None:
            self._reader.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)


def event(name: str, data: str) -> str:
    """Return one server-sent event; `data` is one line, as JSON is."""
    return f"event: {name}\ndata: {data}\n\n"
