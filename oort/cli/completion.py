"""What a shell offers behind a half-written `oort` command: names that only this machine knows.

A shell has no place for an error: where a file cannot be read, nothing is offered, and the command
itself says why when it runs.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from oort.errors import OortError

if TYPE_CHECKING:
    from click import Context, Parameter


def watches(_ctx: Context, _param: Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of the watches, each with its folder."""
    from oort.cli import options, output

    try:
        known = options.here().settings.watches
    except OortError:
        return []
    return _beginning(incomplete, {watch.name: output.words(watch.path) for watch in known})


def watches_or_folders(ctx: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of the watches, or leave it to the shell to offer folders."""
    return watches(ctx, param, incomplete) or folders(ctx, param, incomplete)


def folders(_ctx: Context, _param: Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave it to the shell to offer folders."""
    return [CompletionItem(incomplete, type="dir")]


def apis(_ctx: Context, _param: Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the API servers that `arcsecond api` lists, each with its address."""
    from oort.remote import known_apis

    try:
        known = known_apis()
    except OortError:
        return []
    return _beginning(incomplete, known)


def setting_keys(_ctx: Context, _param: Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the plain keys of config.toml, each with what it does."""
    from oort.settings.fields import FIELDS

    return _beginning(incomplete, {key: field.about for key, field in FIELDS.items()})


def _beginning(incomplete: str, helps: dict[str, str]) -> list[CompletionItem]:
    # bash writes what it is given as it is, so that a blank would end the word; the others quote.
    in_bash = os.environ.get("_OORT_COMPLETE", "").startswith("bash")
    return [
        CompletionItem(shlex.quote(name) if in_bash else name, help=words)
        for name, words in helps.items()
        if name.startswith(incomplete)
    ]
