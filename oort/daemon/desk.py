"""What attempts are given of the daemon: orders from this machine's own rules, and `Around`.

The database carries no authority: folder, server, portal, dataset rule and tags come from this
machine's config.toml by the watch's name; the row says only which file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

import oort
from oort.daemon.server_time import unheard
from oort.daemon.sites import nowhere
from oort.detect.mounts import RootIdentity, look_at_root
from oort.policy import state
from oort.policy.naming import dataset_name
from oort.policy.night import moment_of, night_of
from oort.policy.outcome import NameReserved
from oort.policy.paths import Rules, Verdict
from oort.policy.retry import Limits
from oort.queue.datasets import DatasetKey, KnownDataset
from oort.remote import Remote
from oort.transfer.around import Order
from oort.values import RemoteDataset, printable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from oort.clock import Clock
    from oort.daemon.workers import Progress, Traffic
    from oort.policy.state import State
    from oort.queue.store import Queue
    from oort.settings import Settings
    from oort.transfer.shared import Shared
    from oort.transfer.throttle import TokenBucket
    from oort.values import Sha256, Upload, Watch

log = structlog.get_logger("oort.transfer")

_GONE: Final = "its watch is gone from config.toml"


def dataset_of(
    watch: Watch, rel_path: bytes, header: Mapping[str, str], night: str | None, host: str
) -> str:
    """Return the dataset's name (or UUID) that this machine's rule gives a file."""
    return dataset_name(
        watch.dataset,
        watch=watch.name,
        root_name=watch.path.name,
        rel_path=rel_path,
        header=header,
        night=night,
        host=host,
    )


def night_name(header: Mapping[str, str], mtime_ns: int, longitude_deg: float | None) -> str:
    """Return the night of a file, `YYYY-MM-DD`, where its telescope stands."""
    return night_of(moment_of(header, mtime_ns), longitude_deg).isoformat()


@dataclass(frozen=True, slots=True)
class Common:
    """What all attempts of this process share."""

    store: Queue
    clock: Clock
    throttle: TokenBucket
    shared: Shared
    traffic: Traffic
    stopping: threading.Event
    look_again: Callable[[str, bytes], None]
    warn: Callable[[str, str], None]
    username_of: Callable[[str], str | None]
    owner_of: Callable[[str, bytes], str | None]
    longitude_of: Callable[[str], float | None] = nowhere
    """By watch, where its telescope stands."""
    heard_clock: Callable[[str, timedelta | None], None] = unheard


class Desk:
    """Hands out orders, remotes and surroundings; `settings` is replaced when config.toml changes."""

    def __init__(self, settings: Settings, common: Common) -> None:
        self.settings = settings
        self.let_go: set[str] = set()
        """The watches that were taken away by a command: nothing of theirs is to wait."""
        self._common = common

    def is_let_go(self, name: str) -> bool:
        """Tell whether a watch was taken away by a command, and is not there again."""
        return name in self.let_go and self.settings.watch(name) is None

    def watch(self, name: str) -> Watch | None:
        """Return a watch that is there and enabled."""
        found = self.settings.watch(name)
        return found if found is not None and found.enabled else None

    def owner(self, upload: Upload) -> str | None:
        """Return the watch inside the row's own that is to send the file instead.

        What may be stored already is settled by the watch that sent it.
        """
        if upload.may_be_stored:
            return None
        return self._common.owner_of(upload.watch, upload.rel_path)

    def order(self, upload: Upload) -> Order | None:
        """Return all that an attempt needs, None where the watch is gone meanwhile."""
        watch = self.watch(upload.watch)
        if watch is None:
            return None
        return Order(
            upload=upload,
            watch=watch,
            dataset_name=dataset_of(
                watch,
                upload.rel_path,
                upload.header,
                night_name(upload.header, upload.mtime_ns, self._common.longitude_of(watch.name)),
                self.settings.host,
            ),
            host=self.settings.host,
            username=self._common.username_of(watch.api) or "",
            version=oort.__version__,
        )

    def remote(self, api: str) -> Remote:
        """Return a new way to one server, for one thread."""
        return Remote(
            api,
            connect_timeout_s=self.settings.connect_timeout_s,
            read_timeout_s=self.settings.read_timeout_s,
            proxy=self.settings.proxy,
            ca_bundle=self.settings.ca_bundle,
        )

    def heard_clock(self, remote: Remote) -> None:
        """Pass on what a server's answers said of this computer's clock."""
        self._common.heard_clock(remote.account.api, remote.clock_ahead)

    def around(self, order: Order, progress: Progress) -> AroundUpload:
        """Return what an attempt needs of the daemon."""
        return AroundUpload(self, order, progress, self._common)

    def key_of(self, watch: str, name: str) -> DatasetKey | None:
        """Return whose dataset a name of a watch stands for."""
        found = self.watch(watch)
        if found is None:
            return None
        return DatasetKey(
            found.api, self._common.username_of(found.api) or "", found.portal or "", name
        )

    def limits(self) -> Limits:
        """Return how patient to be."""
        return Limits(
            base_s=self.settings.retry_base_s,
            max_s=self.settings.retry_max_s,
            max_attempts=self.settings.max_attempts,
        )

    def look_again(self, watch: str, rel_path: bytes) -> None:
        """Have detection look at a file."""
        self._common.look_again(watch, rel_path)

    def companions(self, watch: Watch) -> list[str]:
        """Return the watches whose dataset names mean the same: same server, account and portal."""
        return [
            other.name
            for other in self.settings.watches
            if (other.api, other.username, other.portal)
            == (watch.api, watch.username, watch.portal)
        ]


class AroundUpload:
    """What one attempt needs of the daemon (`oort.transfer.around.Around`)."""

    def __init__(self, desk: Desk, order: Order, progress: Progress, common: Common) -> None:
        self._desk = desk
        self._order = order
        self._watch = order.watch
        self._upload = order.upload
        self._progress = progress
        self._common = common
        self.shared = common.shared
        self.throttle = common.throttle
        self.clock = common.clock

    def enter(
        self, after: State, *, dataset_name: str | None = None, dataset_uuid: str | None = None
    ) -> None:
        """Take the row to its next step; returns only when that is durable."""
        values: dict[str, Any] = {}
        if dataset_name is not None:
            values["dataset_name"] = dataset_name
        if dataset_uuid is not None:
            values["dataset_uuid"] = dataset_uuid
        if after == self._progress.state and not values:
            return
        self._common.store.enter(
            self._upload, self._progress.state, after, _CAUSES.get(after, ""), **values
        )
        self._progress.state = after

    def progress(self, bytes_sent: int) -> None:
        """Note how many bytes of the body went out so far."""
        moved = bytes_sent - self._progress.bytes_sent
        self._progress.bytes_sent = bytes_sent
        self._common.traffic.moved(self._watch.api, self._upload.id, max(0, moved))

    def left_out(self) -> str | None:
        """Return the rule of this host that leaves the row's path out."""
        watch = self._desk.watch(self._watch.name)
        if watch is None:
            return _GONE
        verdict, rule = Rules(watch.include, watch.exclude).judge_name(self._upload.rel_path)
        return None if verdict is Verdict.KEPT else rule

    def root_trouble(self) -> str | None:
        """Return why nothing can be concluded from the watched folder just now."""
        memory = self._common.store.memory.of(self._watch.name, os.fsencode(self._watch.path))
        before = None
        if memory.root_dev is not None and memory.root_ino is not None:
            before = RootIdentity(memory.root_dev, memory.root_ino)
        look = look_at_root(self._watch.path, before)
        if look.is_healthy:
            return None
        return look.reason or f"{self._watch.path} is not the folder that it was"

    def reservation(self, dataset_uuid: str, sha256: Callable[[], Sha256]) -> NameReserved | None:
        """Tell whether another row of this queue has the file's name in that dataset."""
        if not self._upload.has_namesake:
            return None
        found = self._common.store.namesake(self._upload, dataset_uuid)
        if found is None:
            return None
        if found.size != self._upload.size:
            return NameReserved(found.path, state.NAME_CONFLICT, is_earlier=found.is_earlier)
        if not found.is_safe or found.sha256 is None:
            return NameReserved(found.path, None)
        mine = sha256()
        verdict = state.ALREADY_SYNCED if mine == found.sha256 else state.NAME_CONFLICT
        return NameReserved(
            found.path,
            verdict,
            sha256=mine,
            remote_id=found.remote_id,
            unproven=found.unproven and verdict == state.ALREADY_SYNCED,
            is_earlier=found.is_earlier,
        )

    def known_dataset(self, name: str) -> RemoteDataset | None:
        """Return what that name stood for; a fresh one is told as empty."""
        known = self._common.store.datasets.known(self._key(name))
        if known is None:
            return None
        return RemoteDataset(
            known.uuid, name, known.telescope, files_count=0 if known.fresh else None
        )

    def keep_dataset(self, name: str, dataset: RemoteDataset, *, fresh: bool) -> None:
        """Remember what a name stands for."""
        self._common.store.datasets.keep(
            self._key(name),
            KnownDataset(dataset.uuid, dataset.telescope, fresh=fresh),
            self._desk.companions(self._watch),
        )

    def forget_dataset(self, name: str) -> None:
        """Forget what a name stood for."""
        self._common.store.datasets.forget(self._key(name), self._desk.companions(self._watch))

    def _key(self, name: str) -> DatasetKey:
        return DatasetKey(self._watch.api, self._order.username, self._watch.portal or "", name)

    def doubts(self) -> int:
        """Return how many waiting rows of the file's dataset are to be asked for."""
        return self._common.store.datasets.doubts_of(self._order.dataset_name)

    def link_works(self, since_s: float) -> bool:
        """Tell whether another worker moved bytes to this server since a moment."""
        return self._common.traffic.moved_since(self._watch.api, since_s, self._upload.id)

    def wait(self, seconds: float) -> bool:
        """Wait so long; True, at once, where the daemon is stopping."""
        return self._common.stopping.wait(seconds)

    def warn(self, topic: str, text: str) -> None:
        """Tell a person once what went another way than they may expect."""
        self._common.warn(topic, text)
        log.warning("upload.warning", topic=topic, text=text, path=printable(self._upload.rel_path))


_CAUSES: Final = {
    state.CHECKING: "asking the server whether it has the file",
    state.SYNCING: "finding its dataset",
    state.UPLOADING: "sending",
    state.TAGGING: "stored; writing its tags",
}
