"""`oort config`: every setting with where it comes from, and setting one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from oort.cli import completion, options, output

if TYPE_CHECKING:
    from oort.cli.options import Here


@click.group(invoke_without_command=True, short_help="Show the settings, or set one.")
@options.as_json
@click.pass_context
def config(ctx: click.Context, *, as_json: bool) -> None:
    """Show every setting, and whether it is a default, from config.toml or from the environment.

    docs/settings.md says what each of them means. A running daemon takes a change within 3 seconds.
    """
    if ctx.invoked_subcommand is not None:
        return
    here = options.here()
    shown = {
        key: {"value": _value(here, key), "source": here.settings.source(key)} for key in _keys()
    }
    if as_json:
        output.document(shown)
        return
    output.line(output.words(here.locations.config_file))
    output.table(
        ("SETTING", "VALUE", "FROM"),
        [(key, _shown(key, entry["value"]), str(entry["source"])) for key, entry in shown.items()],
    )


@config.command(short_help="Show where config.toml is.")
def path() -> None:
    """Show where config.toml is, or would be."""
    from oort.locations import locate

    output.line(output.words(locate().config_file))


@config.command(short_help="Show one setting.")
@click.argument("key", shell_complete=completion.setting_keys)
def get(key: str) -> None:
    """Show the value of one setting; an empty line where there is none."""
    from oort.errors import SettingsError

    here = options.here()
    if key not in _keys():
        raise SettingsError(f'unknown setting "{key}"', hint="`oort config` lists all of them.")
    value = _value(here, key)
    output.line("" if value is None else _plain(value))


@config.command(name="set", short_help="Write one setting.")
@click.argument("key", shell_complete=completion.setting_keys)
@click.argument("value")
def set_(key: str, value: str) -> None:
    """Write one setting into config.toml, whose comments stay; an empty VALUE puts the default back."""
    from oort.locations import locate
    from oort.settings import set_value

    set_value(locate().config_file, key, value)


def _keys() -> tuple[str, ...]:
    from oort.settings import FIELDS

    return tuple(FIELDS)


def _value(here: Here, key: str) -> Any:
    """Return a setting as it may be shown: URLs without their passwords."""
    from oort.settings import redact_url

    value = getattr(here.settings, key)
    if key == "database":
        value = here.settings.database_url(here.locations)
    return redact_url(value) if isinstance(value, str) else value


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _shown(key: str, value: object) -> str:
    from oort.settings import FIELDS

    return f"({FIELDS[key].default_words})" if value is None else _plain(value)
