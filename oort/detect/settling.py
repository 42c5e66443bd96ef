"""The files of one watch that were seen and are not yet known to be complete.

Each has a moment of its next look. A look compares what is on the disk with what was there before,
and `oort.policy.settle` says what follows. What comes of it is a `Sighting`, for the queue.
"""

from __future__ import annotations

import contextlib
import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from oort.detect.bounds import Folder
from oort.detect.formats import Structure
from oort.detect.inspector import look_into
from oort.detect.opening import NotRegularError, OutsideRootError
from oort.policy import settle
from oort.policy.paths import Judgement, Verdict
from oort.policy.settle import Look, Patience, Signs
from oort.policy.sighting import Phase, Sighting
from oort.policy.version import FileVersion

if TYPE_CHECKING:
    from collections.abc import Callable

    from oort.detect.bounds import Bounds, Glances
    from oort.detect.inspector import Inspector
    from oort.policy.version import RelPath

GONE_AFTER_S: Final = 2.0
"""Between the two looks that must both find nothing (design.md §3)."""
UNREADABLE_AGAIN_S: Final = 10.0
"""Before the next look where the disk could not tell."""
_INSPECTED_AGAIN_S: Final = 3600.0
"""A look meanwhile is not needed: the inspector reports."""
_PLANS_LEAST: Final = 1000
"""So many plans that do not hold any more may lie about, and as many as there are files."""


@dataclass(slots=True)
class _Entry:
    """One file that settles."""

    version: FileVersion
    first: Look
    """The earliest look that showed this version."""
    closed_at: float | None
    """When an event first said that its writer closed this version."""
    ask_first: bool
    due_at: float
    hinted_closed: bool = False
    """An event said so since the last look: it holds for the version that the next one shows."""
    missed_looks: int = 0
    looked_into: bool = False
    inspecting: bool = False
    slow: Structure | None = None
    """What the inspector found of this version."""


class Settling:
    """The table of files that settle. Owned by the intake's thread.

    `root_is_healthy` is asked before a file is called gone. `patience`, `bounds` and
    `check_structure` may be replaced at any time, followed by `look_anew`.
    """

    def __init__(
        self,
        bounds: Bounds,
        patience: Patience,
        inspector: Inspector,
        glances: Glances,
        *,
        check_structure: bool,
        root_is_healthy: Callable[[], bool],
    ) -> None:
        self.bounds = bounds
        self.patience = patience
        self.check_structure = check_structure
        self._inspector = inspector
        self._glances = glances
        self._root_is_healthy = root_is_healthy
        self._entries: dict[RelPath, _Entry] = {}
        self._due: list[tuple[float, RelPath]] = []
        self.unjudged = 0
        """Files that wait for their quiet time to pass; the others wait for something to happen."""

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, rel_path: RelPath) -> bool:
        return rel_path in self._entries

    def add(self, version: FileVersion, now: float, *, closed: bool, ask_first: bool) -> None:
        """Let a file settle that is not in the table."""
        closed_at = now if closed else None
        entry = _Entry(version, _look(version, now), closed_at, ask_first, due_at=now)
        self._entries[version.rel_path] = entry
        self.unjudged += 1
        self._plan(entry, now + self._first_wait_s(closed=closed))

    def hint(self, rel_path: RelPath, now: float, *, closed: bool) -> None:
        """An event named a file of the table: look at it at once."""
        entry = self._entries[rel_path]
        entry.hinted_closed |= closed
        self._plan(entry, now)

    def version_of(self, rel_path: RelPath) -> FileVersion | None:
        """Return the version of a file of the table that was seen last."""
        entry = self._entries.get(rel_path)
        return None if entry is None else entry.version

    def forget(self, rel_path: RelPath) -> None:
        """Take a file out of the table: it has another name now."""
        entry = self._entries.get(rel_path)
        if entry is not None:
            self._drop(entry)

    def forget_below(self, way: bytes) -> None:
        """Take out of the table what lies below a folder, `/` at its end: another watch has it."""
        for rel_path in [path for path in self._entries if path.startswith(way)]:
            self._drop(self._entries[rel_path])

    def look_anew(self, now: float) -> None:
        """Look at each file at once: rules or patience have changed; how long it was quiet stays."""
        for entry in self._entries.values():
            self._plan(entry, now)

    def restart(self, now: float) -> None:
        """Begin anew with each file: the ground has changed."""
        for entry in self._entries.values():
            entry.first = _look(entry.version, now)
            entry.closed_at = None
            entry.missed_looks = 0
            self._plan(entry, now + self._first_wait_s(closed=False))

    def next_due_at(self) -> float | None:
        """Return the moment of the next look."""
        while self._due:
            due_at, rel_path = self._due[0]
            entry = self._entries.get(rel_path)
            if entry is not None and entry.due_at == due_at:
                return due_at
            heapq.heappop(self._due)  # planned anew, or gone, since
        return None

    def take_due(self, now: float) -> RelPath | None:
        """Return a file whose look is due; the caller looks at it."""
        due_at = self.next_due_at()
        return heapq.heappop(self._due)[1] if due_at is not None and due_at <= now else None

    def take_inspected(self, now: float) -> None:
        """Take over what the inspector found; those files are due at once."""
        for version, structure in self._inspector.take_done():
            entry = self._entries.get(version.rel_path)
            if entry is not None and entry.inspecting and entry.version == version:
                entry.inspecting = False
                entry.slow = structure
                self._plan(entry, now)

    def look(self, rel_path: RelPath, now: float) -> Sighting | None:
        """Look at a file and return what the queue should know, if anything."""
        entry = self._entries.get(rel_path)
        if entry is None:
            return None
        self._plan(entry, now + UNREADABLE_AGAIN_S)  # whatever comes of this one
        try:
            return self._look(entry, now)
        except FileNotFoundError:
            return self._miss(entry, now)
        except (OutsideRootError, NotRegularError) as error:
            return self._end(entry, Phase.GONE, error.strerror or str(error))
        except OSError:
            entry.missed_looks = 0
            return None

    def _look(self, entry: _Entry, now: float) -> Sighting | None:
        version = self._seen(entry.version)
        if isinstance(version, Judgement):
            return self._end(entry, Phase.GONE, version.rule)
        entry.missed_looks = 0
        changed = self._take_version(entry, version, now)
        if changed is not None:
            return changed
        closed = entry.closed_at is not None
        at_best = Signs(
            closed, writer=False, whole=closed or None, closed_s=_since(entry.closed_at, now)
        )
        state = settle.settle(entry.first, _look(version, now), at_best, self.patience)
        if isinstance(state, settle.Wait):
            self._plan(entry, now + state.seconds)  # too early to open it
            return None
        return self._judge(entry, now)

    def _seen(self, known: FileVersion) -> FileVersion | Judgement:
        """Return what is at a path now. Raises FileNotFoundError, OSError."""
        if self.patience.network:
            # Opening has the client ask the server for fresh attributes (close-to-open, nfs(5)).
            with contextlib.suppress(PermissionError):
                look_into(self.bounds, known, network=True)
        seen = self._glances.look_at(self.bounds, known.rel_path)
        if isinstance(seen, Judgement) and seen.verdict is Verdict.EMPTY:
            return FileVersion(known.rel_path, 0, known.mtime_ns, known.inode)
        if seen is None or isinstance(seen, Folder):
            raise FileNotFoundError
        return seen

    def _take_version(self, entry: _Entry, version: FileVersion, now: float) -> Sighting | None:
        """Compare with the version before; a new one begins to settle, which the queue is told."""
        hinted, entry.hinted_closed = entry.hinted_closed, False
        if version == entry.version:
            if hinted and entry.closed_at is None:
                entry.closed_at = now
            return None
        entry.version = version
        entry.first = _look(version, now)
        entry.closed_at = now if hinted else None
        entry.inspecting = False
        entry.slow = None
        if entry.looked_into:
            entry.looked_into = False
            self.unjudged += 1
        self._plan(entry, now + self._first_wait_s(closed=hinted))
        if not version.size:
            return None  # emptied, most likely to be written anew: no version worth a row
        return Sighting(version, Phase.SEEN, "the file has changed", ask_first=entry.ask_first)

    def _judge(self, entry: _Entry, now: float) -> Sighting | None:
        """Look into a file that is quiet, and do what the rule says."""
        writer, structure, hollow = self._examine(entry)
        signs = Signs(
            entry.closed_at is not None,
            writer,
            self._whole(entry, structure),
            hollow,
            _since(entry.closed_at, now),
        )
        if not entry.looked_into:
            entry.looked_into = True
            self.unjudged -= 1
        match settle.settle(entry.first, _look(entry.version, now), signs, self.patience):
            case settle.Wait(seconds=seconds) | settle.Short(seconds=seconds):
                self._plan(entry, now + seconds)
                return None
            case settle.Truncated():
                reason = structure.reason if structure is not None else ""
                return self._end(entry, Phase.TRUNCATED, reason, structure)
            case settle.Settled():
                if structure is None:
                    self._have_inspected(entry, now)
                    return None
                words = _settled_words(signs, structure, now - entry.first.at_s)
                return self._end(entry, Phase.SETTLED, words, structure)

    def _whole(self, entry: _Entry, structure: Structure | None) -> bool | None:
        if structure is None or (entry.version.size and not self.check_structure):
            return None
        return structure.whole

    def _examine(self, entry: _Entry) -> tuple[bool | None, Structure | None, bool]:
        """Return who writes, the structure (None: it must be inspected), and whether it is hollow.

        Raises FileNotFoundError, OutsideRootError, NotRegularError.
        """
        if not entry.version.size:
            return False, Structure(whole=False, reason="the file is empty"), False
        try:
            findings = look_into(self.bounds, entry.version, network=self.patience.network)
        except (FileNotFoundError, OutsideRootError, NotRegularError):
            raise
        except OSError as error:
            # The upload will say that it cannot be read, where a person sees it, and try again.
            return None, Structure(reason=error.strerror or str(error)), False
        if findings.version != entry.version:
            return True, Structure(), False  # it changes just now: the next look sees that
        structure = entry.slow if findings.structure is None else findings.structure
        return findings.writer, structure, findings.hollow

    def _have_inspected(self, entry: _Entry, now: float) -> None:
        if not entry.inspecting:
            entry.inspecting = True
            self._inspector.submit(self.bounds, entry.version)
        self._plan(entry, now + _INSPECTED_AGAIN_S)

    def _miss(self, entry: _Entry, now: float) -> Sighting | None:
        """Nothing is there: gone, if the root is healthy now and was two seconds ago."""
        if not self._root_is_healthy():
            entry.missed_looks = 0
            self._plan(entry, now + GONE_AFTER_S)
            return None
        entry.missed_looks += 1
        if entry.missed_looks > 1:
            return self._end(entry, Phase.GONE, "the file is gone: it was looked for twice")
        self._plan(entry, now + GONE_AFTER_S)
        return None

    def _end(
        self, entry: _Entry, phase: Phase, cause: str, structure: Structure | None = None
    ) -> Sighting:
        self._drop(entry)
        header = structure.header if structure is not None else {}
        return Sighting(entry.version, phase, cause, header=header, ask_first=entry.ask_first)

    def _drop(self, entry: _Entry) -> None:
        del self._entries[entry.version.rel_path]
        if not entry.looked_into:
            self.unjudged -= 1

    def _plan(self, entry: _Entry, due_at: float) -> None:
        entry.due_at = due_at
        heapq.heappush(self._due, (due_at, entry.version.rel_path))
        if len(self._due) > _PLANS_LEAST + 2 * len(self._entries):
            # What was planned anew, or is gone, since: some of it for an hour later.
            self._due = [(one.due_at, path) for path, one in self._entries.items()]
            heapq.heapify(self._due)

    def _first_wait_s(self, *, closed: bool) -> float:
        """Return the wait before a look can have any result, in seconds."""
        return settle.quiet_s(Signs(closed=closed, whole=closed or None), self.patience)


def _since(moment: float | None, now: float) -> float | None:
    return None if moment is None else now - moment


def _look(version: FileVersion, now: float) -> Look:
    return Look(version.size, version.mtime_ns, version.inode, now)


def _settled_words(signs: Signs, structure: Structure, quiet: float) -> str:
    """Say why a file counts as complete, for its history."""
    words = f"complete: not changed for {quiet:.1f} s"
    if signs.closed:
        words += ", closed by its writer"
    if signs.whole and structure.kind is not None:
        words += f", whole {structure.kind}"
    elif structure.reason:
        words += f" ({structure.reason})"
    return words
