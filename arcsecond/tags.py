"""The words in a data file's tags: how they are written, joined and found again.

Arcsecond's tags are plain strings. Ours have three parts, `who|what|value`, because a plain list
of words is all that the server keeps. Pure: strings in, strings out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHA256 = re.compile(r"arcsecond\|sha256\|([0-9a-f]{64})")
_ESCAPED = re.compile(r"%(25|2C|7C)", re.IGNORECASE)


def escape(value: str) -> str:
    """Percent-encode what has a meaning in a tag: `%`, the comma between tags, the bar inside one."""
    return value.replace("%", "%25").replace(",", "%2C").replace("|", "%7C")


def unescape(value: str) -> str:
    """Undo `escape`; any other percent sign stays as it is."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), value)


def sha256_tag(sha256: str) -> str:
    """Return the tag that proves a file's content; `sha256` is 64 lower-case hex digits.

    Its length does not depend on the digest, so that it can follow the bytes it was computed from
    in a form whose length is announced beforehand.
    """
    return f"arcsecond|sha256|{sha256}"


def find_sha256(tags: Iterable[str]) -> str | None:
    """Return the SHA-256 that the tags name, or None; of several different ones, none is believed."""
    found = {match[1] for tag in tags if (match := _SHA256.fullmatch(tag.strip()))}
    return found.pop() if len(found) == 1 else None


def join(tags: Iterable[str]) -> str:
    """Return the tags as the upload form takes them; each was escaped where it needs to be."""
    return ",".join(tags)
