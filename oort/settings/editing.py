"""Changing config.toml: comments stay, and what would not load is never written."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oort.errors import SettingsError
from oort.locations import make_private_folder, write_private_file
from oort.settings.fields import FIELDS, WATCH_FIELDS, Settings
from oort.settings.reading import decode, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tomlkit import TOMLDocument
    from tomlkit.items import InlineTable, Table

    from oort.values import Watch

_ALWAYS_WRITTEN = ("name", "path", "dataset")


def set_value(path: Path, key: str, text: str) -> Settings:
    """Set a plain key to what `text` says, as somebody types it; empty puts the default back.

    Raises SettingsError where the key is unknown, the value is not allowed, or the file is broken.
    """
    field = FIELDS.get(key)
    if field is None:
        from difflib import get_close_matches

        close = get_close_matches(key, list(FIELDS), n=1)
        hint = f'Did you mean "{close[0]}"?' if close else "`oort config` lists all of them."
        raise SettingsError(f'unknown setting "{key}"', hint=hint)
    value = _from_text(text, field.default)
    if text:
        try:
            field.rule.accept(value)
        except ValueError as error:
            raise SettingsError(f"{key} {error}") from None

    def change(document: TOMLDocument) -> None:
        if text:
            document[key] = value
        elif key in document:
            del document[key]

    return _edit(path, change)


def add_watch(path: Path, watch: Watch) -> Settings:
    """Add a watch at the end of config.toml, with what differs from the defaults."""
    values = {
        field.name: getattr(watch, field.name)
        for field in fields(watch)
        if field.name in _ALWAYS_WRITTEN or getattr(watch, field.name) != field.default
    }

    def change(document: TOMLDocument) -> None:
        import tomlkit
        from tomlkit.items import AoT, Table

        has_lines_above = bool(document.as_string().strip())
        tables = document.get("watch")
        if tables is None:
            document["watch"] = tomlkit.aot()
            tables = document["watch"]
        table = tomlkit.table() if isinstance(tables, AoT) else tomlkit.inline_table()
        _put(table, values)
        if isinstance(table, Table) and has_lines_above:
            table.trivia.indent = "\n"  # a blank line before [[watch]]
        tables.append(table)

    return _edit(path, change)


def change_watch(path: Path, name: str, values: Mapping[str, object]) -> Settings:
    """Change the given options of a watch; None takes an option away."""

    def change(document: TOMLDocument) -> None:
        tables = document.get("watch", [])
        _put(tables[_index_of(tables, name)], values)

    return _edit(path, change)


def remove_watch(path: Path, name: str) -> Settings:
    """Take a watch out of config.toml."""

    def change(document: TOMLDocument) -> None:
        tables = document.get("watch", [])
        del tables[_index_of(tables, name)]
        if not tables:
            del document["watch"]

    return _edit(path, change)


def _index_of(tables: Any, name: str) -> int:
    for index, table in enumerate(tables):
        if WATCH_FIELDS["name"].rule.accept(table["name"]) == name:
            return index
    raise SettingsError(f'there is no watch named "{name}"', hint="`oort folders` lists them.")


def _put(table: Table | InlineTable, values: Mapping[str, object]) -> None:
    for key, value in values.items():
        if value is None:
            table.pop(key, None)
        else:
            table[key] = _to_toml(value)


def _to_toml(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Path):
        try:
            str(value).encode("utf-8")
        except UnicodeEncodeError:  # TOML is UTF-8; a URL can hold any byte
            return value.as_uri()
        return str(value)
    return value


def _from_text(text: str, default: object) -> object:
    """Return what somebody typed as TOML would give it: a number where one may stand."""
    if isinstance(default, str | None) and default != "auto":
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _edit(path: Path, change: Callable[[TOMLDocument], None]) -> Settings:
    """Read, change, check and replace the file; begin again if somebody else was quicker."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    with _locked(path):
        while True:
            before = _read(path)
            parse(before, path)
            try:
                document = tomlkit.parse(decode(before, path))
                change(document)
                after = tomlkit.dumps(document).encode("utf-8")
            except TOMLKitError as error:
                raise SettingsError(f"{path} cannot be changed: {error}") from error
            settings = parse(after, path)
            if _read(path) == before:
                _replace(path, after)
                return settings


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error


def _replace(path: Path, content: bytes) -> None:
    try:
        write_private_file(path, content)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one `oort` at a time edit: a lock on the folder, which leaves no file behind.

    Where there is no such lock (Windows), reading the file once more before it is replaced is
    what keeps another's change.
    """
    try:
        make_private_folder(path.parent)
    except OSError as error:
        raise SettingsError(f"{path.parent} cannot be made: {error.strerror}") from error
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
