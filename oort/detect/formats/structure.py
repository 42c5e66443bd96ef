"""What a structure check found, and the header values that are kept on the way."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(StrEnum):
    """A format whose structure can be checked; the content decides which, not the name."""

    FITS = "FITS"
    XISF = "XISF"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    ZIP = "zip"


@dataclass(frozen=True, slots=True)
class Structure:
    """What a format says of a file of its kind."""

    kind: Kind | None = None
    whole: bool | None = None
    """Every byte that the format announces is there; None: it announces nothing that we can read."""
    needed: int | None = None
    """How many bytes there should be at least, where the format says that."""
    header: Mapping[str, str] = field(default_factory=dict)
    """Values of `KEPT_KEYWORDS`, as written in the file, without quotes and padding."""
    reason: str = ""
    """Why it is not whole, or why nothing can be said, in words."""


KEPT_KEYWORDS: Final = frozenset(
    {
        # for templates and the night report
        "OBJECT",
        "FILTER",
        "IMAGETYP",
        "DATE-OBS",
        "EXPTIME",
        "TELESCOP",
        "INSTRUME",
        # for the night alone
        "TIME-OBS",
        "UT",
        "DATE-BEG",
        "MJD-OBS",
        # becomes EXPTIME where that is not given
        "EXPOSURE",
    }
)

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def clean(value: str) -> str:
    """Return a header value as people mean it: without FITS quotes, padding, control characters."""
    text = (value if value.isprintable() else _CONTROL.sub(" ", value)).strip()
    if text.startswith("'"):
        text = _quoted(text)
    return text.strip()


def _quoted(text: str) -> str:
    """Return what stands between the first quote and the next single one (`''` is a quote)."""
    end = text.find("'", 1)
    if end == -1 or text[end + 1 : end + 2] != "'":
        return text[1:] if end == -1 else text[1:end]
    inner = []
    at = 1
    while at < len(text):
        if text[at] == "'":
            if text[at + 1 : at + 2] != "'":
                break
            at += 1
        inner.append(text[at])
        at += 1
    return "".join(inner)


def kept(found: Mapping[str, str]) -> dict[str, str]:
    """Return the values worth keeping: the kept keywords that say anything, EXPOSURE as EXPTIME."""
    header = {key: value for key, value in found.items() if key in KEPT_KEYWORDS and value}
    exposure = header.pop("EXPOSURE", None)
    if exposure is not None:
        header.setdefault("EXPTIME", exposure)
    return header
