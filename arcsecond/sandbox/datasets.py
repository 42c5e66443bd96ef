"""Datasets: listed by name and tags, created, changed, deleted with their files."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from arcsecond.sandbox.answers import NOT_FOUND, REQUIRED, RefusedError, json_answer
from arcsecond.sandbox.bodies import read_fields
from arcsecond.sandbox.pages import listing
from arcsecond.sandbox.routes import READ_AND_WRITE, Route
from arcsecond.sandbox.values import PERSONAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcsecond.sandbox.exchange import Exchange
    from arcsecond.sandbox.values import Dataset

LONGEST_NAME = 100
LONGEST_DESCRIPTION = 5000
_TOO_LONG = "Ensure this field has no more than {} characters."


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
            if wanted <= set(dataset.tags)
            and telescope in (None, dataset.telescope)
            and dataset.created <= (exchange.shown_until or dataset.created)
        ],
    )


async def create_dataset(exchange: Exchange) -> Response:
    """Create a dataset; names are not unique."""
    asked = await read_fields(exchange)
    if "name" not in asked:
        raise RefusedError(HTTPStatus.BAD_REQUEST, {"name": [REQUIRED]})
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


async def replace_dataset(exchange: Exchange, ident: str) -> Response:
    """Change a dataset, whose name must come; what else does not come stays."""
    return await update_dataset(exchange, ident, whole=True)


async def update_dataset(exchange: Exchange, ident: str, *, whole: bool = False) -> Response:
    """Change a dataset's name, telescope, tags or description."""
    find_dataset(exchange, ident)
    asked = await read_fields(exchange)
    if whole and "name" not in asked:
        raise RefusedError(HTTPStatus.BAD_REQUEST, {"name": [REQUIRED]})
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
        elif len(name) > LONGEST_NAME:
            errors["name"] = [_TOO_LONG.format(LONGEST_NAME)]
    if len(str(asked.get("description", ""))) > LONGEST_DESCRIPTION:
        errors["description"] = [_TOO_LONG.format(LONGEST_DESCRIPTION)]
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


ROUTES = (
    Route(
        "/datasets/",
        {"GET": list_datasets, "POST": create_dataset},
        portal=True,
        upload_key=READ_AND_WRITE,
    ),
    Route(
        "/datasets/{}/",
        {
            "GET": read_dataset,
            "PUT": replace_dataset,
            "PATCH": update_dataset,
            "DELETE": delete_dataset,
        },
        portal=True,
        upload_key=READ_AND_WRITE,
    ),
)
