"""config.toml while the daemon runs: what cannot be taken at once is taken later, and as a whole."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from oort.clock import SystemClock
from oort.daemon.accounts import Accounts
from oort.daemon.concurrency import NumberOfWorkers
from oort.daemon.desk import Common, Desk
from oort.daemon.detection import Detection
from oort.daemon.following import Following
from oort.daemon.gate import Gate
from oort.daemon.warnings import Warnings
from oort.daemon.workers import Traffic, Workers
from oort.locations import Locations
from oort.settings import parse
from oort.transfer.shared import Shared
from oort.transfer.throttle import TokenBucket
from tests.support.attempts import log_in_at
from tests.support.fakes import Shortest
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from oort.queue.opening import OpenQueue


class Followed:
    """The parts that follow config.toml, put together as the daemon does; nothing is sent."""

    def __init__(self, opened: OpenQueue, folder: Path) -> None:
        clock, stopping = SystemClock(), threading.Event()
        self.queue_file = folder / "state" / "oort.db"
        self.dome = folder / "dome"
        (self.dome / "m31").mkdir(parents=True)
        locations = Locations(folder / "config", folder / "state")
        self.config = locations.config_file
        self.config.parent.mkdir()
        self.only_dome = self.watch("dome", self.dome, "alice")
        self.config.write_text(self.only_dome)
        log_in_at("http://127.0.0.1:9", "alice")
        settings = parse(self.config.read_bytes(), self.config)
        self.gate = Gate(clock, Shortest(), on_change=lambda: None)
        self.detection = Detection(
            opened.queue,
            clock,
            locations,
            on_news=lambda: None,
            settings=settings,
            database_file=self.queue_file,
        )
        self.warnings = Warnings()
        throttle = TokenBucket(None, monotonic=clock.monotonic)
        accounts = Accounts(self.gate)
        common = Common(
            store=opened.queue,
            clock=clock,
            throttle=throttle,
            shared=Shared(monotonic=clock.monotonic),
            traffic=Traffic(clock),
            stopping=stopping,
            look_again=self.detection.look_again,
            warn=self.warnings.say,
            username_of=accounts.username,
            owner_of=self.detection.owner_of,
        )
        self.desk = Desk(settings, common)
        self.workers = Workers(
            self.desk, opened.queue, self.gate, clock, stopping, on_free=lambda: None
        )
        self.following = Following(
            settings,
            locations,
            clock,
            store=opened.queue,
            gate=self.gate,
            accounts=accounts,
            throttle=throttle,
            desk=self.desk,
            workers=self.workers,
            number=NumberOfWorkers(self.workers, common.traffic, clock),
            detection=self.detection,
            warnings=self.warnings,
            wake=lambda: None,
        )
        self.following.begin(self.config.read_bytes())

    def watch(self, name: str, path: Path, username: str) -> str:
        """Return a watch as config.toml has it; it is scanned once."""
        return (
            f'[[watch]]\nname = "{name}"\npath = "{path}"\napi = "sandbox"\n'
            f'username = "{username}"\npolling = true\n'
        )

    def edit(self, text: str) -> None:
        """Write another config.toml, and look at it until it was seen twice."""
        self.config.write_text(text)
        self.look()

    def look(self) -> None:
        """Look for a few seconds, as it were."""
        for _ in range(4):
            self.following.look()

    def break_memory(self, *, mend: bool = False) -> None:
        """Have the queue know nothing of watches, or mend that: a folder that is new is asked for."""
        names = ("broken", "watches") if mend else ("watches", "broken")
        with closing(sqlite3.connect(self.queue_file)) as connection:
            connection.execute("ALTER TABLE {} RENAME TO {}".format(*names))
            connection.commit()

    def is_scanned(self, name: str) -> bool:
        """Tell whether a watch runs and was scanned."""
        return self.detection.told(name).get("last_scan_at") is not None


@pytest.fixture
def followed(
    opened: OpenQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Followed]:
    monkeypatch.setenv("ARCSECOND_CONFIG_DIR", str(tmp_path / "arcsecond"))
    made = Followed(opened, tmp_path)
    wait_until(lambda: made.is_scanned("dome"), timeout_s=60)
    yield made
    made.detection.begin_stop()
    made.detection.stop()
    assert made.workers.stop(grace_s=0, patience_s=30)


def test_what_breaks_off_is_told_and_taken_when_it_can_be(followed: Followed) -> None:
    two = followed.only_dome + followed.watch("m31", followed.dome / "m31", "alice")
    followed.break_memory()
    followed.edit(two)
    (said,) = followed.warnings.said()
    assert "config.toml is not taken yet: no such table: watches" in said
    assert followed.detection.told("m31") == {}
    followed.break_memory(mend=True)
    followed.look()

    wait_until(lambda: followed.is_scanned("m31"), timeout_s=60)
    assert followed.warnings.said() == []


def test_what_broke_off_is_undone_when_the_file_is_as_it_was(followed: Followed) -> None:
    followed.break_memory()
    followed.edit(followed.only_dome + followed.watch("m31", followed.dome / "m31", "alice"))
    assert len(followed.warnings.said()) == 1
    followed.break_memory(mend=True)
    followed.edit(followed.only_dome)

    assert [watch.name for watch in followed.following.settings.watches] == ["dome"]
    assert followed.detection.owner_of("dome", b"m31/a.fits") is None
    assert followed.warnings.said() == []


def test_settings_that_an_invalid_file_leaves_in_force_are_so_everywhere(
    followed: Followed,
) -> None:
    followed.break_memory()
    followed.edit(followed.only_dome + followed.watch("m31", followed.dome / "m31", "alice"))
    followed.break_memory(mend=True)
    followed.edit("workers = 1000")

    wait_until(lambda: followed.is_scanned("m31"), timeout_s=60)
    (said,) = followed.warnings.said()
    assert "the last good settings are in force" in said


def test_another_users_key_keeps_a_watch_out_before_anything_else_is_done(
    followed: Followed,
) -> None:
    followed.break_memory()
    followed.edit(
        followed.watch("dome", followed.dome, "bob")
        + followed.watch("m31", followed.dome / "m31", "alice")
    )

    watch = followed.desk.watch("dome")
    assert watch is not None
    assert watch.username == "bob"
    assert "is alice's, this watch is bob's" in (followed.gate.standing_reason("dome") or "")
    followed.break_memory(mend=True)
