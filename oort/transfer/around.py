"""What an attempt is given: its order, and what it needs of the daemon around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from oort.policy.naming import folder_of, tags_of, words

if TYPE_CHECKING:
    from collections.abc import Callable

    from oort.clock import Clock
    from oort.policy.outcome import NameReserved
    from oort.policy.state import State
    from oort.transfer.shared import Shared
    from oort.transfer.throttle import TokenBucket
    from oort.values import RemoteDataset, Sha256, Upload, Watch


@dataclass(frozen=True, slots=True)
class Order:
    """One claimed row, with the rules of this host's own config.toml."""

    upload: Upload
    watch: Watch
    dataset_name: str
    """The dataset's name, expanded from the watch's template, or a UUID."""
    host: str
    """Who this machine is in the tags."""
    username: str
    """Whose key is used."""
    version: str
    """Oort's, for the tags."""

    @property
    def folder(self) -> str:
        """The file's folder in the tags: its path from the watched folder's own name on."""
        return folder_of(self.watch.path.name, self.upload.rel_path)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that travel with the file, beside its hash."""
        return tags_of(
            root=words(str(self.watch.path)),
            folder=self.folder,
            origin=self.host,
            uploader=self.username,
            version=self.version,
            own=self.watch.tags,
        )


class Around(Protocol):
    """What one attempt needs of the daemon; the daemon implements it once for each attempt."""

    @property
    def shared(self) -> Shared:
        """What all attempts of this process share."""
        ...

    @property
    def throttle(self) -> TokenBucket:
        """The bandwidth limit, one for all workers."""
        ...

    @property
    def clock(self) -> Clock:
        """The daemon's clock."""
        ...

    def enter(
        self, after: State, *, dataset_name: str | None = None, dataset_uuid: str | None = None
    ) -> None:
        """Take the row to its next step; returns only when that is durable.

        `UPLOADING` marks the row as possibly stored and is entered before the first byte of a body
        goes out. What is None stays as it is.
        """
        ...

    def progress(self, bytes_sent: int) -> None:
        """Note how many bytes of the body went out so far; called for each block, so it is cheap."""
        ...

    def left_out(self) -> str | None:
        """Return the rule of this host, in words, that leaves the row's path out; None: it is in."""
        ...

    def root_trouble(self) -> str | None:
        """Return why nothing can be concluded from the watched folder just now; None: it is healthy."""
        ...

    def reservation(self, dataset_uuid: str, sha256: Callable[[], Sha256]) -> NameReserved | None:
        """Tell whether another row of this queue has the file's name in that dataset.

        `sha256` reads the file to tell its hash: call it only where that decides.
        """
        ...

    def known_dataset(self, name: str) -> RemoteDataset | None:
        """Return what that name (or UUID) stood for at this server, for this user and portal."""
        ...

    def keep_dataset(self, name: str, dataset: RemoteDataset, *, fresh: bool) -> None:
        """Remember it. `fresh`: nobody's file is in it yet, so that none need be asked for."""
        ...

    def forget_dataset(self, name: str) -> None:
        """Forget it: the server knows it no more."""
        ...

    def doubts(self) -> int:
        """Return how many waiting rows of the file's dataset are to be asked for."""
        ...

    def link_works(self, since_s: float) -> bool:
        """Tell whether another worker moved bytes to this server since (monotonic seconds)."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait so long; True, at once, where the attempt is to be given up."""
        ...

    def warn(self, topic: str, text: str) -> None:
        """Tell a person, once for each topic, what went another way than they may expect."""
        ...
