"""The simple REST objects: listed, read, created, changed, deleted by rote."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from arcsecond.sandbox.answers import NOT_FOUND, REQUIRED, RefusedError, json_answer
from arcsecond.sandbox.pages import listing
from arcsecond.sandbox.routes import READ, READ_AND_WRITE, Route
from arcsecond.sandbox.values import PERSONAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcsecond.sandbox.exchange import Exchange

_READ_ONLY = frozenset({"uuid", "pk", "id", "creation_date", "last_update"})


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object that is stored as it comes; its methods are the views."""

    name: str
    required: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    identifier: str = "uuid"
    aliases: tuple[str, ...] = ()
    """Fields that find an object as well as its identifier does."""
    shared: bool = False
    """The same for everybody, behind a portal's prefix too."""
    read_only: bool = False
    in_portals: bool = True
    upload_key: frozenset[str] = READ

    def routes(self) -> tuple[Route, Route]:
        """Return the routes of the listing and of one object."""
        many = {"GET": self.list} | ({} if self.read_only else {"POST": self.create})
        one = {"GET": self.read}
        if not self.read_only:
            one |= {"PATCH": self.update, "DELETE": self.delete}
        options: dict[str, Any] = {"portal": self.in_portals, "upload_key": self.upload_key}
        return (
            Route(f"/{self.name}/", many, **options),
            Route(f"/{self.name}/{{}}/", one, **options),
        )

    async def list(self, exchange: Exchange) -> Response:
        """List the objects, by the values of their own fields."""
        found = exchange.store.objects(self.name, self._portal(exchange))
        filters = exchange.filters.items()
        return listing(
            exchange,
            [one for one in found if all(str(one[k]) == v for k, v in filters if k in one)],
        )

    async def create(self, exchange: Exchange) -> Response:
        """Store a new object."""
        asked = await exchange.json()
        missing = {name: [REQUIRED] for name in self.required if asked.get(name) in (None, "")}
        if missing:
            raise RefusedError(HTTPStatus.BAD_REQUEST, missing)
        own: str | int = exchange.store.next_pk() if self.identifier == "pk" else str(uuid.uuid4())
        body = {**self.defaults, **_writable(asked), self.identifier: own}
        exchange.store.put_object(self.name, self._portal(exchange), str(own), body)
        return json_answer(body, HTTPStatus.CREATED)

    async def read(self, exchange: Exchange, ident: str) -> Response:
        """Show an object."""
        return json_answer(self._find(exchange, ident))

    async def update(self, exchange: Exchange, ident: str) -> Response:
        """Change fields of an object."""
        self._find(exchange, ident)
        asked = await exchange.json()
        body = {**self._find(exchange, ident), **_writable(asked)}
        own = str(body[self.identifier])
        exchange.store.put_object(self.name, self._portal(exchange), own, body)
        return json_answer(body)

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


def _writable(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if name not in _READ_ONLY}


RESOURCES = (
    Resource(
        "telescopes",
        required=("name", "observing_site"),
        defaults={"acronym": "", "alias": "", "coordinates": {}, "instruments": [], "images": []},
        aliases=("alias",),
        upload_key=READ_AND_WRITE,
    ),
    Resource(
        "observingsites",
        required=("name", "coordinates"),
        defaults={"nickname": "", "telescopes": [], "images": []},
        shared=True,
    ),
    Resource(
        "organisations",
        identifier="subdomain",
        shared=True,
        read_only=True,
        in_portals=False,
    ),
    Resource("nightlogs", required=("date",), defaults={"journal": "", "telescope": None}),
    Resource("observations", required=("night_log",), defaults={"name": "", "notes": ""}),
    Resource("calibrations", required=("night_log",), defaults={"name": "", "notes": ""}),
    Resource("targets", defaults={"name": "", "identifier": ""}, identifier="pk"),
    Resource("targetlists", defaults={"name": "", "description": "", "targets": []}),
    Resource("datapackages", defaults={"name": "", "description": "", "datasets": []}),
    Resource("allskycameras", defaults={"name": ""}),
)

ROUTES = tuple(route for resource in RESOURCES for route in resource.routes())
