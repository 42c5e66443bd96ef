"""`arcsecond api`: which API servers are known, and which one is used. Nothing is contacted."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from arcsecond.cli import output
from arcsecond.cli.options import api_names, asked, json_option, tell_warnings

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from arcsecond.config import Api

VERBS = {
    "add": "add a server, or change its address",
    "use": "use a server when --api says nothing else",
    "remove": "forget a server, and the keys for it",
}


def next_word(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return what may come next: a verb, or the name of a known server."""
    from click.shell_completion import CompletionItem

    before = context.params.get("words") or ()
    if before[:1] == ("add",) or len(before) > 1:
        return []
    verbs = [
        CompletionItem(verb, help=words)
        for verb, words in VERBS.items()
        if not before and verb.startswith(incomplete)
    ]
    names = api_names(context, parameter, incomplete)
    if before[:1] == ("remove",):
        names = [item for item in names if item.value != "cloud"]
    return [*verbs, *names]


@click.command(
    help="""List, show, add, choose or remove API servers; nothing is contacted.

\b
arcsecond api                  list them
arcsecond api NAME             show one
arcsecond api NAME URL         add one, or change its address
arcsecond api add NAME URL     the same
arcsecond api use NAME         use it when --api says nothing else
arcsecond api remove NAME      forget it, and the keys for it

`cloud` is https://api.arcsecond.io, and stays that.
"""
)
@click.argument(
    "words", nargs=-1, metavar="[add|use|remove] [NAME] [URL]", shell_complete=next_word
)
@click.option("--allow-http", is_flag=True, help="Take a plain http URL of another machine.")
@json_option
def api(words: tuple[str, ...], allow_http: bool) -> None:
    """List, show, add, choose or remove API servers."""
    from arcsecond import config

    tell_warnings()
    config.mend_modes()
    verb, *rest = words if words and words[0] in VERBS else ("", *words)
    match verb, rest:
        case "", []:
            _show_all(config.list_apis())
            _tell_of_the_environment()
        case "", [name]:
            _show(_known(config.list_apis(), name))
        case "" | "add", [name, url]:
            added = config.add_api(name, url, allow_http=allow_http)
            _done(added, f"{added.name} is {added.url}")
        case "use", [name]:
            used = config.use_api(name)
            _done(used, f"{used.name} ({used.url}) is used from now on.")
            _tell_of_the_environment()
        case "remove", [name]:
            removed = _known(config.list_apis(), name)
            config.remove_api(name)
            _done(removed, f"{name} is forgotten, and the keys for it.")
        case _:
            raise click.UsageError(
                "Say one of: NAME, NAME URL, add NAME URL, use NAME, remove NAME."
            )


def _tell_of_the_environment() -> None:
    """Say that what is chosen is not what is used here."""
    if name := os.environ.get("ARCSECOND_API", "").strip():
        output.note(output.printable(f"In this shell ARCSECOND_API chooses {name}."))


def _known(apis: list[Api], name: str) -> Api:
    from arcsecond.errors import InputError

    for known in apis:
        if known.name == name:
            return known
    raise InputError(f"no API server is known as {name!r}", hint="List them with `arcsecond api`.")


def _show_all(apis: list[Api]) -> None:
    if asked().as_json:
        output.as_json([asdict(known) for known in apis])
    else:
        output.table(
            [(known.name, known.url, "*" if known.chosen else "") for known in apis],
            ("NAME", "URL", "CHOSEN"),
        )


def _show(known: Api) -> None:
    if asked().as_json:
        output.as_json(asdict(known))
    else:
        output.say(f"{known.name}  {known.url}{'  (chosen)' if known.chosen else ''}")


def _done(known: Api, words: str) -> None:
    if asked().as_json:
        output.as_json(asdict(known))
    else:
        output.say(words)
