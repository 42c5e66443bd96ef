"""What lies in a folder that is about to be watched: counted, and recorded for `--new-only`."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oort.cli import output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oort.cli.options import Here
    from oort.policy.version import FileVersion
    from oort.values import Watch


@dataclass(slots=True)
class Look:
    """One walk through a folder."""

    files: list[FileVersion] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    unreadable: list[tuple[bytes, str]] = field(default_factory=list)

    @property
    def volume(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


def look(watch: Watch, others: Sequence[Watch], here: Here) -> Look:
    """Walk through a folder as the daemon would: by the watch's rules, without inner watches."""
    from oort.detect.bounds import Bounds
    from oort.detect.scanner import Scan
    from oort.policy.paths import Rules

    bounds = Bounds(
        root=watch.path,
        rules=Rules(watch.include, watch.exclude),
        follow_symlinks=watch.follow_symlinks,
        never=own_places(here),
        inner=frozenset(os.fsencode(os.path.realpath(other.path)) for other in others),
    )
    scan, found = Scan(bounds), Look()
    for batch in scan:
        found.files += batch
    found.left_out.update({str(verdict): count for verdict, count in scan.left_out.items()})
    found.unreadable = [(place.rel_path, place.reason) for place in scan.unreadable]
    return found


def own_places(here: Here) -> frozenset[bytes]:
    """Return where Oort and arcsecond keep their own files, which are never sent."""
    from oort.remote import config_file

    url = here.settings.database_url(here.locations)
    file = Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None
    return here.locations.own_places(file, config_file())


def words(look: Look, *, leave_out: bool) -> str:
    """Return count and volume in words, and what the rules leave out."""
    files = f"{output.count(len(look.files), 'file')}, {output.size(look.volume)}"
    if leave_out:
        files += "; left out for ever, only what comes later is sent (--new-only)"
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(look.left_out.items()))
    return files + (f"; left out: {reasons}" if reasons else "")


def warnings_of(look: Look) -> list[str]:
    """Return what could not be read."""
    if not look.unreadable:
        return []
    place, reason = look.unreadable[0]
    more = len(look.unreadable) - 1
    rest = f" and {output.count(more, 'more place')}" if more else ""
    return [f"{output.words(place) or 'the folder'}{rest} cannot be read: {reason}"]


def baseline(watch: Watch, look: Look) -> dict[str, Any]:
    """Return the arguments of `baseline`; names that are no UTF-8 travel as `os.fsdecode` gives."""
    return {
        "watch": watch.name,
        "root": str(watch.path),
        "files": [
            (os.fsdecode(file.rel_path), file.size, file.mtime_ns, file.inode)
            for file in look.files
        ],
    }
