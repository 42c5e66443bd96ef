"""What became of one path: a file with its history, a folder with its counts, or why there is no row."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from oort.detect import formats
from oort.detect.bounds import Bounds
from oort.detect.mounts import real_of
from oort.detect.opening import open_beneath
from oort.errors import OortError
from oort.policy.paths import Judgement, Rules, Verdict
from oort.policy.state import Status, Substatus
from oort.policy.version import FileVersion, RelPath
from oort.queue import reads
from oort.queue.reads import Counts
from oort.status.view import View, asking, row_document
from oort.values import iso, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from oort.locations import Locations
    from oort.settings import Settings
    from oort.values import Watch

_STORED: Final = (Substatus.DONE.value, Substatus.ALREADY_SYNCED.value)
_SUBSTATUS_OF: Final = {
    Verdict.HIDDEN: Substatus.HIDDEN,
    Verdict.EMPTY: Substatus.EMPTY,
    Verdict.EXCLUDED: Substatus.IGNORED,
    Verdict.OUTSIDE: Substatus.IGNORED,
}


def of_path(
    locations: Locations, settings: Settings, path: str | os.PathLike[str]
) -> dict[str, Any]:
    """Return what is known of one file (with its history) or the counts of one folder.

    Raises `OortError` for a path that no watch covers and that has no row, that does not exist, or
    that is not seen yet; the message says which.
    """
    with asking(locations, settings) as (connection, view):
        places = _places(connection, view, path)
        for place in places:
            document = _known_file(connection, view, place)
            if document is not None:
                return document
        return _unknown_path(connection, view, places, path)


@dataclass(frozen=True, slots=True)
class _Place:
    """A path as seen from one watched folder."""

    watch: str
    root: bytes
    rel_path: RelPath

    @property
    def absolute(self) -> bytes:
        return self.root.rstrip(b"/") + (b"/" + self.rel_path if self.rel_path else b"")


def _places(
    connection: Connection | None, view: View, path: str | os.PathLike[str]
) -> list[_Place]:
    """Return how watched folders see a path: as given first, then with links resolved; innermost first."""
    roots = [(watch.name, os.fsencode(watch.path)) for watch in view.settings.watches]
    if connection is not None:
        roots += [one for one in reads.roots(connection, view.host) if one not in roots]
    places: list[_Place] = []
    roots += [(name, real_of(root)) for name, root in roots]
    for given in (os.path.abspath(path), os.path.realpath(path)):  # noqa: PTH100  # bytes that are no UTF-8 must survive
        raw = os.fsencode(given)
        for name, folder in sorted(roots, key=lambda one: -len(one[1])):
            root = folder.rstrip(b"/")
            if raw == root or raw.startswith(root + b"/"):
                place = _Place(name, folder, RelPath(raw[len(root) + 1 :]))
                if place not in places:
                    places.append(place)
    return places


def _known_file(connection: Connection | None, view: View, place: _Place) -> dict[str, Any] | None:
    """Return the newest row of a path with its history, or its folder's counts."""
    if os.path.isdir(place.absolute):  # noqa: PTH112  # bytes
        return _folder(connection, view, place)
    if connection is None or not place.rel_path:
        return None
    row = reads.newest(connection, view.host, place.watch, place.rel_path)
    if row is None:
        return None
    steps = [
        {
            "at": iso(step["at"]),
            "status": step["status"],
            "substatus": step["substatus"],
            "cause": step["cause"],
        }
        for step in reads.history(connection, row["id"])
    ]
    document = row_document(view, row)
    if document["error"] is None:
        if document["substatus"] == Substatus.SETTLING.value:
            document["error"] = _why_it_settles(view, place)
        elif document["substatus"] in _STORED:
            document["error"] = _changed_since(
                place, FileVersion(place.rel_path, row["size"], row["mtime_ns"], row["inode"])
            )
    return document | {"history": steps}


def _changed_since(place: _Place, stored: FileVersion) -> str | None:
    """Say that the file on the disk is no longer the version that was stored, if so."""
    try:
        found = FileVersion.of(place.rel_path, os.stat(place.absolute))  # noqa: PTH116  # bytes
    except OSError:
        return None  # it is at the server, whatever became of it here
    if (found.size, found.mtime_ns) == (stored.size, stored.mtime_ns):
        return None
    return "the file on the disk has changed since it was stored, and is not compared yet"


def _why_it_settles(view: View, place: _Place) -> str | None:
    """Say what a file that settles waits for, as a look at it tells now; None where it does not."""
    watch = view.settings.watch(place.watch)
    if watch is None:
        return None
    try:
        fd = open_beneath(watch.path, place.rel_path, follow_symlinks=watch.follow_symlinks)
    except OSError as error:
        return error.strerror
    try:
        if _is_written(fd, watch):
            return "a program has it open for writing"
        return _what_is_missing(fd, place) if watch.check_structure else None
    except OSError as error:
        return error.strerror
    finally:
        os.close(fd)


def _is_written(fd: int, watch: Watch) -> bool:
    from oort.detect.mounts import is_network  # only where it is needed
    from oort.detect.writers import has_writer

    return bool(has_writer(fd)) and not is_network(watch.path)


def _what_is_missing(fd: int, place: _Place) -> str | None:
    """Say why its format does not call a file whole. Raises OSError.

    Formats that must be read to their end are not: an answer may not take that long.
    """
    source = formats.FileSource(fd, os.fstat(fd).st_size)
    if formats.recognise(source) in formats.SLOW:
        return None
    structure = formats.inspect(source, place.rel_path)
    return structure.reason if structure.whole is False else None


def _folder(connection: Connection | None, view: View, place: _Place) -> dict[str, Any]:
    found = Counts()
    if connection is not None:
        found = reads.counts_below(connection, view.host, place.watch, place.rel_path)
    return {
        "path": printable(place.absolute),
        "watch": place.watch,
        "by_status": {one.value: found.by_status[one.value] for one in Status},
        "pending_files": found.pending_files,
        "pending_bytes": found.pending_bytes,
    }


def _unknown_path(
    connection: Connection | None,
    view: View,
    places: Sequence[_Place],
    path: str | os.PathLike[str],
) -> dict[str, Any]:
    """Say why a path has no row: left out by a rule (no error), gone, not covered, not seen yet."""
    words = printable(os.fsencode(path))
    for place in places:
        watch = view.settings.watch(place.watch)
        if watch is not None and place.rel_path:
            left_out = _left_out(view, watch, place)
            if left_out is not None:
                return left_out
    if connection is not None:
        for place in places:
            if place.rel_path and reads.matching(
                connection, view.host, place.watch, place.rel_path
            ):
                return _folder(connection, view, place)
    _refuse_unreadable(view, places, words)
    if not os.path.lexists(path):
        raise OortError(f"{words} does not exist, and is not in the queue")
    covering = [place for place in places if view.settings.watch(place.watch) is not None]
    if not covering:
        raise OortError(
            f"no watch covers {words}", hint="`oort folders` lists them, `oort watch` adds one"
        )
    raise OortError(f"{words} is not seen yet; {_next_scan(view, covering[0].watch)}")


def _refuse_unreadable(view: View, places: Sequence[_Place], words: str) -> None:
    """Raise OortError where the daemon's last scan could not look at a path, or at a folder above."""
    for place in places:
        path = printable(place.rel_path)
        for one in view.told(place.watch).get("unreadable", []):
            above, _, reason = one.rpartition(": ")
            if above in (".", path) or path.startswith(above + "/"):
                where = "its watched folder" if above == "." else above
                raise OortError(f"the daemon cannot see {words}: {where} cannot be read: {reason}")


def _next_scan(view: View, watch: str) -> str:
    if not view.running:
        return "the daemon is not running: `oort start`"
    told = view.told(watch)
    last = told.get("last_scan_at")
    if last is None:
        return "its watch is being scanned"
    settings = view.settings
    every_s = settings.poll_s if told.get("state") == "polling" else settings.rescan_s
    next_at = datetime.fromisoformat(last) + timedelta(seconds=every_s)
    return f"the next scan is at {iso(next_at)}"


def _left_out(view: View, watch: Watch, place: _Place) -> dict[str, Any] | None:
    """Return the answer for a file that the rules leave out, None for one that they keep."""
    from oort.remote import config_file  # brings the HTTP library along: only where it is needed

    others = [real_of(one.path) for one in view.settings.watches]
    bounds = Bounds(
        watch.path,
        Rules(watch.include, watch.exclude),
        follow_symlinks=watch.follow_symlinks,
        never=view.locations.own_places(view.database_file, config_file()),
        inner=frozenset(others),
    )
    try:
        found = bounds.look_at(place.rel_path)
        size = os.stat(place.absolute).st_size  # noqa: PTH116  # bytes
    except OSError:
        return None
    if not isinstance(found, Judgement):
        return None
    return {
        "id": None,
        "watch": watch.name,
        "path": printable(place.absolute),
        "size": size,
        "status": Status.SKIPPED.value,
        "substatus": _SUBSTATUS_OF[found.verdict].value,
        "attempts": 0,
        "error": found.rule,
        "dataset": None,
        "remote_id": None,
        "sha256": None,
        "created_at": None,
        "started_at": None,
        "ended_at": None,
        "next_attempt_at": None,
        "unproven": False,
        "history": [],
    }
