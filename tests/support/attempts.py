"""What an attempt needs, without a daemon: a watched folder, a row in hand, a plain `Around`.

The server is a real process and the file lies on a real disk; only the queue is a few dictionaries.
"""

from __future__ import annotations

import itertools
import os
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from arcsecond.config import KeyType, Secret, add_api, store_key
from oort.clock import SystemClock
from oort.policy import state
from oort.policy.version import FileVersion, RelPath
from oort.remote import Remote
from oort.transfer.around import Order
from oort.transfer.attempt import Carried, carry
from oort.transfer.shared import Shared
from oort.transfer.throttle import TokenBucket
from oort.values import RemoteDataset, Upload, Watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from oort.policy.outcome import NameReserved
    from oort.policy.state import State
    from oort.values import Sha256
    from tests.support.sandbox import Sandbox

API = "sandbox"
_NUMBERS = itertools.count(1)
HOST = "dome-pc"


def log_in(sandbox: Sandbox) -> None:
    """Store the sandbox's upload key, as `arcsecond login` does."""
    log_in_at(sandbox.url, sandbox.username, sandbox.upload_key)


def log_in_at(url: str, username: str = "stargazer", key: str = "a-key") -> None:
    """Store a key for any server."""
    add_api(API, url)
    store_key(API, username=username, key_type=KeyType.UPLOAD, key=Secret(key))


@dataclass
class Surroundings:
    """What the daemon is to one attempt; a test looks at it afterwards, or fails something first."""

    watch: Watch
    clock: SystemClock
    shared: Shared
    throttle: TokenBucket
    known: dict[str, RemoteDataset]
    warnings: dict[str, str]
    entered: list[tuple[State, str | None, str | None]]
    progressed: list[int]
    stop: threading.Event
    rule: str | None = None
    trouble: str | None = None
    reserved: Callable[[str, Callable[[], Sha256]], NameReserved] | None = None
    many_doubts: int = 0
    others_move: bool = False
    on_wait: Callable[[], None] | None = None

    @classmethod
    def of(cls, watch: Watch) -> Surroundings:
        """Return surroundings in which nothing is wrong."""
        clock = SystemClock()
        return cls(
            watch,
            clock,
            Shared(monotonic=clock.monotonic),
            TokenBucket(None, monotonic=clock.monotonic),
            known={},
            warnings={},
            entered=[],
            progressed=[],
            stop=threading.Event(),
        )

    @property
    def states(self) -> list[str]:
        """The substates that were entered, in words."""
        return [after.substatus.value for after, _name, _uuid in self.entered]

    def enter(
        self, after: State, *, dataset_name: str | None = None, dataset_uuid: str | None = None
    ) -> None:
        """Record the step."""
        self.entered.append((after, dataset_name, dataset_uuid))

    def progress(self, bytes_sent: int) -> None:
        """Record the progress."""
        self.progressed.append(bytes_sent)

    def left_out(self) -> str | None:
        """Return the rule that the test set."""
        return self.rule

    def root_trouble(self) -> str | None:
        """Return the trouble that the test set, or that the folder is in."""
        if self.trouble is None and not self.watch.path.is_dir():
            return f"{self.watch.path} is not there"
        return self.trouble

    def reservation(self, dataset_uuid: str, sha256: Callable[[], Sha256]) -> NameReserved | None:
        """Return what the test wants to be reserved."""
        return None if self.reserved is None else self.reserved(dataset_uuid, sha256)

    def known_dataset(self, name: str) -> RemoteDataset | None:
        """Return what was kept."""
        return self.known.get(name)

    def keep_dataset(self, name: str, dataset: RemoteDataset, *, fresh: bool) -> None:  # noqa: ARG002  # Around's
        """Keep it."""
        self.known[name] = dataset

    def forget_dataset(self, name: str) -> None:
        """Forget it."""
        self.known.pop(name, None)

    def doubts(self) -> int:
        """Return the number that the test set."""
        return self.many_doubts

    def link_works(self, since_s: float) -> bool:  # noqa: ARG002  # Around's
        """Return what the test set."""
        return self.others_move

    def wait(self, seconds: float) -> bool:
        """Let the test do something instead of waiting."""
        if seconds and self.on_wait is not None:
            self.on_wait()
        return self.stop.is_set()

    def warn(self, topic: str, text: str) -> None:
        """Record the warning."""
        self.warnings[topic] = text


class Night:
    """A watched folder whose files go into a dataset of its own, and attempts at them."""

    def __init__(self, sandbox: Sandbox | None, folder: Path, **options: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        defaults: dict[str, Any] = {
            "name": "night",
            "path": folder,
            "api": API,
            "dataset": f"night {next(_NUMBERS)}",
        }
        self.watch = Watch(**(defaults | options))
        self.around = Surroundings.of(self.watch)
        self.read_timeout_s = 20.0
        self.connect_timeout_s = 5.0
        self._sandbox = sandbox
        if sandbox is not None:
            sandbox.clear()
            sandbox.forget_requests()
            log_in(sandbox)

    @property
    def sandbox(self) -> Sandbox:
        """The server."""
        assert self._sandbox is not None
        return self._sandbox

    def watch_with(self, **options: Any) -> None:
        """Change the watch's options."""
        self.watch = replace(self.watch, **options)
        self.around.watch = self.watch

    def restart(self) -> None:
        """Forget all that a process knows, and what the queue knows of datasets."""
        self.around = Surroundings.of(self.watch)

    @property
    def dataset(self) -> str:
        """The UUID of the watch's dataset, which the server has already or gets now."""
        for found in self.sandbox.get("/datasets/").json():
            if found["name"] == self.watch.dataset:
                return str(found["uuid"])
        return self.sandbox.create_dataset(self.watch.dataset)

    def stored(self) -> list[dict[str, Any]]:
        """Return what the server has in the watch's datasets."""
        return [file for file in self.sandbox.files() if file["dataset"] == self.watch.dataset]

    def write(self, name: str, content: bytes = b"SIMPLE  =                    T" * 100) -> Path:
        """Write a file into the watched folder."""
        path = self.watch.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def row(self, name: str, **values: Any) -> Upload:
        """Return a claimed row of a file that is there."""
        rel_path = RelPath(os.fsencode(name))
        found = FileVersion.of(rel_path, (self.watch.path / name).stat())
        row = Upload(
            id=1,
            watch=self.watch.name,
            rel_path=rel_path,
            size=found.size,
            mtime_ns=found.mtime_ns,
            inode=found.inode,
            state=state.SYNCING,
            attempts=0,
            ask_first=False,
            may_be_stored=False,
            body_complete=False,
            dataset_name=None,
            dataset_uuid=None,
            sha256=None,
            created_at=datetime(2026, 11, 22, tzinfo=UTC),
            claim=1,
        )
        return replace(row, **values)

    def order(self, row: Upload) -> Order:
        """Return the order for a row."""
        return Order(
            upload=row,
            watch=self.watch,
            dataset_name=self.watch.dataset,
            host=HOST,
            username="stargazer",
            version="5.0.0",
        )

    def try_once(self, row: Upload, remote: Remote | None = None) -> Carried:
        """Make one attempt, with a connection of its own unless one is given."""
        own = Remote(
            API, connect_timeout_s=self.connect_timeout_s, read_timeout_s=self.read_timeout_s
        )
        try:
            return carry(self.order(row), remote or own, self.around)
        finally:
            own.close()

    def bring(self, name: str, content: bytes | None = None, **values: Any) -> Carried:
        """Write a file and make one attempt at it."""
        if content is not None:
            self.write(name, content)
        elif not (self.watch.path / name).exists():
            self.write(name)
        return self.try_once(self.row(name, **values))
