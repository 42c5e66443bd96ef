"""What goes into the intake of a watch, and whom it asks and tells: queue, options, callbacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from oort.detect.mounts import RootIdentity
    from oort.policy.nesting import Kin
    from oort.policy.sighting import KnownRow, Sighting
    from oort.values import FileVersion, RelPath


class DetectionQueue(Protocol):
    """What detection asks of the queue. All raise `QueueError` while it cannot be used."""

    def known(
        self, watch: str, rel_paths: Sequence[RelPath], kin: Sequence[Kin]
    ) -> Mapping[RelPath, KnownRow]:
        """Return the newest row of each path that has one, be it by another watch among `kin`."""
        ...

    def note(self, watch: str, root: bytes, sightings: Sequence[Sighting]) -> None:
        """Record what was seen; returns when that is durable."""
        ...

    def hand_over(self, watch: str, way: bytes, to: str) -> int:
        """Put what waits aside below `way`, which another watch sends; durable on return."""
        ...

    def settling(self, watch: str) -> Sequence[FileVersion]:
        """Return what was still settling when the daemon ended."""
        ...


@dataclass(frozen=True, slots=True)
class IntakeOptions:
    """The settings that detection follows, in seconds; a watch's own `settle_s` wins."""

    settle_s: float = 2.0
    settle_is_set: bool = False
    rescan_s: float = 300.0
    poll_s: float = 10.0
    truncated_after_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Real paths (`os.path.realpath`) that a watch must keep away from."""

    never: frozenset[bytes] = frozenset()
    """Oort's and arcsecond's own files and folders, with all that lies in them."""
    inner: frozenset[bytes] = frozenset()
    """The folders of the other watches; those that lie below this one's are theirs."""
    kin: tuple[Kin, ...] = ()
    """The watches, also earlier ones, that send or sent some of the same files to the same account."""
    given: tuple[tuple[bytes, str], ...] = ()
    """The way to each watch inside this one that sends what lies there, and its name."""


def _nothing_scanned(_first: bool) -> None:
    """Tell nobody."""


def _nothing_of_root(_identity: RootIdentity) -> None:
    """Tell nobody."""


def _nothing_settled() -> None:
    """Tell nobody."""


def _undescribed(
    _version: FileVersion, _header: Mapping[str, str]
) -> tuple[str | None, str | None]:
    """Know neither night nor dataset."""
    return None, None


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Whom the intake tells what; all are called in its thread and must return soon."""

    on_scanned: Callable[[bool], None] = _nothing_scanned
    """A full scan came to its end; whether it was the first one of this watch."""
    on_root: Callable[[RootIdentity], None] = _nothing_of_root
    """The watched folder is known by this identity from now on: to be remembered over a restart."""
    on_settled: Callable[[], None] = _nothing_settled
    """A file is complete and in the queue."""
    describe: Callable[[FileVersion, Mapping[str, str]], tuple[str | None, str | None]] = (
        _undescribed
    )
    """The observing night of a file and the name of its dataset, by what its header says."""
