"""The ASGI application: which view answers a request, who may ask it, what the rules change."""

from __future__ import annotations

import itertools
import json
import logging
from collections import deque
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from starlette.responses import RedirectResponse, Response

from arcsecond.sandbox import accounts, datafiles, datasets, members, resources, switchboard
from arcsecond.sandbox.answers import RefusedError, instead, json_answer, page
from arcsecond.sandbox.exchange import Exchange, GoneError, Key, Record, Waiting
from arcsecond.sandbox.faults import Rules
from arcsecond.sandbox.forms import fill, new_form
from arcsecond.sandbox.routes import Route, View, find
from arcsecond.sandbox.values import PERSONAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from arcsecond.sandbox.server import Listener
    from arcsecond.sandbox.store import Store

_log = logging.getLogger(__name__)

REQUESTS_KEPT = 50_000
_KEY_HEADER = b"x-arcsecond-api-authorization"
_WHO_ARE_YOU = {"WWW-Authenticate": "Token"}


class SandboxApp:
    """Answers requests from a store, under the rules of the switchboard if that is open."""

    routes: ClassVar[tuple[Route, ...]] = (
        *accounts.ROUTES,
        *members.ROUTES,
        *datasets.ROUTES,
        *datafiles.ROUTES,
        *resources.ROUTES,
    )
    _first_words = frozenset(route.first_word for route in routes)

    def __init__(self, store: Store, *, page_size: int | None, faults: bool) -> None:
        self.store = store
        self.page_size = page_size
        self.rules = Rules()
        self.waiting = Waiting()
        self.requests: deque[Record] = deque(maxlen=REQUESTS_KEPT)
        self.listener: Listener | None = None
        self._faults = faults
        self._numbers = itertools.count(1)
        self._keys: dict[str, Key] = {}
        self.load_keys()

    def load_keys(self) -> None:
        """Learn the keys that are valid from now on."""
        self._keys = {
            sent: Key(account, is_upload_key=upload)
            for account in self.store.accounts()
            for sent, upload in (
                (f"Key {account.upload_key}", True),
                (f"Key {account.access_key}", False),
                (f"Token {accounts.token_of(account)}", False),
            )
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(
            scope,
            receive,
            store=self.store,
            rules=self.rules,
            waiting=self.waiting,
            page_size=self.page_size,
            number=next(self._numbers),
        )
        try:
            if self._faults and exchange.path.startswith(switchboard.PREFIX):
                answer = await switchboard.answer(self, exchange)
            else:
                self.requests.append(exchange.record)
                answer = await self._answer_under_rules(exchange)
                exchange.record.status = answer.status_code
        except GoneError:
            await exchange.until_gone()
            return
        finally:
            exchange.record.done = True
        answer.headers.setdefault("date", formatdate(usegmt=True))
        await answer(scope, receive, send)

    async def _answer_under_rules(self, exchange: Exchange) -> Response:
        """Return the answer as the rules want it; raises GoneError where they want none."""
        plan = exchange.plan = self.rules.plan(exchange.method, exchange.full_path)
        if plan.drop and plan.drop.when == "before":
            exchange.cut()
        exchange.meddle()
        answer = await (self._refuse(exchange) if plan.refuses else self._answer(exchange))
        if plan.instead is not None:
            answer = instead(plan.instead)
        if plan.alter or plan.omit or plan.truncate_size is not None:
            _alter(answer, exchange)
        for name, value in (plan.headers or {}).items():
            answer.headers[name] = value
        if plan.close:
            answer.headers["connection"] = "close"
        if plan.delay_s:
            await self.waiting.wait(plan.delay_s)
        if plan.kill and plan.kill.after_bytes is None:
            exchange.kill()
        if plan.drop and plan.drop.when == "after":
            exchange.cut()
        if exchange.is_gone:
            raise GoneError
        return answer

    async def _refuse(self, exchange: Exchange) -> Response:
        """Read the body, for its file name if it is a form, unless the rule answers early."""
        if exchange.plan.instead and not exchange.plan.instead.early:
            try:
                with new_form(exchange) as form:
                    await fill(form, exchange)
            except RefusedError:
                await exchange.drain()
        return Response(status_code=HTTPStatus.NO_CONTENT)  # the rule's own comes in its place

    async def _answer(self, exchange: Exchange) -> Response:
        """Return what the real server would answer, were it this one."""
        try:
            route, arguments = self._resolve(exchange)
            if not route.open:
                self._authorise(exchange, route)
            if exchange.method == "OPTIONS":
                return _about(route)
            return await _view(route, exchange.method)(exchange, *arguments)
        except _UnknownUrlError:
            return page(HTTPStatus.NOT_FOUND)
        except _SlashMissingError:
            query = f"?{exchange.record.query}" if exchange.record.query else ""
            return RedirectResponse(f"{exchange.full_path}/{query}", HTTPStatus.MOVED_PERMANENTLY)
        except RefusedError as refused:
            return refused.answer()
        except OSError as error:  # the disk is full, for one
            _log.warning("%s %s: %s", exchange.method, exchange.full_path, error)
            return page(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _resolve(self, exchange: Exchange) -> tuple[Route, tuple[str, ...]]:
        """Find the route; take the portal off the path."""
        path = exchange.full_path
        first, _, rest = path.removeprefix("/").partition("/")
        if first not in self._first_words:
            exchange.portal, exchange.path = first, f"/{rest}"
        in_portal = exchange.portal != PERSONAL
        found = find(self.routes, exchange.path, in_portal=in_portal)
        if found is not None:
            return found
        if not path.endswith("/") and find(self.routes, f"{exchange.path}/", in_portal=in_portal):
            raise _SlashMissingError
        raise _UnknownUrlError

    def _authorise(self, exchange: Exchange, route: Route) -> None:
        """Refuse who has no key, or not the right one for this; raises RefusedError."""
        sent = exchange.header(_KEY_HEADER) or exchange.header(b"authorization")
        if not sent:
            words = "Authentication credentials were not provided."
            raise RefusedError(HTTPStatus.UNAUTHORIZED, words, _WHO_ARE_YOU)
        key = exchange.key = self._keys.get(sent)
        exchange.record.key = "unknown"
        if key is None:
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "Invalid key.", _WHO_ARE_YOU)
        exchange.record.key = "upload" if key.is_upload_key else "access"
        accounts.check_rights(exchange, key, route)


class _UnknownUrlError(Exception):
    """No route has this path."""


class _SlashMissingError(Exception):
    """With a slash at its end, a route would have this path."""


def _view(route: Route, method: str) -> View:
    """Return the view of a method; raises RefusedError where the route has none."""
    view = route.views.get("GET" if method == "HEAD" else method)
    if view is None:
        words = f'Method "{method}" not allowed.'
        raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, words, {"Allow": route.allow})
    return view


def _about(route: Route) -> Response:
    """Return what Django REST framework says of a route."""
    answer = json_answer(
        {
            "name": route.path,
            "description": "",
            "renders": ["application/json"],
            "parses": [
                "application/json",
                "application/x-www-form-urlencoded",
                "multipart/form-data",
            ],
        }
    )
    answer.headers["allow"] = route.allow
    return answer


@dataclass(frozen=True, slots=True)
class _Alteration:
    """How the objects of an answer are to read."""

    values: Mapping[str, Any]
    omit: tuple[str, ...]

    def of(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.of(item) for item in value]
        if not isinstance(value, dict):
            return value
        if isinstance(value.get("results"), list):
            return {**value, "results": self.of(value["results"])}
        return {k: v for k, v in {**value, **self.values}.items() if k not in self.omit}


def _alter(answer: Response, exchange: Exchange) -> None:
    """Make the answer's JSON read as the plan wants it."""
    if answer.media_type != "application/json" or not answer.body:
        return
    plan = exchange.plan
    values = dict(plan.alter or {})
    if plan.truncate_size is not None:
        values["size"] = plan.truncate_size
    altered = _Alteration(values, plan.omit or ()).of(json.loads(bytes(answer.body)))
    answer.body = json_answer(altered).body
    answer.headers["content-length"] = str(len(answer.body))
