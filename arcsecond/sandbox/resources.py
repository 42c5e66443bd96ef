"""The simple REST objects: listed, read, created, changed, deleted by rote."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import date
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from arcsecond.sandbox.answers import NOT_FOUND, REQUIRED, RefusedError, json_answer
from arcsecond.sandbox.bodies import read_fields
from arcsecond.sandbox.pages import listing
from arcsecond.sandbox.routes import READ, READ_AND_WRITE, Route
from arcsecond.sandbox.store import timestamp
from arcsecond.sandbox.values import PERSONAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcsecond.sandbox.exchange import Exchange

_READ_ONLY = frozenset({"uuid", "pk", "id", "creation_date", "last_update"})
_ALL = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object that is stored as it comes; its methods are the views."""

    name: str
    required: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    identifier: str = "uuid"
    aliases: tuple[str, ...] = ()
    """Fields that find an object as well as its identifier does."""
    longest: Mapping[str, int] = field(default_factory=dict)
    """Texts, and how many characters they may have."""
    refers: Mapping[str, str] = field(default_factory=dict)
    """Fields that hold the identifier of an object, and of which resource."""
    parent: str | None = None
    """The field that `refers` to what this resource can be listed below, too."""
    stamped: bool = False
    """Has `creation_date` and `last_update`."""
    owned: bool = False
    """Has a `profile`, the username, or behind a portal's prefix an `organisation`."""
    shared: bool = False
    """The same for everybody, behind a portal's prefix too."""
    methods: frozenset[str] = _ALL
    portal_methods: frozenset[str] = _ALL
    """The same behind a portal's prefix."""
    upload_key: frozenset[str] = READ

    def routes(self) -> tuple[Route, ...]:
        """Return the routes of the listing and of one object, personal ones and a portal's."""
        found = [*self._routes(self.methods, portal=False)]
        found += self._routes(self.portal_methods, portal=True)
        if self.parent is not None:
            path = f"/{self.refers[self.parent]}/{{}}/{self.name}/"
            below = {"GET": self.list, "POST": self.create}
            found.append(Route(path, below, upload_key=self.upload_key))
        return tuple(found)

    def _routes(self, methods: frozenset[str], *, portal: bool) -> list[Route]:
        many = {"GET": self.list, "POST": self.create}
        one = {"GET": self.read, "PUT": self.replace, "PATCH": self.update, "DELETE": self.delete}
        options: dict[str, Any] = {"personal": not portal, "portal": portal}
        options["upload_key"] = self.upload_key
        allowed = (
            (path, {method: view for method, view in views.items() if method in methods})
            for path, views in ((f"/{self.name}/", many), (f"/{self.name}/{{}}/", one))
        )
        return [Route(path, views, **options) for path, views in allowed if views]

    async def list(self, exchange: Exchange, parent: str | None = None) -> Response:
        """List the objects, by the values of their own fields, or those below another object."""
        filters = {**exchange.filters, **self._below(exchange, parent)}.items()
        found = exchange.store.objects(self.name, self._portal(exchange))
        return listing(
            exchange,
            [one for one in found if all(str(one[k]) == v for k, v in filters if k in one)],
        )

    async def create(self, exchange: Exchange, parent: str | None = None) -> Response:
        """Store a new object."""
        asked = {**await read_fields(exchange), **self._below(exchange, parent)}
        self._check(exchange, asked, whole=True)
        own: str | int = exchange.store.next_pk() if self.identifier == "pk" else str(uuid.uuid4())
        body = {
            self.identifier: own,
            **self.defaults,
            **self._stamps(created=True),
            **self._owner(exchange),
            **_writable(asked),
        }
        exchange.store.put_object(self.name, self._portal(exchange), str(own), body)
        return json_answer(body, HTTPStatus.CREATED)

    async def read(self, exchange: Exchange, ident: str) -> Response:
        """Show an object."""
        return json_answer(self._find(exchange, ident))

    async def update(self, exchange: Exchange, ident: str, *, whole: bool = False) -> Response:
        """Change fields of an object."""
        self._find(exchange, ident)
        asked = await read_fields(exchange)
        self._check(exchange, asked, whole=whole)
        body = {**self._find(exchange, ident), **_writable(asked), **self._stamps(created=False)}
        own = str(body[self.identifier])
        exchange.store.put_object(self.name, self._portal(exchange), own, body)
        return json_answer(body)

    async def replace(self, exchange: Exchange, ident: str) -> Response:
        """Change an object, of which all that is required must come; the rest stays."""
        return await self.update(exchange, ident, whole=True)

    async def delete(self, exchange: Exchange, ident: str) -> Response:
        """Delete an object."""
        own = str(self._find(exchange, ident)[self.identifier])
        exchange.store.delete_object(self.name, self._portal(exchange), own)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    def _portal(self, exchange: Exchange) -> str:
        return PERSONAL if self.shared else exchange.portal

    def _find(self, exchange: Exchange, ident: str) -> dict[str, Any]:
        portal = self._portal(exchange)
        found = exchange.store.object(self.name, portal, ident)
        if found is None and self.aliases:
            everything = exchange.store.objects(self.name, portal)
            by_alias = (o for o in everything if ident in [o.get(a) for a in self.aliases])
            found = next(by_alias, None)
        if found is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, NOT_FOUND)
        return found

    def _below(self, exchange: Exchange, parent: str | None) -> dict[str, str]:
        """Return the field that says below what the path is; raises RefusedError for what is not."""
        if parent is None or self.parent is None:
            return {}
        if exchange.store.object(self.refers[self.parent], PERSONAL, parent) is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, NOT_FOUND)
        return {self.parent: parent}

    def _stamps(self, *, created: bool) -> dict[str, str]:
        now = timestamp()
        if not self.stamped:
            return {}
        return {"creation_date": now, "last_update": now} if created else {"last_update": now}

    def _owner(self, exchange: Exchange) -> dict[str, str]:
        if not self.owned or exchange.key is None:
            return {}
        if exchange.portal != PERSONAL:
            return {"organisation": exchange.portal}
        return {"profile": exchange.key.account.username}

    def _check(self, exchange: Exchange, asked: Mapping[str, Any], *, whole: bool) -> None:
        """Refuse by field what cannot be stored; raises RefusedError."""
        errors: dict[str, list[str]] = {}
        for name in self.required:
            if name in asked or whole:
                if asked.get(name) is None:
                    errors[name] = [REQUIRED]
                elif asked[name] == "":
                    errors[name] = ["This field may not be blank."]
        for name in asked.keys() - errors.keys():
            words = self._error(exchange, name, asked[name])
            if words:
                errors[name] = [words]
        if errors:
            raise RefusedError(HTTPStatus.BAD_REQUEST, errors)

    def _error(self, exchange: Exchange, name: str, value: Any) -> str | None:
        """Return what is wrong with the value of a field, in Django's words."""
        if name in self.longest:
            if not isinstance(value, str):
                return "Not a valid string."
            if len(value) > self.longest[name]:
                return f"Ensure this field has no more than {self.longest[name]} characters."
        if name in self.refers and value is not None:
            portals = {PERSONAL, exchange.portal}
            found = (exchange.store.object(self.refers[name], p, str(value)) for p in portals)
            if not any(found):
                return f'Invalid pk "{value}" - object does not exist.'
        if name == "date" and not _is_date(value):
            return "Date has wrong format. Use one of these formats instead: YYYY-MM-DD."
        return None


def _is_date(value: Any) -> bool:
    try:
        date.fromisoformat(value)
    except (ValueError, TypeError):
        return False
    return True


def _writable(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if name not in _READ_ONLY}


_OF_A_NIGHT: dict[str, Any] = {
    "name": "",
    "notes": "",
    "start": None,
    "duration": "",
    "data_file": None,
}

RESOURCES = (
    Resource(
        "telescopes",
        required=("name", "observing_site"),
        defaults={"acronym": "", "alias": "", "coordinates": {}, "instruments": [], "images": []},
        aliases=("alias",),
        refers={"observing_site": "observingsites"},
        parent="observing_site",
        portal_methods=_ALL - {"DELETE"},
        upload_key=READ_AND_WRITE,
    ),
    Resource(
        "observingsites",
        required=("name", "coordinates"),
        defaults={"nickname": "", "telescopes": [], "images": []},
        longest={"homepage_url": 300},
        shared=True,
        methods=_ALL - {"DELETE"},
        portal_methods=_ALL - {"DELETE"},
    ),
    Resource(
        "organisations",
        identifier="subdomain",
        shared=True,
        methods=READ,
        portal_methods=frozenset(),
    ),
    Resource(
        "nightlogs",
        required=("date",),
        defaults={"journal": "", "telescope": None, "observations": [], "calibrations": []},
        refers={"telescope": "telescopes"},
        owned=True,
    ),
    Resource(
        "observations",
        required=("night_log",),
        defaults={**_OF_A_NIGHT, "target_name": ""},
        longest={"name": 200},
        refers={"night_log": "nightlogs"},
        parent="night_log",
        portal_methods=READ,
    ),
    Resource(
        "calibrations",
        required=("night_log",),
        defaults={**_OF_A_NIGHT, "type": ""},
        longest={"name": 200},
        refers={"night_log": "nightlogs"},
        parent="night_log",
        portal_methods=READ,
    ),
    Resource(
        "targets",
        defaults={"object": "", "name": "", "identifier": "", "type": "", "mode": ""},
        identifier="pk",
        longest={"name": 200, "identifier": 100, "type": 50, "mode": 50},
    ),
    Resource(
        "targetlists",
        defaults={"name": "", "description": "", "tags": [], "targets": [], "is_public": False},
        longest={"name": 1000},
        stamped=True,
        owned=True,
    ),
    Resource(
        "datapackages",
        defaults={"name": "", "description": "", "datasets": [], "is_public": False, "size": 0},
        longest={"name": 100, "description": 5000},
        stamped=True,
        owned=True,
    ),
    Resource("allskycameras", defaults={"name": ""}),
)

ROUTES = tuple(route for resource in RESOURCES for route in resource.routes())
