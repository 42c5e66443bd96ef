"""Whether a namesake at the server is the same file (design.md §3, "The same file").

Equal names and sizes are not enough: two exposures of one camera have equal sizes. The SHA-256
decides, which travels as a tag; where there is none, tags of another origin or folder speak
against, and nothing at all leaves the file *the same, but unproven*.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Local:
    """What we know of our own file; `sha256` is None as long as nobody read it."""

    size: int
    sha256: str | None
    origin: str
    """The host, as its `oort|origin|` tag says before it is escaped."""
    folder: str
    """The folder, as its `oort|folder|` tag says before it is escaped."""


@dataclass(frozen=True, slots=True)
class Same:
    """It is the same file; `unproven` where no hash says so."""

    unproven: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Other:
    """It is another file; `reason` says what differs, in words."""

    reason: str


@dataclass(frozen=True, slots=True)
class NeedsHash:
    """The server knows the hash, and we do not know ours yet: read the file and ask again."""


Comparison = Same | Other | NeedsHash

_MARKS: Final = ("origin", "folder")
HASH_TAG: Final = "arcsecond|sha256|"
"""How the tag begins that says what a file's content is."""
_HASH_CLAIM: Final = re.compile(re.escape(HASH_TAG) + r"([0-9a-f]{8,64})")
"""A hash tag that a server may have cut, but not so short that it says nothing."""
_AS_SENT: Final = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})
"""How a form carries what would end its header (HTML standard, "Multipart form data")."""
_STORED_UNCHANGED: Final = re.compile(r"[-\w.]+", re.ASCII)
_NOT_KEPT: Final = re.compile(r"[^-\w.]")
_SUFFIX: Final = re.compile(r"_[A-Za-z0-9]{7}((?:\.[^.]*)*)$")


def compare(
    local: Local,
    *,
    size: int | None,
    sha256: str | None,
    tags: Iterable[str],
    has_file: bool = True,
) -> Comparison:
    """Tell whether the server's namesake of our file, as the server describes it, is our file.

    `sha256` is the one that the server tells or its tags name; where they name several, or a cut
    one, `tags` can still speak against.
    """
    if not has_file:
        return Other("the server has a record of that name, and no file in it")
    if size is not None and size != local.size:
        return Other(f"the file at the server has {size} bytes, this one {local.size}")
    if sha256 is not None:
        return _compare_hashes(local, size, sha256)
    if size is None:
        return Other("the server tells neither the size nor the content of its file")
    return _compare_claims(local, tags) or _compare_marks(local, tags)


def _compare_hashes(local: Local, size: int | None, sha256: str) -> Comparison:
    if local.sha256 is None:
        return NeedsHash()
    if sha256 != local.sha256:
        return Other("the file at the server has another content (SHA-256)")
    if size is None:
        return Same(unproven=True, note="the server does not tell the file's size")
    return Same(unproven=False)


def _compare_claims(local: Local, tags: Iterable[str]) -> Other | NeedsHash | None:
    """Compare with what is left of a hash in the tags; None where that does not speak against."""
    claims = tuple(match[1] for tag in tags if (match := _HASH_CLAIM.fullmatch(tag.strip())))
    if not claims:
        return None
    if local.sha256 is None:
        return NeedsHash()
    if local.sha256.startswith(claims):
        return None
    return Other("the file at the server has another content (what is left of its SHA-256)")


def _compare_marks(local: Local, tags: Iterable[str]) -> Same | Other:
    for mark, ours in zip(_MARKS, (local.origin, local.folder), strict=True):
        theirs = marks(tags, mark)
        if theirs and ours not in theirs:
            named = ", ".join(sorted(theirs))
            return Other(f"the file at the server came from another {mark}: {named}")
    return Same(unproven=True, note="equal name and size; the server knows no SHA-256 of it")


def marks(tags: Iterable[str], mark: str) -> frozenset[str]:
    """Return the values of the tags `oort|<mark>|…`, as they were before they were escaped."""
    start = f"oort|{mark}|"
    return frozenset(
        unquote(tag.strip()[len(start) :]) for tag in tags if tag.strip().startswith(start)
    )


def marks_among(tags: Iterable[str]) -> tuple[str, ...]:
    """Return the tags that `compare` looks at, where the server knows no hash."""
    starts = (HASH_TAG, *(f"oort|{mark}|" for mark in _MARKS))
    return tuple(tag for tag in tags if tag.strip().startswith(starts))


def is_stored_unchanged(name: str) -> bool:
    """Tell whether the server keeps this name as it is, so that it can be asked for by name.

    Django keeps letters, digits, `_`, `-` and dots; a name of dots alone is no file name.
    """
    return _STORED_UNCHANGED.fullmatch(name) is not None and name.strip(".") != ""


def same_name(name: str, remote_name: str) -> bool:
    """Tell whether the server's name is the file's, letter by letter (in NFC).

    A quote or a line break may have stayed as it travelled: `%22`, `%0A`.
    """
    return _nfc(remote_name) in (_nfc(name), _nfc(name.translate(_AS_SENT)))


def may_be_name_of(name: str, remote_name: str) -> bool:
    """Tell whether the server may have made `remote_name` of the name we sent.

    Only together with an equal hash does this mean anything: copies of one file under different
    names have equal hashes too.
    """
    return not names_at_server(name).isdisjoint(possible_origins(remote_name))


def names_at_server(name: str) -> frozenset[str]:
    """Return what `as_stored` may give for this name at a server, which undoes `%22` or does not."""
    return frozenset({as_stored(name), as_stored(name.translate(_AS_SENT))})


def possible_origins(remote_name: str) -> frozenset[str]:
    """Return what `as_stored` may have given for a file that has this name at the server.

    Where the name was taken, Django appends `_` and seven characters to its stem.
    """
    stored = as_stored(remote_name)
    return frozenset({stored, _SUFFIX.sub(r"\1", stored)})


def as_stored(name: str) -> str:
    """Return what Django makes of a file name, for comparing two of them.

    It cuts everything up to the last slash or backslash, undoes HTML entities, drops what cannot
    be printed, and turns blanks into underscores.
    """
    # django.http.multipartparser.sanitize_file_name, then django.utils.text.get_valid_filename.
    name = re.split(r"[/\\]", html.unescape(_nfc(name)))[-1]
    name = "".join(character for character in name if character.isprintable()).strip()
    return _NOT_KEPT.sub("", name.replace(" ", "_"))


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)
