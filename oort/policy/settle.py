"""When is a file complete? Two looks at it, and what they showed, as a value. Pure.

The rule is design.md §3, "Settling": size, mtime and inode have not changed for a while on the
monotonic clock, no writer has the file open where the kernel can tell, and its format agrees.
No single sign is enough: a rename gives no close event, a header that is updated gives several,
a preallocated file has its final size from the first moment on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CLOSED_AND_WHOLE_S: Final = 0.2
"""After a close event, for a file whose format proves it whole; only with the default `settle_s`."""
CLOSED_S: Final = 1.0
"""After a close event, for any other file; only with the default `settle_s`."""
HOLLOW_S: Final = 10.0
"""Least wait for a file whose end was never written; only with the default `settle_s`."""
NETWORK_S: Final = 10.0
"""Least wait on a network file system: attributes are cached, and mtime is the server's."""

_SECOND_NS: Final = 1_000_000_000
_EXACT_S: Final = 0.001
"""Moments are compared no more exactly: a look at the planned moment is not a hair too early."""
_LOOK_AGAIN_LEAST_S: Final = 0.2
_LOOK_AGAIN_MOST_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the files of a watch are waited for."""

    settle_s: float = 2.0
    is_set: bool = False
    """Somebody set `settle_s`: it is never shortened."""
    network: bool = False
    """The watched folder is on a network file system."""
    truncated_after_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a file showed; `at_s` is of the monotonic clock."""

    size: int
    mtime_ns: int
    inode: int
    at_s: float

    def shows_same(self, other: Look) -> bool:
        """Tell whether both looks showed one version of the file."""
        mine = (self.size, self.mtime_ns, self.inode)
        return mine == (other.size, other.mtime_ns, other.inode)


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known of the version that was looked at."""

    closed: bool = False
    """Its writer closed it, or renamed it into place: an event said so."""
    writer: bool | None = None
    """Somebody has it open for writing; None: the kernel cannot tell."""
    whole: bool | None = None
    """Its format finds every byte that it announces; None: the format has nothing to say."""
    hollow: bool = False
    """Its last bytes are a hole: it may have been given its size before its content."""
    closed_s: float | None = None
    """The seconds since this version was first said to be closed, where an event said so."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The file is complete."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: look again in so many seconds."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Short:
    """Quiet, but its format announces more than is there: look again in so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Truncated:
    """It stayed short for `truncated_after_s`: a person must know."""


SettleState = Settled | Wait | Short | Truncated


def quiet_s(signs: Signs, patience: Patience) -> float:
    """Return how long a file with these signs must not have changed, in seconds."""
    if patience.network:
        return max(NETWORK_S, patience.settle_s)
    if patience.is_set:
        return patience.settle_s
    if signs.closed:
        return min(patience.settle_s, CLOSED_AND_WHOLE_S if signs.whole else CLOSED_S)
    return patience.settle_s


def settle(first: Look, last: Look, signs: Signs, patience: Patience) -> SettleState:
    """Say what follows from two looks at a file.

    `first` is the earliest look that showed this version, `last` the newest look of all; `signs`
    are as fresh as `last`. Nothing here knows the wall clock.
    """
    if not last.shows_same(first):
        return Wait(quiet_s(Signs(), patience), "the file is still changing")
    quiet = last.at_s - first.at_s
    left = max(_needed_s(first, signs, patience) - quiet, _left_after_close_s(signs, patience))
    if left > _EXACT_S:
        return Wait(left, "the file has not been quiet for long enough")
    if signs.writer:
        return Wait(_look_again_s(quiet), "a program has the file open for writing")
    if signs.whole is False:
        patience_left = patience.truncated_after_s - quiet
        if patience_left <= _EXACT_S:
            return Truncated()
        return Short(min(_look_again_s(quiet), patience_left))
    return Settled()


def _needed_s(look: Look, signs: Signs, patience: Patience) -> float:
    """Return the quiet time that is asked for, in seconds.

    It is doubled where nothing but the quiet itself speaks for the file, and not shortened where
    the mtime may come from a clock that ticks in seconds (FAT: in two): a change within one tick
    would show nowhere. A hollow file is whole by its header from the first moment on, and whoever
    fills it may close it after each piece.
    """
    needed = quiet_s(signs, patience)
    if patience.is_set or patience.network:
        return needed
    if signs.hollow:
        return max(HOLLOW_S, patience.settle_s)
    if signs.closed:
        return needed if look.mtime_ns % _SECOND_NS else patience.settle_s
    return 2 * needed if signs.writer is None else needed


def _left_after_close_s(signs: Signs, patience: Patience) -> float:
    """Return the seconds that are left of the wait that a close begins, however quiet it was before.

    Many programs close a file and write its header anew right afterwards. Only the first close of a
    version counts, so that whoever opens and closes a file for ever does not hold it up.
    """
    if signs.closed_s is None:
        return 0.0
    wait_s = CLOSED_AND_WHOLE_S if signs.whole else CLOSED_S
    return min(patience.settle_s, wait_s) - signs.closed_s


def _look_again_s(quiet: float) -> float:
    """Return the wait before the next look at a file that has been quiet in vain, in seconds."""
    return max(_LOOK_AGAIN_LEAST_S, min(_LOOK_AGAIN_MOST_S, quiet / 2))
