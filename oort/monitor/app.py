"""The routes of the page, and the guard in front of all of them."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

import oort
from oort.daemon import control
from oort.errors import OortError
from oort.monitor import security
from oort.monitor.events import Feed
from oort.monitor.looking import Looking
from oort.monitor.metrics import CONTENT_TYPE, metrics
from oort.policy.health import Level

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from oort.clock import Clock
    from oort.locations import Locations
    from oort.monitor.security import Access
    from oort.policy.health import Health

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_ASSETS: Final = files("oort.monitor") / "assets"
_OPEN: Final = ("/healthz", "/login", "/assets/")
"""What is answered without a token: it says nothing of the queue."""

_MOST_BODY_BYTES: Final = 64 * 1024
_MOST_IDS: Final = 1000
_KNOWN_S: Final = 1.0
"""So long an answer of `/healthz` and `/metrics` is used again: anybody may ask."""
_ORDER_S: Final = 15.0
_WRONG_TOKEN_S: Final = 1.0
"""A wrong token costs a second, one at a time: nobody guesses his way in."""


class Monitor:
    """The page and what it needs; made once, used by one event loop."""

    def __init__(self, locations: Locations, clock: Clock, access: Access) -> None:
        self._locations = locations
        self._clock = clock
        self._access = access
        self._looking = Looking(locations, clock)
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="oort-monitor")
        self._door = asyncio.Lock()
        self._health = _Fresh(self._looking.health, self._threads, clock)
        self._numbers = _Fresh(self._looking.page, self._threads, clock)
        self.feed = Feed(self._looking.page, self._looking.mark, clock)

    def app(self) -> ASGIApp:
        """Return what answers requests: the routes behind their guard."""
        routes = [
            Route("/", self._page),
            Route("/login", self._login, methods=["POST"]),
            Route("/assets/{name}", _asset),
            Route("/events", self._events),
            Route("/metrics", self._metrics),
            Route("/healthz", self._healthz),
        ]
        if not self._access.read_only:
            routes += [
                Route("/retry", partial(self._order, "retry"), methods=["POST"]),
                Route("/skip", partial(self._order, "skip"), methods=["POST"]),
            ]
        return Guard(Starlette(routes=routes), self._access)

    async def close(self) -> None:
        """End the streams of all pages, and ask nothing any more."""
        await self.feed.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    # -- what may be seen ------------------------------------------------------------------------

    async def _page(self, _request: Request) -> Response:
        return _file("index.html")

    async def _events(self, _request: Request) -> Response:
        if self.feed.is_full:
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many pages are open")
        hello = {
            "version": oort.__version__,
            "read_only": self._access.read_only,
            "token": None if self._access.read_only else self._access.page_token,
        }
        return StreamingResponse(
            self.feed.events(hello),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},  # a proxy in between is not to collect them
        )

    async def _metrics(self, _request: Request) -> Response:
        page = await self._numbers.value()
        if page["trouble"] is not None:
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the queue cannot be read")
        return Response(metrics(page, self._clock.now()), media_type=CONTENT_TYPE)

    async def _healthz(self, _request: Request) -> Response:
        health: Health = await self._health.value()
        is_well = health.level < Level.CRITICAL
        return Response(status_code=HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE)

    # -- the token -------------------------------------------------------------------------------

    async def _login(self, request: Request) -> Response:
        """Take the token that was typed; from then on a cookie tells that it was right."""
        host = request.headers.get("host", "")
        if not security.is_same_origin(request.headers.get("origin"), host):
            return _refusal(HTTPStatus.FORBIDDEN, "not from this page")
        form = parse_qs((await _body(request)).decode("utf-8", "replace"))
        if self._access.token is not None:
            async with self._door:
                if not self._access.is_token(form.get("token", [""])[0].strip()):
                    await asyncio.sleep(_WRONG_TOKEN_S)
                    return _refusal(HTTPStatus.UNAUTHORIZED, "not the token")
        answer = Response(status_code=HTTPStatus.NO_CONTENT)
        if self._access.token is not None:
            answer.set_cookie(
                security.COOKIE,
                self._access.cookie,
                max_age=security.COOKIE_S,
                httponly=True,
                samesite="strict",
                secure=request.headers.get("origin", "").startswith("https:"),
            )
        return answer

    # -- what may be changed ---------------------------------------------------------------------

    async def _order(self, command: str, request: Request) -> Response:
        """Carry out `retry` or `skip`, as the commands of these names do."""
        if not self._access.may_change(
            request.headers.get("origin"),
            request.headers.get("host", ""),
            request.headers.get(security.PAGE_TOKEN),
        ):
            return _refusal(HTTPStatus.FORBIDDEN, "not from this page")
        arguments = _arguments(command, await _body(request))
        if arguments is None:
            return _refusal(HTTPStatus.BAD_REQUEST, "no such order")
        ask = partial(control.ask, self._locations, command, arguments, timeout_s=_ORDER_S)
        try:
            told = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        except OortError as error:
            return JSONResponse({"error": error.message}, HTTPStatus.CONFLICT)
        finally:
            self.feed.poke()
        return JSONResponse({"moved": told.get("moved", 0), "refused": told.get("refused", [])})


class Guard:
    """What every request passes: is it for us, may it look, and the headers of every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        answer = self._refuse(request) or self._app

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in security.HEADERS.items():
                    headers[name] = value
            await send(message)

        await answer(scope, receive, send_guarded)

    def _refuse(self, request: Request) -> Response | None:
        server = request.scope.get("server")
        hosts = request.headers.getlist("host")
        if not self._access.is_our_host(hosts, str(server[0]) if server else None):
            return _refusal(
                HTTPStatus.FORBIDDEN, "not our name: `oort monitor --allow-host NAME` adds one"
            )
        path = request.url.path
        if self._access.read_only and request.method not in ("GET", "HEAD") and path != "/login":
            return _refusal(HTTPStatus.METHOD_NOT_ALLOWED, "this page is read-only")
        if path.startswith(_OPEN) or self._access.may_look(
            request.headers.get("authorization"), request.headers.get("cookie")
        ):
            return None
        if path == "/":
            return _file("login.html", HTTPStatus.UNAUTHORIZED)
        refusal = _refusal(HTTPStatus.UNAUTHORIZED, "a token is needed")
        refusal.headers["www-authenticate"] = 'Bearer realm="oort monitor"'
        return refusal


class _Fresh:
    """An answer that is asked for once at a time, and again after `_KNOWN_S` only."""

    def __init__(self, ask: Callable[[], Any], threads: ThreadPoolExecutor, clock: Clock) -> None:
        self._ask = ask
        self._threads = threads
        self._clock = clock
        self._asking = asyncio.Lock()
        self._known: Any = None
        self._until_mono = float("-inf")

    async def value(self) -> Any:
        async with self._asking:
            if self._clock.monotonic() >= self._until_mono:
                loop = asyncio.get_running_loop()
                self._known = await loop.run_in_executor(self._threads, self._ask)
                self._until_mono = self._clock.monotonic() + _KNOWN_S
            return self._known


async def _body(request: Request) -> bytes:
    """Return the body; one that is too large is refused before too much of it is in memory."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BODY_BYTES:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except ClientDisconnect:
        return b""
    return bytes(body)


def _arguments(command: str, body: bytes) -> dict[str, Any] | None:
    """Return the arguments of an order; None for what is none."""
    try:
        given = json.loads(body)
    except ValueError:
        return None
    if not isinstance(given, dict) or not given.keys() <= {"ids", "all", "force"}:
        return None
    ids, everything, force = (
        given.get("ids", []),
        given.get("all", False),
        given.get("force", False),
    )
    is_list = (
        isinstance(ids, list) and len(ids) <= _MOST_IDS and all(type(one) is int for one in ids)
    )
    is_flags = isinstance(everything, bool) and isinstance(force, bool)
    if not is_list or not is_flags or bool(ids) == everything:
        return None
    if command == "skip":
        return None if everything or force else {"ids": ids}
    return {"ids": ids, "all": everything, "force": force}


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if not (_ASSETS / name).is_file() or name.endswith(".html"):
        return _refusal(HTTPStatus.NOT_FOUND, "there is no such page")
    return _file(name)


def _file(name: str, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return a file of the page."""
    content = (_ASSETS / name).read_bytes()
    return Response(content, status, media_type=_TYPES[name.rpartition(".")[2]])


def _refusal(status: HTTPStatus, words: str) -> Response:
    return PlainTextResponse(f"{words}\n", status)
