"""What the server says of the data files of a dataset, read leniently.

*There* needs the asked name and dataset in a JSON answer. *Not there* is a JSON 404 of a route
that exists, or a complete listing: an HTML 404 proves nothing, since a name with a dot may never
reach the server's view of a single file.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from arcsecond.errors import AnswerError
from arcsecond.tags import find_sha256
from arcsecond.upload.patience import is_passing_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from arcsecond.upload.remote import Remote

OORTS = "oort|"
"""How the daemon's tags begin, which tell the machine and folder a file came from."""

PAGE_SIZE = 1000
"""Files a page that are asked for; a server may give fewer, or all at once."""

FORBIDDEN = frozenset({401, 403})
"""This key may not look."""

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A data file as the server told; what it did not tell is None."""

    id: str
    name: str
    size: int | None
    sha256: str | None
    from_oort: bool
    """Tags of Oort's are on it: it came from some machine's watched folder."""
    dataset: str | None = None
    has_file: bool = True
    """False for a record without bytes: the server names no size, or no file, where it names them."""
    tags: tuple[str, ...] | None = None
    """None in a listing that is kept: a hundred thousand files have many tags."""


def parse_file(item: object, *, keep_tags: bool = False) -> RemoteFile | None:
    """Read one data file from JSON; None if it is no object with an identifier."""
    if not isinstance(item, dict):
        return None
    identifier = item.get("pk", item.get("id"))
    if not isinstance(identifier, (int, str)) or isinstance(identifier, bool) or identifier == "":
        return None
    tags = _tags(item)
    size = item.get("size")
    return RemoteFile(
        id=str(identifier),
        name=_word(item.get("name")) or "",
        size=size if isinstance(size, int) and not isinstance(size, bool) else None,
        # A server that computes the hash itself is believed before a tag.
        sha256=_sha256(item.get("sha256")) or find_sha256(tags or ()),
        from_oort=any(tag.startswith(OORTS) for tag in tags or ()),
        dataset=_shared(uuid_of(item.get("dataset"))),
        has_file=item.get("size", 0) is not None and bool(item.get("file", "not told")),
        tags=tags if keep_tags else None,
    )


def uuid_of(value: object) -> str | None:
    """Return the identifier in a relation that is told by UUID or as the object itself."""
    if isinstance(value, dict):
        value = value.get("uuid")
    return value if isinstance(value, str) and value else None


def _tags(item: dict[str, object]) -> tuple[str, ...] | None:
    tags = item.get("tags")
    if not isinstance(tags, list):
        return None
    return tuple(tag for tag in tags if isinstance(tag, str))


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _shared(value: str | None) -> str | None:
    """Return the one copy of a text that a hundred thousand files have in common."""
    return None if value is None else sys.intern(value)


def _sha256(value: object) -> str | None:
    if isinstance(value, str) and _SHA256.fullmatch(value):
        return value.lower()
    return None


class DataFiles:
    """The data files of one dataset, asked for over one connection."""

    def __init__(self, remote: Remote, dataset: str) -> None:
        self._dataset = dataset
        self._all_files = remote.resource("datafiles/")
        self._files = remote.resource(f"datasets/{quote(dataset, safe='')}/datafiles/")

    def listing(
        self, wanted: Callable[[RemoteFile], bool] = lambda _: True
    ) -> Iterator[RemoteFile]:
        """Yield all of them that are wanted, page by page.

        Raises ArcsecondError when the listing cannot be read to its end.
        """

        def kept(item: object) -> RemoteFile | None:
            file = parse_file(item)
            return file if file is not None and self._is_ours(file) and wanted(file) else None

        def kept_of_all(item: object) -> RemoteFile | None:
            file = kept(item)
            return file if file is not None and file.dataset is not None else None

        try:
            for page in self._files.pages(kept, page_size=PAGE_SIZE):
                yield from page
        except AnswerError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            # A server without that route has this one; its filter may be a mere wish.
            filters = {"dataset": self._dataset, "page_size": PAGE_SIZE}
            for page in self._all_files.pages(kept_of_all, **filters):
                yield from page

    def named(self, name: str) -> RemoteFile | None:
        """Ask for one file by its name; None if that shows none, which proves nothing yet.

        Raises AnswerError when this key may not look or the server is in trouble, and
        TransportError when no answer came.
        """
        if "/" in name or name in (".", ".."):
            return None
        try:
            file = parse_file(self._files.read(name))
        except AnswerError as error:
            if error.status in FORBIDDEN or is_passing_status(error.status):
                raise
            return None
        return file if file is not None and file.name == name and self._is_ours(file) else None

    def in_listing(
        self, name: str, sha256: str | None, is_another: Callable[[str], bool]
    ) -> RemoteFile | None:
        """Look through all of them for the name, or for the content under a name not of another file.

        None means that it is not there. Raises as `listing` does.
        """

        def wanted(file: RemoteFile) -> bool:
            has_content = sha256 is not None and file.sha256 == sha256
            return file.name == name or (has_content and not is_another(file.name))

        by_content = None
        for file in self.listing(wanted):
            if file.name == name:
                return file
            by_content = file
        return by_content

    def _is_ours(self, file: RemoteFile) -> bool:
        return file.dataset is None or file.dataset.lower() == self._dataset.lower()
