"""The files of a dataset as they are known, to be found by name or by what it may have become."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from arcsecond.upload.datafiles import RemoteFile

# What Django puts before the extension where a name is taken.
_SUFFIX = re.compile(r"_[A-Za-z0-9]{7}(\..*)?$")


class RemoteIndex:
    """The files of one dataset as they are known, to be found by name or by what it may have become.

    Filled by one thread; afterwards any thread may `add` and look.
    """

    def __init__(self, files: Iterable[RemoteFile] = (), *, is_complete: bool = True) -> None:
        self.is_complete = is_complete
        """False where this key may not read the listing: then only what we add is known."""
        self._by_name: dict[str, RemoteFile] = {}
        self._by_gist: dict[str, list[RemoteFile]] | None = None
        for file in files:
            self.add(file)

    def add(self, file: RemoteFile, *, sent_as: str | None = None) -> None:
        """Note a file, and the name that it was sent under where the server changed it."""
        self._by_name.setdefault(file.name, file)
        if sent_as is not None:
            self._by_name.setdefault(sent_as, file)

    def named(self, name: str) -> RemoteFile | None:
        """Return the file of that name."""
        return self._by_name.get(name)

    def maybe_renamed(self, name: str, size: int) -> list[RemoteFile]:
        """Return files that the server may have made of that name, with a hash to prove it.

        Of what was there when this was first asked: whatever we add, we know by its name.
        """
        if self._by_gist is None:
            by_gist: dict[str, list[RemoteFile]] = {}
            for file in list(self._by_name.values()):
                for form in {gist(file.name), gist(_SUFFIX.sub(r"\1", file.name))}:
                    by_gist.setdefault(form, []).append(file)
            self._by_gist = by_gist
        return [
            file
            for file in self._by_gist.get(gist(name), ())
            if file.sha256 is not None and file.size in (None, size)
        ]

    def nobodys(self, names: Container[str]) -> list[RemoteFile]:
        """Return the files with a hash whose names are not among `names`."""
        return [f for f in self._by_name.values() if f.sha256 and f.name not in names]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __len__(self) -> int:
        return len(self._by_name)


def gist(name: str) -> str:
    """Return what stays of a name whatever a server does to it: its last part's letters and digits.

    Django, for one, turns blanks into underscores and drops signs. A quote travels as `%22` and
    stays so at some servers; HTML entities are undone by others.
    """
    last = html.unescape(re.split(r"[/\\]", name)[-1]).replace('"', "%22")
    return "".join(c for c in unicodedata.normalize("NFKC", last).casefold() if c.isalnum())
