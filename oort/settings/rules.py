"""What a value in config.toml may be: one rule a kind of value.

A rule takes what TOML gave and returns what the program uses, or raises ValueError whose text
follows the key in a sentence: `must be 1 to 64, not 99`.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar
from urllib.parse import unquote_to_bytes, urlsplit

from oort.policy import bandwidth, naming

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_LONGEST_SHOWN: Final = 60
_LONGEST_HOST: Final = 64
_PASSWORD: Final = re.compile(r"(://[^:/@]*):.*@")
_PASSWORD_IN_QUERY: Final = re.compile(r"(password=)[^&\s]*", re.IGNORECASE)
_RESERVED_TAGS: Final = ("oort|", "arcsecond|")


@dataclass(frozen=True, slots=True)
class Rule(Generic[T_co]):
    """What is allowed, in words, and the function that enforces it."""

    allowed: str
    accept: Callable[[object], T_co]


def redact_url(url: str) -> str:
    """Return a URL without the password that it may hold."""
    return _PASSWORD_IN_QUERY.sub(r"\1***", _PASSWORD.sub(r"\1:***@", url))


def refuse(allowed: str, value: object) -> ValueError:
    """Return the error of a value that is not allowed; a password in it is not shown."""
    shown = redact_url(json.dumps(value, ensure_ascii=False, default=str))
    if len(shown) > _LONGEST_SHOWN:
        shown = shown[:_LONGEST_SHOWN] + "…"
    return ValueError(f"must be {allowed}, not {shown}")


def _plain(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


def number(low: float, high: float) -> Rule[float]:
    """Any finite number from `low` to `high`; true and false are none."""
    allowed = f"{_plain(low)} to {_plain(high)}"

    def accept(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refuse(allowed, value)
        if not math.isfinite(value) or not low <= value <= high:
            raise refuse(allowed, value)
        return float(value)

    return Rule(allowed, accept)


def whole(low: int, high: int) -> Rule[int]:
    """A whole number from `low` to `high`; true and false are none."""
    allowed = f"{low} to {high}"

    def accept(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise refuse(allowed, value)
        return value

    return Rule(allowed, accept)


def whole_or_auto(low: int, high: int) -> Rule[int | str]:
    """The word `auto`, or a whole number from `low` to `high`."""
    allowed = f'"auto" or {low} to {high}'

    def accept(value: object) -> int | str:
        if value == "auto":
            return "auto"
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise refuse(allowed, value)
        return value

    return Rule(allowed, accept)


def choice(*words: str) -> Rule[str]:
    """One of a few words."""
    allowed = " or ".join(f'"{word}"' for word in words)

    def accept(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise refuse(allowed, value)
        return value

    return Rule(allowed, accept)


def _text(value: object, allowed: str) -> str:
    """Return a text that is one line, trimmed and not empty."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise refuse(allowed, value)
    return value.strip()


def text(allowed: str, longest: int) -> Rule[str]:
    """One line of at most `longest` characters."""

    def accept(value: object) -> str:
        found = _text(value, allowed)
        if len(found) > longest:
            raise refuse(allowed, value)
        return found

    return Rule(allowed, accept)


def optional(rule: Rule[T]) -> Rule[T | None]:
    """The same, or an empty text, which stands for none."""

    def accept(value: object) -> T | None:
        return None if value == "" else rule.accept(value)

    return Rule(rule.allowed, accept)


def _accept_yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise refuse("true or false", value)
    return value


YES_OR_NO: Final = Rule("true or false", _accept_yes_or_no)

HOST: Final = text(f"1 to {_LONGEST_HOST} characters", _LONGEST_HOST)


def _accept_bwlimit(value: object) -> str:
    if not isinstance(value, str):
        raise refuse(bandwidth.ALLOWED, value)
    try:
        bandwidth.parse(value)
    except ValueError:
        raise refuse(bandwidth.ALLOWED, value) from None
    return value


BWLIMIT: Final = Rule(bandwidth.ALLOWED, _accept_bwlimit)


_DATABASES: Final = '"sqlite:////absolute/path" or "postgresql+psycopg://…"'
_SQLITE: Final = re.compile(r"sqlite:///(/|[A-Za-z]:[/\\]).+")
_POSTGRESQL: Final = re.compile(r"postgresql\+psycopg://.+")


def _accept_database(value: object) -> str:
    url = _text(value, _DATABASES)
    if not _SQLITE.fullmatch(url) and not _POSTGRESQL.fullmatch(url):
        raise refuse(_DATABASES, value)
    return url


DATABASE: Final = Rule(_DATABASES, _accept_database)


def _accept_web_address(value: object) -> str:
    allowed = "a URL that begins with http:// or https://"
    url = _text(value, allowed)
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_address = False
    if not is_address:
        raise refuse(allowed, value)
    return url


WEB_ADDRESS: Final = Rule("a URL that begins with http:// or https://", _accept_web_address)


def _accept_path(value: object) -> Path:
    """Return an absolute path; `file://` is how a name that is not UTF-8 can be written in TOML."""
    allowed = "an absolute path"
    if not isinstance(value, str) or "\0" in value:
        raise refuse(allowed, value)
    if value.startswith("file://"):
        path = Path(
            unquote_to_bytes(value.removeprefix("file://")).decode("utf-8", "surrogateescape")
        )
    else:
        path = Path(value)
    try:
        path = path.expanduser()
    except RuntimeError:  # `~nobody`
        raise refuse(allowed, value) from None
    if not path.is_absolute():
        raise refuse(allowed, value)
    return Path(*(part for part in path.parts if part != "."))


ABSOLUTE_PATH: Final = Rule("an absolute path", _accept_path)

FILE: Final = Rule("the absolute path of a file", lambda value: str(_accept_path(value)))


def _accept_dataset(value: object) -> str:
    allowed = "a name, a UUID or a template"
    template = _text(value, allowed)
    naming.check_template(template)
    return template


DATASET: Final = Rule("a name, a UUID or a template", _accept_dataset)


def _accept_texts(value: object) -> tuple[str, ...]:
    allowed = "a list of texts"
    if not isinstance(value, list | tuple):
        raise refuse(allowed, value)
    return tuple(_text(entry, allowed) for entry in value)


TEXTS: Final = Rule("a list of texts", _accept_texts)


def _accept_patterns(value: object) -> tuple[str, ...]:
    patterns = _accept_texts(value)
    if patterns:
        from oort.policy.paths import pattern_error

        for pattern in patterns:
            if pattern_error(pattern):
                raise refuse("a list of patterns as in .gitignore", pattern)
    return patterns


PATTERNS: Final = Rule("a list of patterns as in .gitignore", _accept_patterns)


def _accept_tags(value: object) -> tuple[str, ...]:
    allowed = "a list of tags without commas, none beginning with oort| or arcsecond|"
    tags = _accept_texts(value)
    if any("," in tag or tag.lower().startswith(_RESERVED_TAGS) for tag in tags):
        raise refuse(allowed, value)
    return tags


TAGS: Final = Rule("a list of tags without commas", _accept_tags)
