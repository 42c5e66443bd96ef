"""`arcsecond datasets` and its like: one table of resources, from which the commands are made."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from arcsecond.cli import output
from arcsecond.cli.groups import Group
from arcsecond.cli.listings import LISTINGS, Listing, Rows, for_people
from arcsecond.cli.options import (
    api_option,
    asked,
    json_option,
    portal_option,
    text_of,
    verbose_option,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from arcsecond.api import ArcsecondAPI
    from arcsecond.endpoint import Resource


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
        is_json = name.endswith(":")
        name = name.removesuffix(":")
        if name in fields:
            raise click.BadParameter(f"{name} is given twice.")
        fields[name] = _json(name, value) if is_json else value
    return fields


def _json(name: str, value: str) -> object:
    try:
        return json.loads(value, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise click.BadParameter(
            f"what follows {name}:= is no JSON: text is {name}=TEXT, or {name}:='\"TEXT\"'."
        ) from None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")  # Python would take NaN and Infinity


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip(":"):
        raise click.BadParameter(f"{text!r} is not of the form k=v.")
    return text_of(name), text_of(value)


def resource_command(name: str, listing: Listing) -> click.Group:
    """Make the group of commands for one resource: bare it lists."""

    @click.group(
        name,
        cls=Group,
        invoke_without_command=True,
        short_help=f"List the {listing.words}, or work on one.",
        help=f"List the {listing.words}: everything, with the identifier first.",
    )
    @_filter_option
    @_server_options
    @click.pass_context
    def group(context: click.Context, filters: dict[str, object]) -> None:
        context.meta[_FILTERS] = filters
        if context.invoked_subcommand is None:
            _list(name, filters)
        elif filters and context.invoked_subcommand != "list":
            raise click.UsageError("--filter is for the listing.")

    for add in (_add_list, _add_read, _add_create, _add_update, _add_delete):
        add(group, name)
    return group


_FILTERS = f"{__name__}.filters"


def _filter_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--filter",
        "filters",
        multiple=True,
        callback=filters_of,
        metavar="K=V",
        help="Only those that the server finds for it; repeatable.",
    )(command)


def _add_list(group: click.Group, name: str) -> None:
    @group.command("list", help="The same as without a subcommand.")
    @_filter_option
    @_server_options
    @click.pass_context
    def list_(context: click.Context, filters: dict[str, object]) -> None:
        _list(name, {**context.meta[_FILTERS], **filters})


def _list(name: str, filters: Mapping[str, object]) -> None:
    """Print every object as it comes."""
    with _api(name) as api:
        resource = _resource(api, name)
        if asked().as_json:
            with output.JSONList() as printed:
                for _ in resource.pages(printed.add, **filters):
                    pass
            return
        rows = Rows(LISTINGS[name])
        for _ in resource.pages(rows.add, **filters):
            rows.end_page()
        if rows.are_none:
            words = LISTINGS[name].words
            output.note(f"There are no {words}{' for this filter' if filters else ''}.")


def _add_read(group: click.Group, name: str) -> None:
    @group.command("read", help="Show one object.")
    @_identifier
    @_server_options
    def read(identifier: str) -> None:
        with _api(name, has_identifier=True) as api:
            _show_one(name, _resource(api, name).read(identifier))


def _add_create(group: click.Group, name: str) -> None:
    @group.command("create", help="Create an object: k=v is a string, k:=json is JSON.")
    @_fields
    @_server_options
    def create(fields: dict[str, object]) -> None:
        with _api(name) as api:
            _show_one(name, _resource(api, name).create(json=fields))


def _add_update(group: click.Group, name: str) -> None:
    @group.command("update", help="Change fields of an object: k=v is a string, k:=json is JSON.")
    @_identifier
    @_fields
    @_server_options
    def update(identifier: str, fields: dict[str, object]) -> None:
        with _api(name, has_identifier=True) as api:
            _show_one(name, _resource(api, name).update(identifier, json=fields))


def _add_delete(group: click.Group, name: str) -> None:
    @group.command("delete", help="Delete an object; shows which one, and asks first.")
    @_identifier
    @click.option("-y", "--yes", is_flag=True, help="Do not ask.")
    @_server_options
    def delete(identifier: str, yes: bool) -> None:
        with _api(name, has_identifier=True) as api:
            resource = _resource(api, name)
            if not yes:
                _ask_before_deleting(resource.read(identifier), identifier, name, api)
            resource.delete(identifier)
        if asked().as_json:
            output.as_json({"deleted": identifier})
        else:
            output.say(f"{output.printable(identifier)} is deleted.")


def _ask_before_deleting(
    found: Mapping[str, Any], identifier: str, name: str, api: ArcsecondAPI
) -> None:
    """Ask, and raise click's Abort for anything but yes."""
    called = found.get("name") or found.get("username")
    what = f"{called} ({identifier})" if called and called != identifier else identifier
    files = found.get("data_files_count")
    kinds = "data file" if files == 1 else "data files"
    within = f" and its {files} {kinds}" if isinstance(files, int) and files else ""
    portal = f", portal {api.subdomain}" if api.subdomain else ""
    question = f"Delete {what}{within} of the {LISTINGS[name].words} at"
    place = f"{api.config.api_server}{portal}"
    output.confirm(f"{question} {place}?")


def _server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (verbose_option, json_option, api_option, portal_option):
        command = option(command)
    return command


def _identifier(command: Callable[..., Any]) -> Callable[..., Any]:
    def checked(_: click.Context, __: click.Parameter, value: str) -> str:
        return text_of(value)

    return click.argument("identifier", metavar="ID", callback=checked)(command)


def _fields(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument(
        "fields",
        nargs=-1,
        required=True,
        callback=fields_of,
        metavar="K=V…",
    )(command)


@contextmanager
def _api(name: str, *, has_identifier: bool = False) -> Iterator[ArcsecondAPI]:
    """Give the connection for one command; its errors name the remedy in full."""
    from arcsecond.api import ArcsecondAPI
    from arcsecond.cli.remedies import login_named, place_named

    if LISTINGS[name].needs_portal and asked().portal is None:
        raise click.UsageError(f"{name} are those of a portal: say which with -p SUBDOMAIN.")
    config = asked().config()
    with (
        ArcsecondAPI(config, asked().portal, trace=asked().trace()) as api,
        login_named(config),
        place_named(name, api, has_identifier=has_identifier),
    ):
        yield api


def _resource(api: ArcsecondAPI, name: str) -> Resource:
    resource: Resource = getattr(api, name).raising
    return resource


def _show_one(name: str, found: Mapping[str, Any]) -> None:
    if asked().as_json:
        output.as_json(found)
    elif found:
        output.record(for_people(LISTINGS[name], found))
    else:
        output.say("Done; the server did not show the object.")


COMMANDS = {name: resource_command(name, listing) for name, listing in LISTINGS.items()}


def __getattr__(name: str) -> click.Group:
    """Return the command of that name: `arcsecond.cli.resources.datasets`."""
    try:
        return COMMANDS[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
