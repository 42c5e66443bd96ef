"""Whether a file in the dataset is the file on this disk: one pure function.

The same file means: same name in the same dataset, same size, same SHA-256, which travels as the
tag `arcsecond|sha256|<64 hex>`. Without a hash, equal name and size count as the same but are
*unproven*, unless Oort's tags tell that another machine or folder brought it.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arcsecond.upload.datafiles import RemoteFile


class Likeness(Enum):
    """What can be said of two files of one name."""

    SAME = "same size and SHA-256"
    UNPROVEN = "same size; the server has no hash to compare"
    OTHER = "another file"


def compare(size: int, sha256: str, remote: RemoteFile) -> Likeness:
    """Compare a local file of `size` bytes and `sha256` with its namesake at the server."""
    if not remote.has_file or (remote.size is not None and remote.size != size):
        return Likeness.OTHER
    if remote.sha256 is not None:
        return Likeness.SAME if remote.sha256 == sha256 else Likeness.OTHER
    if remote.size is None or remote.from_oort:
        return Likeness.OTHER
    return Likeness.UNPROVEN
