"""One watch verified: what lies in its folder, what the queue has of it, what the server lists.

The queue and the folder are read once, each dataset is listed once. What the server lacks is put
back into the queue dataset by dataset, so that an interrupted verify has lost nothing.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from oort.detect.bounds import Bounds
from oort.detect.mounts import ask_disk
from oort.detect.opening import open_beneath
from oort.detect.scanner import Scan
from oort.policy.naming import folder_of
from oort.policy.paths import Rules
from oort.policy.verifying import (
    NEVER_SEEN,
    Finding,
    Judgement,
    Remedy,
    needs_reading,
    without_server,
)
from oort.queue.database import Database, opening
from oort.queue.opening import queue_host, readers_of
from oort.queue.verifying import newest_of_each_path
from oort.transfer.unchanged import hash_file
from oort.values import printable
from oort.verify.dataset import Expected, compare_listing, oldest_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from oort.locations import Locations
    from oort.policy.version import FileVersion
    from oort.queue.verifying import Queued
    from oort.remote import Remote
    from oort.settings import Settings
    from oort.values import RelPath, Watch
    from oort.verify.bookmark import Bookmark

AT_ONCE: Final = 1000
"""So many files are put back into the queue by one request."""

_LISTED: Final = {
    Finding.MISSING: "missing",
    Finding.DIFFERS: "differs",
    Finding.UNPROVEN: "unproven",
}


@dataclass(slots=True)
class Result:
    """What was found of a watch: absolute paths by finding, each with its reason, and counts."""

    there: int = 0
    left_out: int = 0
    queued: int = 0
    """Files that were put back into the queue, or shown to detection."""
    lists: dict[str, dict[str, str]] = field(
        default_factory=lambda: {name: {} for name in _LISTED.values()}
    )
    troubles: list[str] = field(default_factory=list)
    """Why something could not be looked at, in words: then nobody can say that all is there."""

    def add(self, path: str, judgement: Judgement) -> None:
        """Take the finding of one file into account."""
        name = _LISTED.get(judgement.finding)
        if name is not None:
            self.lists[name][path] = judgement.reason
        elif judgement.finding is Finding.THERE:
            self.there += 1
        else:
            self.left_out += 1

    def include(self, other: Result) -> None:
        """Add what was found elsewhere."""
        self.there += other.there
        self.left_out += other.left_out
        self.queued += other.queued
        self.troubles += other.troubles
        for name, found in other.lists.items():
            self.lists[name] |= found

    @property
    def all_there(self) -> bool:
        """Whether all that is on the disk is at the server, the unproven ones included."""
        return not (self.lists["missing"] or self.lists["differs"] or self.troubles)

    def as_document(self) -> dict[str, Any]:
        """Return it as a bookmark keeps it."""
        return {
            "there": self.there,
            "left_out": self.left_out,
            "queued": self.queued,
            "lists": self.lists,
        }

    @classmethod
    def of_document(cls, told: dict[str, Any]) -> Result:
        """Return what a bookmark kept."""
        return cls(told["there"], told["left_out"], told["queued"], told["lists"])


class Verifying:
    """One run over one watch.

    `send_again` has rows put back into the queue and files looked at: (ids, paths) -> how many.
    `on_progress` is told how far it is, in files: (done, of all).
    """

    def __init__(
        self,
        watch: Watch,
        settings: Settings,
        locations: Locations,
        remote: Remote,
        *,
        never: frozenset[bytes],
        send_again: Callable[[Sequence[int], Sequence[RelPath]], int],
        on_progress: Callable[[int, int], None],
    ) -> None:
        self._watch = watch
        self._settings = settings
        self._database = Database.at(settings.database_url(locations))
        self._remote = remote
        self._never = never
        self._send_again = send_again
        self._on_progress = on_progress
        self._result = Result()
        self._uuids: dict[str, str] = {"": ""}
        self._total = 0
        self._done = 0

    def run(self, bookmark: Bookmark, now: datetime) -> Result:
        """Compare everything. Raises OortError where the server or the queue cannot be asked."""
        versions = self._walk()
        self._total = len(versions)
        datasets = self._sort_out(versions)
        for uuid, expected in sorted(datasets.items()):
            if uuid in bookmark.done:
                found = Result.of_document(bookmark.done[uuid])
            else:
                found = self._verify_dataset(uuid, expected)
                bookmark.note(uuid, found.as_document(), now)
            self._result.include(found)
            self._advance(len(expected))
        bookmark.remove()
        return self._result

    def _advance(self, files: int) -> None:
        self._done += files
        self._on_progress(self._done, self._total)

    # -- the folder and the queue ------------------------------------------------------------------

    def _walk(self) -> dict[RelPath, FileVersion]:
        """Return the files that lie in the watched folder, by the watch's own rules."""
        watch = self._watch
        if not ask_disk(watch.path.is_dir):
            self._result.troubles.append(f"{watch.path} is not there, or does not answer")
            return {}
        inner = frozenset(
            os.fsencode(os.path.realpath(other.path))
            for other in self._settings.watches
            if other.name != watch.name
        )
        bounds = Bounds(
            watch.path,
            Rules(watch.include, watch.exclude),
            follow_symlinks=watch.follow_symlinks,
            never=self._never,
            inner=inner,
        )
        scan = Scan(bounds)
        found = {version.rel_path: version for batch in scan for version in batch}
        if scan.start_error is not None:
            self._result.troubles.append(
                f"{watch.path} cannot be read: {scan.start_error.strerror}"
            )
        for place in scan.unreadable:
            path = printable(place.rel_path) or str(watch.path)
            self._result.troubles.append(f"{path} cannot be read: {place.reason}")
        return found

    def _sort_out(self, versions: dict[RelPath, FileVersion]) -> dict[str, list[Expected]]:
        """Judge by the queue what can be judged so; return the rest by dataset."""
        datasets: defaultdict[str, list[Expected]] = defaultdict(list)
        looks: list[RelPath] = []
        rest = dict(versions)
        for queued in self._queued():
            version = rest.pop(queued.version.rel_path, None)
            if version is None:
                continue  # not on the disk any more: nothing is claimed of it
            judgement = without_server(version, queued.state, queued.version)
            if judgement is None:
                expected = self._expected(version, queued)
                datasets[queued.dataset_uuid or self._uuid_of(queued)].append(expected)
            else:
                self._judged(version, judgement, looks)
        for version in rest.values():
            self._judged(version, NEVER_SEEN, looks)
        self._result.queued += self._hand_back([], looks)
        self._advance(len(versions) - sum(map(len, datasets.values())))
        return datasets

    def _queued(self) -> Iterable[Queued]:
        host = queue_host(self._database, self._settings.host)
        with readers_of(self._database) as engine:
            if engine is None:
                return
            with opening(self._database), engine.connect() as connection:
                yield from newest_of_each_path(connection, host, self._watch.name)

    def _judged(self, version: FileVersion, judgement: Judgement, looks: list[RelPath]) -> None:
        self._result.add(self._path(version.rel_path), judgement)
        if judgement.remedy is Remedy.LOOK:
            looks.append(version.rel_path)

    def _expected(self, version: FileVersion, queued: Queued) -> Expected:
        sha256 = queued.sha256
        if needs_reading(version, queued.version):
            sha256 = self._read(version)
        folder = folder_of(self._watch.path.name, version.rel_path)
        return Expected(version, queued, folder, sha256)

    def _read(self, version: FileVersion) -> str | None:
        """Return the SHA-256 of a file as it lies there, None where it cannot be read."""
        try:
            descriptor = open_beneath(
                self._watch.path,
                version.rel_path,
                follow_symlinks=self._watch.follow_symlinks,
            )
        except OSError:
            return None
        try:
            with os.fdopen(descriptor, "rb") as file:
                return hash_file(file)
        except OSError:
            return None

    def _uuid_of(self, queued: Queued) -> str:
        """Return the dataset of a row that knows only its name; empty where there is none."""
        name = queued.dataset_name or ""
        if name not in self._uuids:
            self._uuids[name] = oldest_named(self._remote, name, self._watch.portal)
        return self._uuids[name]

    # -- one dataset -------------------------------------------------------------------------------

    def _verify_dataset(self, uuid: str, expected: list[Expected]) -> Result:
        for_all: Judgement | None = None
        host = self._settings.host
        if uuid:
            listed = 0

            def on_file() -> None:
                nonlocal listed
                listed += 1
                if listed % AT_ONCE == 0:
                    self._on_progress(self._done + min(listed, len(expected)), self._total)

            for_all = compare_listing(
                self._remote, uuid, self._watch.portal, expected, host=host, on_file=on_file
            )
        found = Result()
        again: list[int] = []
        for one in expected:
            judgement = for_all or one.judge(host, partial(self._read, one.version))
            found.add(self._path(one.version.rel_path), judgement)
            if judgement.remedy is Remedy.SEND_AGAIN:
                again.append(one.queued.id)
        found.queued = self._hand_back(again, [])
        return found

    def _hand_back(self, ids: Sequence[int], looks: Sequence[RelPath]) -> int:
        done = 0
        for start in range(0, max(len(ids), len(looks)), AT_ONCE):
            done += self._send_again(ids[start : start + AT_ONCE], looks[start : start + AT_ONCE])
        return done

    def _path(self, rel_path: bytes) -> str:
        return printable(os.fsencode(self._watch.path).rstrip(b"/") + b"/" + rel_path)
