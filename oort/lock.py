"""One daemon a queue: a lock on `oort.lock` that the kernel frees, also after kill -9.

The file's content says who holds it, for people and for `oort status`; whether it is held is asked
of the kernel alone. A command that changes the queue while no daemon runs takes the same lock.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Final

from oort.errors import LockedError, QueueError
from oort.locations import lock_of_database, make_private, make_private_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from oort.locations import Locations

WAIT_S: Final = 3.0
"""A starting daemon tries so long: the one before it may be about to end (design.md §3)."""

YIELD_S: Final = 2.5
"""So long a lock whose file was deleted is left to a daemon that still runs: it looks once a second."""

_TRY_EVERY_S: Final = 0.05
_TELL_EVERY_S: Final = 0.01
_TELLS_WITHIN: Final = 20
"""Looks at a lock that is held by nobody yet, in its own words; then it is taken for a daemon's."""

_WINDOWS_BYTE: Final = 1 << 30
"""Windows forbids reading a locked range, so a byte far behind the content is locked."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock, in its own words."""

    pid: int
    role: str
    """`daemon`, or the command that changes the queue meanwhile."""
    host: str = ""
    started_at: str = ""
    version: str = ""
    trouble: str = ""
    """What the daemon cannot write into its queue, because the queue cannot be written."""
    service: str = ""
    """The service manager that runs it, as its unit says in OORT_SERVICE; empty in a foreground."""


_SOMEBODY: Final = Holder(pid=0, role="daemon")


class QueueLock:
    """Holds the lock between `acquire` and `release`; a context manager.

    `was_left` tells of a lock that is held whether the one before was killed while it held it.
    `is_known` says that the queue has been there before, so that its lock's file should be, too;
    `is_private` that the file's folder is ours, and closed to others.
    """

    def __init__(
        self, file: Path, holder: Holder, *, is_known: bool = False, is_private: bool = True
    ) -> None:
        self._file = file
        self._holder = holder
        self._is_known = is_known
        self._is_private = is_private
        self._descriptor: int | None = None
        self.was_left = False

    def acquire(self, *, wait_s: float = WAIT_S) -> None:
        """Take the lock, trying for `wait_s`; raise `LockedError` that names who has it.

        Raises `QueueError` where the state folder cannot be written.
        """
        try:
            if self._is_private or not self._file.parent.is_dir():
                make_private_folder(self._file.parent)
            descriptor = self._take(wait_s)
            self.was_left = os.fstat(descriptor).st_size > 0
            self._descriptor = descriptor
            self._say_who(descriptor)
        except OSError as error:
            self._let_go()
            raise QueueError(
                f"{self._file} cannot be written: {error.strerror or error}",
                hint="its folder must be yours, be writable and have space",
            ) from error

    def _take(self, wait_s: float) -> int:
        pause = threading.Event()
        if self._is_known and not self._file.exists():
            pause.wait(YIELD_S)
        descriptor = _locked(self._file)
        for _ in range(round(wait_s / _TRY_EVERY_S)):
            if descriptor is not None:
                break
            pause.wait(_TRY_EVERY_S)
            descriptor = _locked(self._file)
        if descriptor is None:
            raise _refusal(self._file)
        return descriptor

    def keep(self) -> bool:
        """See that the file is still the one that is held; where it was deleted, take a new one.

        A lock is on the file, not on its name: who deletes it, to mend a daemon that seems stuck,
        lets a second one start. Asked once a second. False: somebody else has the queue.
        """
        if self._descriptor is None or _is_at(self._file, self._descriptor):
            return True
        pause = threading.Event()
        for _ in range(_TELLS_WITHIN):
            try:
                descriptor = _locked(self._file)
            except OSError:
                return True  # no folder, or no space: nobody else can take it either
            if descriptor is not None:
                self._descriptor, before = descriptor, self._descriptor
                with suppress(OSError):  # a full disk: it is held all the same
                    self._say_who(descriptor)
                os.close(before)
                return True
            pause.wait(_TRY_EVERY_S)  # it may be one who only asks
            if _is_at(self._file, self._descriptor):
                return True
        return False

    def tell(self, trouble: str | None) -> None:
        """Have `oort status` know of a trouble that the queue itself cannot tell; None: there is none."""
        if self._descriptor is None or (trouble or "") == self._holder.trouble:
            return
        self._holder = replace(self._holder, trouble=trouble or "")
        with suppress(OSError):
            self._say_who(self._descriptor)

    def _say_who(self, descriptor: int) -> None:
        """Write who holds it over what is there: where that fails, the file tells of a kill as before."""
        content = json.dumps(asdict(self._holder)).encode()
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, content)
        os.ftruncate(descriptor, len(content))
        make_private(descriptor)

    def release(self) -> None:
        """Give the lock back; the file stays, because removing it would race with a starter."""
        if self._descriptor is not None:
            self.say_it_is_done()
            self._let_go()

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def say_it_is_done(self) -> None:
        """Have the next holder know that the queue was left in order; the lock is still held."""
        if self._descriptor is not None:
            with suppress(OSError):  # a disk that has become read-only: then the next start asks
                os.ftruncate(self._descriptor, 0)

    def __enter__(self) -> QueueLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


@contextmanager
def holding_queue(
    locations: Locations, database: Path | None, holder: Holder
) -> Iterator[tuple[QueueLock, ...]]:
    """Hold the lock of a home, and then the one of its queue.

    Two homes may name one database file, or reach it through a link; each has its own `oort.lock`,
    so the file has one beside it. `database` is the queue's file, None on a server, which knows who
    is there by itself.
    """
    is_known = database is not None and database.exists()
    locks = [QueueLock(locations.lock_file, holder, is_known=is_known)]
    if database is not None:
        locks.append(QueueLock(lock_of_database(database), holder, is_private=False))
    with ExitStack() as held:
        yield tuple(held.enter_context(lock) for lock in locks)


def holder_of(file: Path) -> Holder | None:
    """Return who holds the lock now, None where nobody does; creates nothing."""
    pause = threading.Event()
    for _ in range(_TELLS_WITHIN):
        if not _is_held(file):
            return None
        holder = _told(file)
        if holder is not None:
            return holder
        pause.wait(_TELL_EVERY_S)
    return _SOMEBODY


def _is_held(file: Path) -> bool:
    """Ask the kernel; what disturbs nobody but a starter who asks at this very moment again."""
    try:
        descriptor = os.open(file, os.O_RDONLY)  # a disk that became read-only has its daemon still
    except OSError:
        return False
    try:
        return not _try_lock(descriptor, exclusive=False)
    finally:
        os.close(descriptor)


def daemon_of(file: Path) -> Holder | None:
    """Return the daemon that holds the lock now; a command that holds it is none."""
    holder = holder_of(file)
    return holder if holder is not None and holder.role == "daemon" else None


def _told(file: Path) -> Holder | None:
    """Read what the holder wrote; None while it is about to write it, or to let go."""
    try:
        told = dict(json.loads(file.read_bytes()))
        known = {field.name: told[field.name] for field in fields(Holder) if field.name in told}
        return Holder(**known)
    except (OSError, ValueError, TypeError):
        return None


def _refusal(file: Path) -> LockedError:
    holder = _told(file) or _SOMEBODY
    is_daemon = holder.role == "daemon"
    who = "a daemon" if is_daemon else f"`oort {holder.role}`"
    pid = f" (pid {holder.pid})" if holder.pid else ""
    return LockedError(
        f"{who}{pid} is using the queue in {file.parent}",
        hint="`oort status` shows it, `oort stop` ends it"
        if is_daemon
        else "try again when it is done",
    )


def _locked(file: Path) -> int | None:
    """Lock the file of that name, made where it is missing; None while somebody else has it."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    if _try_lock(descriptor, exclusive=True) and _is_at(file, descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _is_at(file: Path, descriptor: int) -> bool:
    """Tell whether the open file has the name now, as far as the disk can say: no error denies it."""
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _try_lock(descriptor: int, *, exclusive: bool) -> bool:
    """Try to lock an open file without waiting; closing the descriptor unlocks it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return _try_lock_on_windows(descriptor)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _try_lock_on_windows(descriptor: int) -> bool:
    import msvcrt

    os.lseek(descriptor, _WINDOWS_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # Windows only
    except OSError:
        return False
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)
    return True
