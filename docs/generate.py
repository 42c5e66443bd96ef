"""Write the pages that are made from the code: `make docs`, or `python -m docs.generate`.

A test compares the pages on the disk with what this module makes, so that they cannot drift.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from arcsecond.cli.main import arcsecond as arcsecond_group
from docs import captures
from oort.cli.main import cli as oort_group
from oort.policy import state
from oort.settings.fields import FIELDS, WATCH_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from oort.policy.state import State
    from oort.settings.fields import Field

HERE: Final = Path(__file__).parent

_HELP_WIDTH: Final = 100

_STATES: Final[dict[State, str]] = {
    state.SETTLING: "Seen, and not yet quiet or not yet structurally whole.",
    state.PENDING: "In the queue, may be taken by a worker.",
    state.WAITING: "An attempt failed for a passing reason; the time of the next one is known.",
    state.CHECKING: "The file may be at the server already: the server is being asked.",
    state.SYNCING: "The dataset is being found or created.",
    state.UPLOADING: "Bytes are on the way.",
    state.TAGGING: "The file is stored, its tags are being written.",
    state.DONE: "Stored by us, and confirmed. Safe.",
    state.ALREADY_SYNCED: "The same file was there before us. Safe.",
    state.IGNORED: "Left out because somebody said so.",
    state.FILE_GONE: "The file vanished before it was stored. Not safe until acknowledged.",
    state.CHANGED: "The file changed after it was stored; the server has the earlier version.",
    state.FAILED: "The server will not take it as it is; the error's text says what to do.",
    state.NAME_CONFLICT: "Another file of that name is in that dataset.",
    state.TRUNCATED: "The file's own header announces more bytes than there are.",
}

_STATES_PAGE: Final = """\
# States

Generated from `oort/policy/state.py` by `make docs`; do not edit.

A row of the queue is one version of one file, and is always in one of these states.
What is not in the column "may be followed by" is refused by the queue.

```
                      ┌──────────────── waiting to retry ◄───────────────┐
                      ▼                                                  │
 settling ──► pending ──► checking, syncing dataset ──► uploading ──► tagging ──► done
                                     │                      │
                                     └──────────┬───────────┘
                                                ▼
                               already synced · file gone · error
```

{table}

A row is born in one of: {initial}.
While it is {in_hand}, a worker has it in hand: a scan never moves it then, and a crash makes it a doubt that the server is asked about.

`held` is a word that people see and no state of a row: it is computed when somebody asks, for rows that wait for the link, for a person or for their watch.
`skipped (hidden file)` and `skipped (empty file)` have no row either: the same rules answer when somebody asks for such a file.
"""


def _name(of: State) -> str:
    return f"`{of.status}` `{of.substatus}`"


def _words(states: frozenset[State]) -> str:
    return ", ".join(f"`{of.substatus}`" for of in state.TRANSITIONS if of in states)


def states_page() -> str:
    """Return `states.md`: every state, its meaning, and what may follow it."""
    rows = [
        f"| {_name(of)} | {_STATES[of]} | {_words(after) or 'nothing'} |"
        for of, after in state.TRANSITIONS.items()
    ]
    table = "\n".join(["| state | meaning | may be followed by |", "|---|---|---|", *rows])
    return _STATES_PAGE.format(
        table=table, initial=_words(state.INITIAL), in_hand=_words(state.IN_HAND)
    )


_SETTINGS_PAGE: Final = """\
# Settings

Generated from `oort/settings/fields.py` by `make docs`; do not edit.

`config.toml` is edited by people and by `oort` alike; comments and order stay.
`oort config path` says where it is.
The running daemon takes a changed file within three seconds; an invalid one keeps the last good settings in force, and `oort status` says so until it is mended.
Unknown keys and values out of range are refused with file, line and key.

## Plain keys

{plain}

## `[[watch]]`

One table for each watched folder.
`oort watch` writes them, `oort unwatch` removes them.

{watch}
"""


def _toml(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return f"[{', '.join(json.dumps(item) for item in default)}]"
    if isinstance(default, float) and default.is_integer():
        return str(int(default))
    return json.dumps(default)


def _default(field: Field) -> str:
    return field.default_words or f"`{_toml(field.default)}`"


def _setting_rows(fields: Mapping[str, Field]) -> str:
    rows = [
        f"| `{key}` | {field.about} | {_default(field)} | {field.rule.allowed} |"
        for key, field in fields.items()
    ]
    return "\n".join(["| key | what it does | default | allowed |", "|---|---|---|---|", *rows])


def settings_page() -> str:
    """Return `settings.md`: every key of config.toml with its default and range."""
    return _SETTINGS_PAGE.format(plain=_setting_rows(FIELDS), watch=_setting_rows(WATCH_FIELDS))


_COMMANDS_PAGE: Final = """\
# Commands

Generated from the commands' own help by `make docs`; do not edit.

Every command has `-h` and `--help`, `-V` and `--version`, and `--debug`, which shows the traceback of an error.
Exit codes: 0 done; 1 failed, with one line `Error: …` and, where there is a remedy, a second line `Hint: …` on stderr; 2 wrong usage.
A question that is answered with no, or not at all, is exit 1 and changes nothing.
Listings have `--json`: one JSON document on stdout and nothing else.
Colour is used on a terminal only, and never where `NO_COLOR` is set.

Completion in bash, zsh and fish: [completion](completion.md).
What an error means and what to do: [troubleshooting](troubleshooting.md).

{oort}

{arcsecond}
"""

_LIKE_DATASETS: Final = "arcsecond.cli.resources"
"""The module of the commands that differ from `arcsecond datasets` by their name alone."""


def _help(command: click.Command, name: str, above: click.Context | None = None) -> str:
    """Return the help of a command, and of those below it, as sections of a page."""
    ctx = command.make_context(
        name,
        [],
        parent=above,
        resilient_parsing=True,
        terminal_width=_HELP_WIDTH,
        max_content_width=_HELP_WIDTH,
        help_option_names=["-h", "--help"],
    )
    level = "##" if above is None else "###"
    text = f"{level} {ctx.command_path}\n\n```\n{command.get_help(ctx)}\n```"
    below = []
    if isinstance(command, click.Group):
        for each in command.list_commands(ctx):
            found = command.get_command(ctx, each)
            if found is not None and not _is_like_datasets(found, each):
                below.append(_help(found, each, ctx))
    return "\n\n".join([text, *below])


def _is_like_datasets(command: click.Command, name: str) -> bool:
    is_resource = getattr(command.callback, "__module__", "") == _LIKE_DATASETS
    return is_resource and isinstance(command, click.Group) and name != "datasets"


def commands_page() -> str:
    """Return `commands.md`: the help of every command."""
    return _COMMANDS_PAGE.format(
        oort=_help(oort_group, "oort"), arcsecond=_help(arcsecond_group, "arcsecond")
    )


PAGES: Final[dict[str, Callable[[], str]]] = {
    "commands.md": commands_page,
    "settings.md": settings_page,
    "states.md": states_page,
    "status.md": captures.page,
}
"""Every generated page, and what makes it."""


def main() -> None:
    """Write them all."""
    for name, make in PAGES.items():
        (HERE / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
