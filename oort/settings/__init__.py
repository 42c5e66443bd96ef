"""config.toml: which settings exist, with which range; reading it with line numbers; editing it.

`fields` is the table of everything that may be set. Reading uses tomllib alone; tomlkit, which
keeps comments, is loaded only to edit.
"""

from oort.settings.editing import add_watch, change_watch, remove_watch, set_value
from oort.settings.fields import FIELDS, WATCH_FIELDS, Field, Settings, redact_url
from oort.settings.reading import keep_as_good, load, load_last_good, parse

__all__ = [
    "FIELDS",
    "WATCH_FIELDS",
    "Field",
    "Settings",
    "add_watch",
    "change_watch",
    "keep_as_good",
    "load",
    "load_last_good",
    "parse",
    "redact_url",
    "remove_watch",
    "set_value",
]
