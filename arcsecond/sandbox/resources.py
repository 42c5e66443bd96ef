"""Datasets, and the simple REST objects: listed, read, created, changed, deleted by rote."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from arcsecond.sandbox.answers import NOT_FOUND, RefusedError, json_answer
from arcsecond.sandbox.pages import listing
from arcsecond.sandbox.routes import READ, READ_AND_WRITE, Route
from arcsecond.sandbox.store import PERSONAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcsecond.sandbox.exchange import Exchange
    from arcsecond.sandbox.store import Dataset

LONGEST_DATASET_NAME = 100
_REQUIRED = "This field is required."
_READ_ONLY = frozenset({"uuid", "pk", "id", "creation_date", "last_update"})


# Datasets


async def list_datasets(exchange: Exchange) -> Response:
    """List the datasets, by `?name=`, `?tags=a,b` (all of them) or `?telescope=`."""
    filters = exchange.filters
    found = exchange.store.datasets(exchange.portal, filters.get("name"))
    wanted = set(split_tags(filters.get("tags", "")))
    telescope = filters.get("telescope")
    return listing(
        exchange,
        [
            _dataset(dataset)
            for dataset in found
            if wanted <= set(dataset.tags) and telescope in (None, dataset.telescope)
        ],
    )


async def create_dataset(exchange: Exchange) -> Response:
    """Create a dataset; names are not unique."""
    asked = await exchange.json()
    if "name" not in asked:
        raise RefusedError(HTTPStatus.BAD_REQUEST, {"name": [_REQUIRED]})
    values = _checked(exchange, asked)
    dataset = exchange.store.add_dataset(
        exchange.portal,
        name=values["name"],
        telescope=values.get("telescope"),
        tags=values.get("tags", ()),
        body={"description": "", "is_public": False, **_free(asked)},
    )
    return json_answer(_dataset(dataset), HTTPStatus.CREATED)


async def read_dataset(exchange: Exchange, ident: str) -> Response:
    """Show a dataset."""
    return json_answer(_dataset(find_dataset(exchange, ident)))


async def update_dataset(exchange: Exchange, ident: str) -> Response:
    """Change a dataset's name, telescope, tags or description."""
    find_dataset(exchange, ident)
    asked = await exchange.json()
    values = _checked(exchange, asked)
    dataset = find_dataset(exchange, ident)
    body = {**dataset.body, **_free(asked)}
    exchange.store.update_dataset(replace(dataset, body=body, **values))
    return json_answer(_dataset(find_dataset(exchange, ident)))


async def delete_dataset(exchange: Exchange, ident: str) -> Response:
    """Delete a dataset with its files."""
    exchange.store.delete_dataset(find_dataset(exchange, ident).uuid)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def find_dataset(exchange: Exchange, ident: str) -> Dataset:
    """Return a dataset that the portal has; raises RefusedError."""
    dataset = exchange.store.dataset(exchange.portal, ident)
    if dataset is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, NOT_FOUND)
    return dataset


def split_tags(joined: str) -> list[str]:
    """Return the tags of a comma-joined text."""
    return [tag for tag in (part.strip() for part in joined.split(",")) if tag]


def checked_tags(value: Any) -> list[str]:
    """Return tags that came as a list or comma-joined; raises RefusedError."""
    if isinstance(value, str):
        return split_tags(value)
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        words = "Expected a list of items."
        raise RefusedError(HTTPStatus.BAD_REQUEST, {"tags": [words]})
    return value


def _checked(exchange: Exchange, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the dataset's own columns among what was asked; raises RefusedError by field."""
    values: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    if "name" in asked:
        name = asked["name"].strip() if isinstance(asked["name"], str) else None
        values["name"] = name
        if name is None:
            errors["name"] = ["Not a valid string."]
        elif not name:
            errors["name"] = ["This field may not be blank."]
        elif len(name) > LONGEST_DATASET_NAME:
            words = f"Ensure this field has no more than {LONGEST_DATASET_NAME} characters."
            errors["name"] = [words]
    if "telescope" in asked:
        telescope = values["telescope"] = asked["telescope"] or None
        if telescope is not None and (
            exchange.store.object("telescopes", exchange.portal, str(telescope)) is None
        ):
            errors["telescope"] = [f'Invalid pk "{telescope}" - object does not exist.']
    if errors:
        raise RefusedError(HTTPStatus.BAD_REQUEST, errors)
    if "tags" in asked:
        values["tags"] = tuple(checked_tags(asked["tags"]))
    return values


def _free(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asked[name] for name in ("description", "is_public") if name in asked}


def _dataset(dataset: Dataset) -> dict[str, Any]:
    """Return a dataset as the API shows it; the real one lists the pks of its files too."""
    shown = {
        "uuid": dataset.uuid,
        "name": dataset.name,
        **dataset.body,
        "telescope": dataset.telescope,
        "tags": dataset.tags,
        "creation_date": dataset.created,
        "last_update": dataset.updated,
        "data_files_count": dataset.files,
        "data_files_volume": dataset.volume,
    }
    return shown if dataset.portal == PERSONAL else {**shown, "organisation": dataset.portal}


# Everything else


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
        missing = {name: [_REQUIRED] for name in self.required if asked.get(name) in (None, "")}
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

ROUTES = (
    Route(
        "/datasets/",
        {"GET": list_datasets, "POST": create_dataset},
        portal=True,
        upload_key=READ_AND_WRITE,
    ),
    Route(
        "/datasets/{}/",
        {"GET": read_dataset, "PATCH": update_dataset, "DELETE": delete_dataset},
        portal=True,
        upload_key=READ_AND_WRITE,
    ),
    *(route for resource in RESOURCES for route in resource.routes()),
)
