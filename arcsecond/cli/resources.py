"""`arcsecond datasets` and its like: one table of resources, from which the commands are made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from arcsecond.cli import output
from arcsecond.cli.options import (
    api_option,
    asked,
    json_option,
    portal_option,
    verbose_option,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from arcsecond.api import ArcsecondAPI
    from arcsecond.endpoint import Resource


@dataclass(frozen=True, slots=True)
class Listing:
    """How a resource is shown: what identifies an object, and the columns that follow it."""

    words: str
    identifiers: tuple[str, ...] = ("uuid",)
    """The first of them that an object has is its identifier."""
    columns: tuple[str, ...] = ("name",)


LISTINGS = {
    "allskycameras": Listing("all-sky cameras"),
    "calibrations": Listing("calibrations", columns=("type", "name", "start")),
    "datafiles": Listing("data files", ("pk", "id", "name"), ("name", "size", "dataset")),
    "datapackages": Listing("data packages"),
    "datasets": Listing("datasets", columns=("name", "data_files_count", "data_files_volume")),
    "members": Listing("members of a portal", ("pk", "id"), ("username", "role")),
    "nightlogs": Listing("night logs", columns=("date", "telescope")),
    "observations": Listing("observations", columns=("target_name", "start")),
    "observingsites": Listing("observing sites"),
    "organisations": Listing("organisations", ("subdomain",)),
    "profiles": Listing("profiles", ("username",), ("first_name", "last_name")),
    "targetlists": Listing("target lists"),
    "targets": Listing("targets", ("pk", "id", "uuid"), ("name", "type")),
    "telescopes": Listing("telescopes", columns=("name", "alias")),
}

_TITLES = {"data_files_count": "files", "data_files_volume": "volume"}


def filters_of(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, object]:
    """Return `k=v` by name; a name that is repeated has a list."""
    gathered: dict[str, list[str]] = {}
    for text in texts:
        name, value = _pair(text)
        gathered.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in gathered.items()}


def fields_of(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, object]:
    """Return `k=v`, where v is a string, and `k:=json` by name."""
    fields: dict[str, object] = {}
    for text in texts:
        name, value = _pair(text)
        if not name.endswith(":"):
            fields[name] = value
            continue
        try:
            fields[name[:-1]] = json.loads(value)
        except ValueError:
            raise click.BadParameter(f"what follows {name}= is no JSON") from None
    return fields


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip(":"):
        raise click.BadParameter(f"{text!r} is not of the form k=v")
    return name, value


def resource_command(name: str, listing: Listing) -> click.Group:
    """Make the group of commands for one resource: bare it lists."""

    @click.group(
        name,
        invoke_without_command=True,
        short_help=f"List the {listing.words}, or work on one.",
        help=f"List the {listing.words}: everything, with the identifier first.",
    )
    @click.option(
        "--filter",
        "filters",
        multiple=True,
        callback=filters_of,
        metavar="K=V",
        help="Only those that the server finds for it; repeatable.",
    )
    @_server_options
    @click.pass_context
    def group(context: click.Context, filters: dict[str, object]) -> None:
        if context.invoked_subcommand is None:
            with _api() as api:
                found = _resource(api, name).list(**filters)
            output.as_json(found) if asked().as_json else _show_listing(listing, found)
        elif filters:
            raise click.UsageError("--filter is for the listing.")

    for add in (_add_read, _add_create, _add_update, _add_delete):
        add(group, name)
    return group


def _add_read(group: click.Group, name: str) -> None:
    @group.command("read", help="Show one object.")
    @click.argument("identifier", metavar="ID")
    @_server_options
    def read(identifier: str) -> None:
        with _api() as api:
            _show_one(_resource(api, name).read(identifier))


def _add_create(group: click.Group, name: str) -> None:
    @group.command("create", help="Create an object: k=v is a string, k:=json is JSON.")
    @_fields
    @_server_options
    def create(fields: dict[str, object]) -> None:
        with _api() as api:
            _show_one(_resource(api, name).create(json=fields))


def _add_update(group: click.Group, name: str) -> None:
    @group.command("update", help="Change fields of an object: k=v is a string, k:=json is JSON.")
    @click.argument("identifier", metavar="ID")
    @_fields
    @_server_options
    def update(identifier: str, fields: dict[str, object]) -> None:
        with _api() as api:
            _show_one(_resource(api, name).update(identifier, json=fields))


def _add_delete(group: click.Group, name: str) -> None:
    @group.command("delete", help="Delete an object; asks first.")
    @click.argument("identifier", metavar="ID")
    @click.option("-y", "--yes", is_flag=True, help="Do not ask.")
    @_server_options
    def delete(identifier: str, yes: bool) -> None:
        with _api() as api:
            if not yes:
                place = (
                    f"{api.config.api_server}{f', portal {api.subdomain}' * bool(api.subdomain)}"
                )
                question = f"Delete {identifier} of the {LISTINGS[name].words} at {place}?"
                click.confirm(question, abort=True, err=True)
            _resource(api, name).delete(identifier)
        if asked().as_json:
            output.as_json({"deleted": identifier})
        else:
            output.say(f"{output.printable(identifier)} is deleted.")


def _server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (verbose_option, json_option, api_option, portal_option):
        command = option(command)
    return command


def _fields(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument(
        "fields",
        nargs=-1,
        required=True,
        callback=fields_of,
        metavar="K=V…",
    )(command)


def _api() -> AbstractContextManager[ArcsecondAPI]:
    from arcsecond.api import ArcsecondAPI

    return ArcsecondAPI(asked().config(), asked().portal, trace=asked().trace())


def _resource(api: ArcsecondAPI, name: str) -> Resource:
    resource: Resource = getattr(api, name).raising
    return resource


def _show_listing(listing: Listing, found: list[dict[str, Any]]) -> None:
    columns = tuple(c for c in listing.columns if any(one.get(c) is not None for one in found))
    titles = (listing.identifiers[0], *(_TITLES.get(c, c) for c in columns))
    rows = [(_identifier(listing, one), *(_shown(one.get(c)) for c in columns)) for one in found]
    output.table(rows, [title.upper() for title in titles])


def _identifier(listing: Listing, one: Mapping[str, Any]) -> object:
    return next((one[name] for name in listing.identifiers if one.get(name) is not None), "")


def _shown(value: object) -> object:
    """Return an object that is shown in place by its name, where it has one."""
    if isinstance(value, dict):
        return value.get("name") or value.get("username") or value.get("uuid") or value
    return value


def _show_one(found: Mapping[str, Any]) -> None:
    if asked().as_json:
        output.as_json(found)
    elif found:
        output.record(found)
    else:
        output.say("Done; the server did not show the object.")


COMMANDS = {name: resource_command(name, listing) for name, listing in LISTINGS.items()}


def __getattr__(name: str) -> click.Group:
    """Return the command of that name: `arcsecond.cli.resources.datasets`."""
    try:
        return COMMANDS[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
