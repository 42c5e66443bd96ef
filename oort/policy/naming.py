"""What a file's dataset is called, and which tags travel with the file."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache
from string import Formatter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

FIELDS: Final = (
    "folder",
    "night",
    "object",
    "filter",
    "imagetyp",
    "telescop",
    "instrume",
    "host",
    "watch",
)
"""What may stand between braces in `dataset`."""

HEADER_KEYS: Final = ("OBJECT", "FILTER", "IMAGETYP", "TELESCOP", "INSTRUME")
"""What a template may take from the file's header."""

UNKNOWN: Final = "unknown"
"""What a field becomes that a file does not have."""

LONGEST_NAME: Final = 100
"""Code points that Arcsecond takes in a dataset's name (`POST datasets`)."""

_KEPT: Final = 91
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_ESCAPED_IN_TAGS: Final = str.maketrans({"%": "%25", ",": "%2C", "|": "%7C"})


def is_uuid(text: str) -> bool:
    """Tell whether `dataset` names one dataset by its identifier, in any case."""
    return _UUID.fullmatch(text.strip()) is not None


def check_template(template: str) -> frozenset[str]:
    """Return the fields of a template; ValueError says in words why it is none."""
    if not template.strip():
        raise ValueError("must be a name, a UUID or a template, and is empty")
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"has unbalanced braces in {template!r}") from error
    fields = set[str]()
    for _literal, field, format_spec, conversion in parts:
        if field is None:
            continue
        if field not in FIELDS or format_spec or conversion:
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            raise ValueError(f"has the unknown field {{{field}}}; the fields are {known}")
        fields.add(field)
    return frozenset(fields)


def words(text: str) -> str:
    r"""Return `text` with backslash escapes for what is no UTF-8 (`os.fsdecode` leaves such)."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def tidy(name: str) -> str:
    """Return a dataset's name as it is created and compared: NFC and trimmed."""
    return (name if name.isascii() else unicodedata.normalize("NFC", name)).strip()


def shorten(name: str) -> str:
    """Return a tidy name that the server takes: a longer one keeps its beginning and its hash."""
    name = tidy(name)
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()
    return f"{name[:_KEPT]}~{digest[:8]}"


def folder_of(root_name: str, rel_path: bytes) -> str:
    """Return the path of a file's folder, from the watched folder's own name on.

    `rel_path` is the file's path below the watched folder.
    """
    above, _slash, _name = rel_path.rpartition(b"/")
    parts = [words(root_name), *above.decode("utf-8", "backslashreplace").split("/")]
    return "/".join(part for part in parts if part)


def dataset_name(
    template: str,
    *,
    watch: str,
    root_name: str,
    rel_path: bytes,
    header: Mapping[str, str],
    night: date | str | None,
    host: str,
) -> str:
    """Return the name (or the UUID) of the dataset that a file belongs to.

    `root_name` is the watched folder's own name. Raises ValueError where `template` is none.
    """
    uuid, fields = _template(template)
    if uuid is not None:
        return uuid
    values = {"night": str(night or ""), "host": host, "watch": watch}
    known = {}
    for field in fields:
        if field == "folder":
            value = folder_of(root_name, rel_path)
        else:
            value = values[field] if field in values else header.get(field.upper(), "")
        known[field] = tidy(words(value)) or UNKNOWN
    return shorten(template.format_map(known))


@lru_cache(maxsize=256)
def _template(template: str) -> tuple[str | None, frozenset[str]]:
    """Return the UUID that a template is, or its fields: a watch asks for each of its files."""
    if is_uuid(template):
        return template.strip().lower(), frozenset()
    return None, check_template(template)


def escape(value: str) -> str:
    """Return a value that cannot be mistaken for the marks of a tag list."""
    return value.translate(_ESCAPED_IN_TAGS)


def tags_of(
    *,
    root: str,
    folder: str,
    origin: str,
    uploader: str,
    version: str,
    own: Iterable[str] = (),
) -> tuple[str, ...]:
    """Return the tags that say where a file came from, in order, then the watch's own, each once."""
    marks = {
        "root": root,
        "folder": folder,
        "origin": origin,
        "uploader": uploader,
        "version": version,
    }
    tags = [f"oort|{key}|{escape(value)}" for key, value in marks.items()]
    return tuple(dict.fromkeys([*tags, *own]))
