"""What a sighting of a file means for the row of its path. Pure.

Detection tells what it saw (`Sighting`), the queue tells what it knows (`KnownRow`), and `judge`
says what to do. The rules are design.md §3, "Rows": a path has at most one open row; the scanner
never moves a row that is in hand; only OK, a proven `already synced` and the user's own `ignored`
are closed to the scanner.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from oort.policy import state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oort.policy.state import State
    from oort.policy.version import FileVersion, RelPath


class Phase(Enum):
    """How far detection has come with a file."""

    SEEN = auto()
    """It is there; whether it is finished is not known."""
    SETTLED = auto()
    """It is quiet and, where its format can tell, whole."""
    TRUNCATED = auto()
    """It stayed shorter than its format announces for too long."""
    GONE = auto()
    """Looked for twice under a healthy root, and not there."""
    RENAMED = auto()
    """It has another name now, below the same watched folder."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What detection says of one path."""

    version: FileVersion
    phase: Phase
    cause: str
    header: Mapping[str, str] = field(default_factory=dict)
    night: str | None = None
    """The date of the evening, `YYYY-MM-DD`."""
    dataset_name: str | None = None
    """The watch's rule for this file, expanded; the worker's own rule decides in the end."""
    ask_first: bool = False
    """The file may be at the server already, from before this queue knew it."""
    renamed_to: RelPath | None = None


@dataclass(frozen=True, slots=True)
class KnownRow:
    """The newest row of a path."""

    id: int
    state: State
    version: FileVersion
    unproven: bool = False
    acknowledged: bool = False
    """`ignored` by the user's own word, not because its watch was taken away."""
    ever_stored: bool = False
    """Some version of this path is at the server."""
    tried: bool = False
    """Bytes of it may have gone out."""
    ask_first: bool = False
    dataset_name: str | None = None


class Action(Enum):
    """What the queue does with the row."""

    NOTHING = auto()
    INSERT = auto()
    """A new row."""
    REVISE = auto()
    """The row gets this version and begins anew."""
    MOVE = auto()
    """The row moves on as it is."""
    MARK_CHANGED = auto()
    """The row is in a worker's hands: only noted."""
    INSERT_CHANGED = auto()
    """A new row that says `changed after upload`."""
    REVISE_CHANGED = auto()
    """The `changed after upload` row gets this version."""
    COMPARE = auto()
    """Same size, other mtime, after OK: its SHA-256 is compared when nothing is pending."""
    RENAME = auto()
    """The row follows the file to its new name."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """An action and, where the row comes into a state by it, that state."""

    action: Action
    state: State | None = None


_NOTHING = Verdict(Action.NOTHING)
_TARGET = {
    Phase.SEEN: state.SETTLING,
    Phase.SETTLED: state.PENDING,
    Phase.TRUNCATED: state.TRUNCATED,
}
_CLOSED_UNLESS_CHANGED = frozenset(
    {state.PENDING, state.WAITING, state.FAILED, state.NAME_CONFLICT, state.TRUNCATED}
)
FOLLOWS_A_RENAME: Final = frozenset(
    {state.SETTLING, state.PENDING, state.NAME_CONFLICT, state.FAILED, state.TRUNCATED}
)
"""Of these nothing is at the server. To rename a file is the remedy for some of them."""


def is_stored(known: KnownRow) -> bool:
    """Tell whether the row stands for a file proven to be at the server."""
    return known.state == state.DONE or (known.state == state.ALREADY_SYNCED and not known.unproven)


def concerns(known: KnownRow | None, version: FileVersion) -> bool:
    """Tell whether detection must look at a file closer, given what the queue knows of it."""
    if known is None or known.state == state.SETTLING or is_open(known):
        return True
    return known.version != version


def has_ended(known: KnownRow | None) -> bool:
    """Tell whether only another version of the file, or a person's word, moves its row again."""
    if known is None:
        return False
    return known.state in state.SAFE or (known.state == state.IGNORED and known.acknowledged)


def is_open(known: KnownRow | None) -> bool:
    """Tell whether the file of a path without a row, or with this one, is to settle (anew)."""
    if known is None or known.state == state.FILE_GONE:
        return True
    return known.state == state.IGNORED and not known.acknowledged


def judge(known: KnownRow | None, sighting: Sighting) -> Verdict:
    """Say what a sighting does to the newest row of its path."""
    if sighting.phase is Phase.GONE:
        settling = known is not None and known.state == state.SETTLING
        return Verdict(Action.MOVE, state.FILE_GONE) if settling else _NOTHING
    if sighting.phase is Phase.RENAMED:
        follows = known is not None and known.state in FOLLOWS_A_RENAME and not known.tried
        return Verdict(Action.RENAME) if follows else _NOTHING
    target = _TARGET[sighting.phase]
    if known is None:
        return Verdict(Action.INSERT, target)
    same = known.version == sighting.version
    if known.state in state.IN_HAND:
        return _NOTHING if same else Verdict(Action.MARK_CHANGED)
    if known.state == state.SETTLING:
        return _on_settling(sighting, target, same=same)
    return _on_closed(known, sighting, target, same=same)


def _on_settling(sighting: Sighting, target: State, *, same: bool) -> Verdict:
    """The row waits for its file to become quiet."""
    if not same:
        return Verdict(Action.REVISE, target)
    return _NOTHING if sighting.phase is Phase.SEEN else Verdict(Action.MOVE, target)


def _on_closed(known: KnownRow, sighting: Sighting, target: State, *, same: bool) -> Verdict:
    """The row is not settling and in nobody's hands."""
    if is_open(known):
        return Verdict(Action.REVISE, target)
    if same:
        return _NOTHING
    if known.state in _CLOSED_UNLESS_CHANGED:
        return Verdict(Action.REVISE, target)
    if sighting.phase is Phase.SEEN:
        return _NOTHING  # a stored file that is being written: judged when it is quiet again
    return _on_changed_after_end(known, sighting, target)


def _on_changed_after_end(known: KnownRow, sighting: Sighting, target: State) -> Verdict:
    """A path whose story had ended holds another version now."""
    if is_stored(known):
        if known.version.size == sighting.version.size:
            return Verdict(Action.COMPARE)
        return Verdict(Action.INSERT_CHANGED, state.CHANGED)
    if known.state == state.CHANGED:
        return Verdict(Action.REVISE_CHANGED, state.CHANGED)
    if known.state == state.ALREADY_SYNCED:
        return Verdict(Action.REVISE, target)
    if known.ever_stored:
        return Verdict(Action.INSERT_CHANGED, state.CHANGED)
    return Verdict(Action.INSERT, target)  # a new version of a file that a person had put aside
