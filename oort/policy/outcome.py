"""What can come of one attempt: a closed set of values, so that mypy sees a forgotten one.

The names follow the table "Outcome -> decision" of design.md §3. `reason` is always one line of
words for a person: what happened, without a key and without HTML. What follows from an outcome
is decided in `oort.policy.retry` (the row) and `oort.policy.link` (the link), nowhere else.
"""

from dataclasses import dataclass

from oort.policy.state import ALREADY_SYNCED, State


@dataclass(frozen=True, slots=True)
class Stored:
    """The server confirmed what we have just sent."""

    remote_id: str
    remote_name: str
    sha256: str
    bytes_sent: int
    http_status: int
    tags_pending: bool = False
    """The file is there, its tags are not yet."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class FoundSame:
    """Asked, or refused as a namesake: the same file is at the server."""

    remote_id: str | None
    remote_name: str
    sha256: str | None
    unproven: bool
    """Nothing but name and size speaks for it (no hash, or this key may not look)."""
    ours: bool = False
    """An attempt of ours may have stored it (then it is done); else it was there before us."""
    note: str = ""
    bytes_sent: int = 0
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class FoundOther:
    """Another file of that name is in that dataset."""

    reason: str
    bytes_sent: int = 0
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class NameReserved:
    """A file of the same name and dataset, from this queue, comes first."""

    by: str
    """The other file's path, in words."""
    verdict: State | None
    """`NAME_CONFLICT`, `ALREADY_SYNCED` where the content is equal, None while nobody can tell."""
    sha256: str | None = None
    remote_id: str | None = None
    unproven: bool = False
    """Nothing but name and size says that the server has the other file."""
    is_earlier: bool = False
    """The other file is an earlier version of this one."""

    @property
    def is_same(self) -> bool:
        """Whether the other file was proven to be the same."""
        return self.verdict == ALREADY_SYNCED


@dataclass(frozen=True, slots=True)
class NotReached:
    """No byte reached the server: refused, no name, no route, connect time-out, TLS, a proxy."""

    reason: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The connection broke, or timed out, after bytes went out."""

    reason: str
    bytes_sent: int
    body_complete: bool
    link_proven: bool
    """Bytes moved on another worker since, or a probe was answered: the link works."""


@dataclass(frozen=True, slots=True)
class ServerBusy:
    """408, 425, 429, 5xx, 3xx, or a 400 or 422 that is no JSON: it may pass."""

    reason: str
    http_status: int
    retry_after_s: float | None = None
    keeps_doubt: bool = False
    """It may have stored the file all the same: 500, or a proxy's 502 and 504."""
    bytes_sent: int = 0
    body_complete: bool = False


@dataclass(frozen=True, slots=True)
class Unclear:
    """2xx that proves nothing, or "already exists" of our own; and asking did not find the file."""

    reason: str
    http_status: int
    bytes_sent: int = 0


@dataclass(frozen=True, slots=True)
class DoubtRemains:
    """The server was asked and could not tell yet; nothing was sent."""

    reason: str
    http_status: int | None = None
    asked_complete: bool = False
    """A complete earlier body was looked for once and was not there: ask again, then send."""


@dataclass(frozen=True, slots=True)
class SizeDiffers:
    """The server confirmed a file of another size than the one we sent."""

    kept: int
    sent: int
    remote_id: str | None = None
    http_status: int = 201


@dataclass(frozen=True, slots=True)
class Unauthorised:
    """401; or 403, and a cheap authenticated GET is refused too."""

    reason: str
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class WatchRefused:
    """403, or a dataset, telescope or portal that is not there: the watch's trouble, not the file's."""

    reason: str
    http_status: int | None = None
    bytes_sent: int = 0


@dataclass(frozen=True, slots=True)
class FileRefused:
    """400 or 422 in JSON, 413, 415: the server will not take this file as it is."""

    reason: str
    http_status: int
    bytes_sent: int = 0


@dataclass(frozen=True, slots=True)
class Changed:
    """The file is no longer the row's version; nothing of it was completed."""

    reason: str
    bytes_sent: int = 0


@dataclass(frozen=True, slots=True)
class Gone:
    """Looked for twice under a healthy root: it is not there, and the server has not got it."""

    reason: str


@dataclass(frozen=True, slots=True)
class RootMissing:
    """The watched folder itself is not there: nothing is concluded of the file."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The file cannot be read (EACCES, EIO)."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """This host's own rules leave the path out, or it leads outside the watched folder."""

    reason: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """We stopped it: the daemon is stopping, or the watch was taken away."""

    reason: str
    bytes_sent: int = 0
    body_complete: bool = False
    """We cut it while the answer was awaited: the server may have stored the file."""


Outcome = (
    Stored
    | FoundSame
    | FoundOther
    | NameReserved
    | NotReached
    | Broken
    | ServerBusy
    | Unclear
    | DoubtRemains
    | SizeDiffers
    | Unauthorised
    | WatchRefused
    | FileRefused
    | Changed
    | Gone
    | RootMissing
    | Unreadable
    | NotAllowed
    | Interrupted
)
