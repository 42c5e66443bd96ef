"""From the text of config.toml to `Settings`, or to an error that names file, line and key."""

from __future__ import annotations

import contextlib
import os
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from oort.errors import SettingsError
from oort.locations import write_private_file
from oort.settings.fields import FIELDS, FROM_ENVIRONMENT, FROM_FILE, WATCH_FIELDS, Settings
from oort.values import Watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from oort.locations import Locations

DATABASE_VARIABLE: Final = "OORT_DATABASE_URL"

_WHERE: Final = re.compile(r"(.*) \(at line (\d+), column \d+\)", re.DOTALL)

Place = tuple[str | int, ...]
"""Where a value is in the document: `("watch", 0, "name")`."""


def load(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Return what config.toml at `path` says; a missing file says nothing.

    Raises SettingsError, which names file, line, key and the allowed range.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    return parse(content, path, environment)


def load_last_good(locations: Locations) -> Settings:
    """Return what config.toml says or, where it is broken, what the running daemon took last.

    Raises SettingsError where it is broken and no daemon has taken one before.
    """
    try:
        return load(locations.config_file)
    except SettingsError:
        if not locations.last_good_config.exists():
            raise
        return load(locations.last_good_config)


def keep_as_good(locations: Locations, content: bytes) -> None:
    """Keep the config.toml that the daemon has just taken, for `load_last_good`.

    Where the disk is full that is missing, and nothing else.
    """
    with contextlib.suppress(OSError):
        write_private_file(locations.last_good_config, content)


def parse(content: bytes, path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Return what `content` says, as `load` does; `path` is what errors name."""
    text = decode(content, path)
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _syntax_error(text, path, error) from error
    values = _Reader(path, text).read(document)
    return _with_environment(values, os.environ if environment is None else environment)


def decode(content: bytes, path: Path) -> str:
    """Return the text of config.toml, without the mark that Windows editors put before it."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SettingsError(
            f"{path}:{line}: this is not UTF-8", hint="Save the file in UTF-8."
        ) from error


def _syntax_error(text: str, path: Path, error: Exception) -> SettingsError:
    match = _WHERE.fullmatch(str(error))
    line = int(match[2]) if match else text.rstrip().count("\n") + 1
    words = (match[1] if match else str(error)).removesuffix(" (at end of document)")
    return SettingsError(
        f"{path}:{line}: this is not TOML: {words}",
        hint="Mend that line, or take it out; docs/settings.md lists what may be written.",
    )


def _with_environment(values: dict[str, Any], environment: Mapping[str, str]) -> Settings:
    sources = dict.fromkeys((key for key in values if key in FIELDS), FROM_FILE)
    url = environment.get(DATABASE_VARIABLE)
    if url:
        try:
            values["database"] = FIELDS["database"].rule.accept(url)
        except ValueError as error:
            raise SettingsError(f"{DATABASE_VARIABLE} {error}") from None
        sources["database"] = FROM_ENVIRONMENT
    return Settings(**values, sources=sources)


class _Reader:
    """Checks a document key by key; the text is looked through only to name a line."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text

    def read(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of `Settings`."""
        values: dict[str, Any] = {}
        for key, value in document.items():
            if key != "watch":
                values[key] = self._value(FIELDS, key, value, (key,))
        base, top = (
            values.get(key, FIELDS[key].default) for key in ("retry_base_s", "retry_max_s")
        )
        if base > top:
            key = "retry_base_s" if "retry_base_s" in values else "retry_max_s"
            raise self._error(
                (key,), f"retry_base_s ({base:g}) must not exceed retry_max_s ({top:g})"
            )
        values["watches"] = self._watches(document.get("watch", []))
        return values

    def _watches(self, tables: object) -> tuple[Watch, ...]:
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self._error(("watch",), "a watch is written below a line [[watch]]")
        watches = [self._watch(index, table) for index, table in enumerate(tables)]
        for key in ("name", "path"):
            seen: dict[object, Watch] = {}
            for index, watch in enumerate(watches):
                first = seen.setdefault(getattr(watch, key), watch)
                if first is not watch:
                    raise self._twice(key, index, first, watch)
        return tuple(watches)

    def _watch(self, index: int, table: dict[str, Any]) -> Watch:
        values = {
            key: self._value(WATCH_FIELDS, key, value, ("watch", index, key))
            for key, value in table.items()
        }
        for key in ("name", "path"):
            if key not in values:
                raise self._error(("watch", index), f"a [[watch]] must have a {key}")
        return Watch(**values)

    def _twice(self, key: str, index: int, first: Watch, second: Watch) -> SettingsError:
        words = (
            f'the name "{second.name}" is taken by another watch'
            if key == "name"
            else f'{second.path} is watched already, by the watch "{first.name}"'
        )
        return self._error(("watch", index, key), words)

    def _value(self, table: Mapping[str, Any], key: str, value: object, place: Place) -> Any:
        known = table.get(key)
        if known is None:
            raise self._unknown(table, key, place)
        try:
            return known.rule.accept(value)
        except ValueError as error:
            raise self._error(place, f"{key} {error}") from None

    def _unknown(self, table: Iterable[str], key: str, place: Place) -> SettingsError:
        in_watch = table is WATCH_FIELDS
        if in_watch and key in FIELDS:
            hint = f'"{key}" belongs to no watch: write it above the first [[watch]].'
        elif not in_watch and key in WATCH_FIELDS:
            hint = f'"{key}" belongs to a watch: write it below a line [[watch]].'
        else:
            from difflib import get_close_matches

            close = get_close_matches(key, list(table), n=1)
            hint = f'Did you mean "{close[0]}"?' if close else f"The keys are {', '.join(table)}."
        where = " in [[watch]]" if in_watch else ""
        return self._error(place, f'unknown key "{key}"{where}', hint=hint)

    def _error(self, place: Place, words: str, *, hint: str | None = None) -> SettingsError:
        line = line_of(self._text, place)
        return SettingsError(f"{self._path}:{line}: {words}", hint=hint)


def line_of(text: str, place: Place) -> int:
    """Return the line on which the value at `place` begins, or what it is a part of."""
    lines = _lines(text)
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return lines[place[:length]]
    return 1


def _lines(text: str) -> dict[Place, int]:
    """Return the line of every key.

    tomllib tells no lines. But each statement of a TOML document is a document of its own, so
    the text is taken apart into the shortest runs of lines that tomllib can read.
    """
    lines: dict[Place, int] = {}
    above: Place = ()
    counts: dict[Place, int] = {}
    statement: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        statement.append(line)
        try:
            parsed = tomllib.loads("\n".join(statement) + "\n")
        except ValueError:
            continue
        start = number - len(statement) + 1
        is_header = statement[0].lstrip().startswith("[")
        statement = []
        if is_header:
            above = _header(parsed, counts)
            lines.setdefault(above, start)
        else:
            for key in parsed:
                lines.setdefault((*above, key), start)
    return lines


def _header(parsed: dict[str, Any], counts: dict[Place, int]) -> Place:
    """Return the place that a `[header]` or `[[header]]` opens; `counts` numbers the latter."""
    place: Place = ()
    inner: object = parsed
    while isinstance(inner, dict) and inner:
        key, inner = next(iter(inner.items()))
        place = (*place, key)
        if isinstance(inner, list):
            index = counts.get(place, -1) + 1
            counts[place] = index
            place = (*place, index)
            inner = inner[0]
        elif place in counts and inner:  # [watch.x] belongs to the last [[watch]]
            place = (*place, counts[place])
    return place
