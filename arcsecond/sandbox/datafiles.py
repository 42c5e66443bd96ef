"""Data files: uploaded, listed, found by name, tagged, deleted."""

from __future__ import annotations

import secrets
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import FileResponse, Response

from arcsecond.sandbox.answers import NOT_FOUND, REQUIRED, RefusedError, json_answer
from arcsecond.sandbox.bodies import is_multipart, last_values, read_fields
from arcsecond.sandbox.datasets import checked_tags, find_dataset, split_tags
from arcsecond.sandbox.forms import fill, new_form
from arcsecond.sandbox.pages import long_listing
from arcsecond.sandbox.routes import READ_AND_WRITE, Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcsecond.sandbox.exchange import Exchange
    from arcsecond.sandbox.forms import Form
    from arcsecond.sandbox.values import Arrived, DataFile, Dataset

LONGEST_NAME_BYTES = 255
_FREE_FIELDS = ("fsname", "fspath", "target_name")
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_NO_FILE = "No file was submitted."
_NO_BOOLEAN = "Must be a valid boolean."


async def upload(exchange: Exchange, dataset: str | None = None) -> Response:
    """Store the file of a multipart form in the dataset that the form, or the path, names."""
    if dataset is not None:
        exchange.record.dataset = find_dataset(exchange, dataset).uuid
    with new_form(exchange) as form:
        await fill(form, exchange)
        if exchange.plan.refuses:
            return Response(status_code=HTTPStatus.NO_CONTENT)  # the rule's own comes in its place
        target, values = _checked(exchange, form, dataset)
        return json_answer(
            show(exchange, _store(exchange, form, target, values)), HTTPStatus.CREATED
        )


def _checked(exchange: Exchange, form: Form, dataset: str | None) -> tuple[Dataset, dict[str, Any]]:
    """Return the dataset and the columns that a form asks for; raises RefusedError by field."""
    errors: dict[str, list[str]] = {}
    ident = dataset or form.text("dataset")
    target = exchange.store.dataset(exchange.portal, ident) if ident else None
    if not ident:
        errors["dataset"] = [REQUIRED]
    elif target is None:
        errors["dataset"] = [f'Invalid pk "{ident}" - object does not exist.']
    errors |= _file_errors(form)
    is_raw = (form.text("is_raw") or "true").lower()
    if is_raw not in _TRUE | _FALSE:
        errors["is_raw"] = [_NO_BOOLEAN]
    if errors or target is None:
        raise RefusedError(HTTPStatus.BAD_REQUEST, errors)
    return target, {
        "tags": [tag for joined in form.fields.get("tags", ()) for tag in split_tags(joined)],
        "is_raw": is_raw in _TRUE,
        "body": {name: form.text(name) for name in _FREE_FIELDS if name in form.fields},
    }


def _file_errors(form: Form) -> dict[str, list[str]]:
    if form.file_name is None:
        return {"file": [_NO_FILE]}
    if form.size == 0:
        return {"file": ["The submitted file is empty."]}
    if len(form.file_name.encode()) > LONGEST_NAME_BYTES:
        return {"name": [f"Ensure this field has no more than {LONGEST_NAME_BYTES} characters."]}
    return {}


def _store(exchange: Exchange, form: Form, dataset: Dataset, values: Mapping[str, Any]) -> DataFile:
    """Give the file its name in the dataset; raises RefusedError where that is taken."""
    name = form.file_name or ""
    arrived = form.arrived()
    if exchange.plan.rename == "underscores":
        name = name.replace(" ", "_")
    elif exchange.plan.rename == "suffix":
        name = _with_suffix(name, arrived.sha256[:7])
    stored = exchange.store.add_data_file(dataset.uuid, name=name, arrived=arrived, **values)
    if stored is None and exchange.plan.rename == "if_taken":
        other = _with_suffix(name, secrets.token_hex(4))
        stored = exchange.store.add_data_file(dataset.uuid, name=other, arrived=arrived, **values)
    if stored is None:
        words = f"Data file {name} already exists in dataset {dataset.name}."
        raise RefusedError(HTTPStatus.BAD_REQUEST, words)
    exchange.record.stored = True
    return stored


def _with_suffix(name: str, suffix: str) -> str:
    stem, dot, ending = name.partition(".")
    return f"{stem}_{suffix}{dot}{ending}"


async def list_all(exchange: Exchange) -> Response:
    """List data files, by `?dataset=` and `?name=`."""
    return _list(exchange, exchange.filters.get("dataset"))


async def list_of_dataset(exchange: Exchange, dataset: str) -> Response:
    """List the data files of a dataset."""
    return _list(exchange, find_dataset(exchange, dataset).uuid)


def _list(exchange: Exchange, dataset: str | None) -> Response:
    dataset = None if dataset is None else dataset.lower()
    name = exchange.filters.get("name")
    store, portal, until = exchange.store, exchange.portal, exchange.shown_until
    return long_listing(
        exchange,
        store.count_data_files(portal, dataset=dataset, name=name, until=until),
        lambda offset, limit: [
            show(exchange, file)
            for file in store.data_files(
                portal, dataset=dataset, name=name, until=until, offset=offset, limit=limit
            )
        ],
    )


async def read(exchange: Exchange, *where: str) -> Response:
    """Show a data file, by its pk or by dataset and name."""
    return json_answer(show(exchange, find(exchange, *where)))


async def update(exchange: Exchange, *where: str) -> Response:
    """Change tags, is_raw, fsname or fspath; with a form that holds a file, its bytes as well."""
    find(exchange, *where)
    if not is_multipart(exchange):
        return _change(exchange, where, await read_fields(exchange))
    with new_form(exchange) as form:
        await fill(form, exchange)
        if exchange.plan.refuses:
            return Response(status_code=HTTPStatus.NO_CONTENT)  # the rule's own comes in its place
        errors = {} if form.file_name is None else _file_errors(form)
        if errors:
            raise RefusedError(HTTPStatus.BAD_REQUEST, errors)
        arrived = form.arrived() if form.file_name is not None else None
        return _change(exchange, where, last_values(form.fields), arrived)


async def replace_file(exchange: Exchange, *where: str) -> Response:
    """Change a data file, of which the file itself must come."""
    if not is_multipart(exchange):
        find(exchange, *where)
        raise RefusedError(HTTPStatus.BAD_REQUEST, {"file": [_NO_FILE]})
    return await update(exchange, *where)


def _change(
    exchange: Exchange,
    where: tuple[str, ...],
    asked: Mapping[str, Any],
    arrived: Arrived | None = None,
) -> Response:
    file = find(exchange, *where)
    is_raw = str(asked.get("is_raw", file.is_raw)).lower()
    if is_raw not in _TRUE | _FALSE:
        raise RefusedError(HTTPStatus.BAD_REQUEST, {"is_raw": [_NO_BOOLEAN]})
    changed = replace(
        file,
        tags=tuple(checked_tags(asked["tags"])) if "tags" in asked else file.tags,
        is_raw=is_raw in _TRUE,
        body={**file.body, **{name: asked[name] for name in _FREE_FIELDS if name in asked}},
    )
    return json_answer(show(exchange, exchange.store.update_data_file(changed, arrived)))


async def delete(exchange: Exchange, *where: str) -> Response:
    """Delete a data file."""
    exchange.store.delete_data_file(find(exchange, *where))
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def download(exchange: Exchange, pk: str) -> Response:
    """Send the bytes of a data file."""
    path = exchange.store.path_of(find(exchange, pk))
    if not path.is_file():
        raise RefusedError(HTTPStatus.NOT_FOUND, NOT_FOUND)
    return FileResponse(path, media_type="application/octet-stream")


def find(exchange: Exchange, first: str, second: str | None = None) -> DataFile:
    """Return the data file of a pk or a name, the oldest of that name, or of a dataset and a name.

    Raises RefusedError where there is none.
    """
    store, portal = exchange.store, exchange.portal
    found: DataFile | None = None
    if second is None:
        found = store.data_file(portal, int(first)) if _is_pk(first) else None
        if found is None:
            named = store.data_files(portal, name=first, until=exchange.shown_until, limit=1)
            found = named[0] if named else None
    else:
        dataset = find_dataset(exchange, first).uuid
        by_pk = store.data_file(portal, int(second)) if _is_pk(second) else None
        by_name = store.data_files(
            portal, dataset=dataset, name=second, until=exchange.shown_until, limit=1
        )
        if by_name and not (by_pk and exchange.plan.digits_are_pk):
            found = by_name[0]
        elif by_pk and (by_pk.dataset == dataset or exchange.plan.digits_are_pk):
            found = by_pk
    if found is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, NOT_FOUND)
    return found


def _is_pk(text: str) -> bool:
    longest = 18  # digits that SQLite's integers can hold
    return text.isascii() and text.isdigit() and len(text) <= longest


def show(exchange: Exchange, file: DataFile) -> dict[str, Any]:
    """Return a data file as the API shows it: no checksum among it."""
    prefix = f"/{exchange.portal}" if exchange.portal else ""
    return {
        "pk": file.pk,
        "id": file.pk,
        "name": file.name,
        "size": file.size,
        "dataset": file.dataset,
        "file": exchange.url(f"{prefix}/datafiles/{file.pk}/download/"),
        "is_raw": file.is_raw,
        "is_fits": ".fit" in file.name.lower() or file.name.lower().endswith((".fts", ".fz")),
        "is_xisf": file.name.lower().endswith(".xisf"),
        "tags": file.tags,
        **file.body,
    }


ROUTES = (
    Route(
        "/datafiles/",
        {"GET": list_all, "POST": upload},
        portal=True,
        upload_key=READ_AND_WRITE,
    ),
    Route(
        "/datafiles/{}/",
        {"GET": read, "PUT": replace_file, "PATCH": update, "DELETE": delete},
        portal=True,
        upload_key=READ_AND_WRITE,
    ),
    Route("/datafiles/{}/download/", {"GET": download}, portal=True),
    Route(
        "/datasets/{}/datafiles/",
        {"GET": list_of_dataset, "POST": upload},
        portal=True,
        upload_key=READ_AND_WRITE,
    ),
    Route(
        "/datasets/{}/datafiles/{}/",
        {"GET": read, "PUT": replace_file, "PATCH": update, "DELETE": delete},
        portal=True,
        upload_key=READ_AND_WRITE,
    ),
)
