"""What the daemon tells, while the queue that it is written into cannot be written."""

from __future__ import annotations

import threading
import tracemalloc
from typing import TYPE_CHECKING

from oort.clock import SystemClock
from oort.daemon.bulletin import Bulletin
from oort.daemon.desk import Common, Desk
from oort.daemon.detection import Detection
from oort.daemon.gate import Gate
from oort.daemon.tally import Tally
from oort.daemon.workers import Traffic, Workers
from oort.locations import Locations
from oort.settings import Settings
from oort.transfer.shared import Shared
from oort.transfer.throttle import TokenBucket
from tests.support.fakes import Shortest
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from oort.queue.opening import OpenQueue

MB = 1024 * 1024


def bulletin_of(opened: OpenQueue, folder: Path, warnings: list[str]) -> Bulletin:
    clock, settings, stopping = SystemClock(), Settings(), threading.Event()
    gate = Gate(clock, Shortest(), on_change=lambda: None)
    detection = Detection(
        opened.queue,
        clock,
        Locations(folder / "config", folder / "state"),
        on_news=lambda: None,
        settings=settings,
        database_file=None,
    )
    common = Common(
        store=opened.queue,
        clock=clock,
        throttle=TokenBucket(None, monotonic=clock.monotonic),
        shared=Shared(monotonic=clock.monotonic),
        traffic=Traffic(clock),
        stopping=stopping,
        look_again=detection.look_again,
        warn=lambda _topic, _text: None,
        username_of=lambda _api: None,
        owner_of=detection.owner_of,
    )
    desk = Desk(settings, common)
    workers = Workers(desk, opened.queue, gate, clock, stopping, on_free=lambda: None)
    return Bulletin(
        opened.queue,
        clock,
        gate,
        detection,
        workers,
        common.traffic,
        warnings=lambda: warnings,
        watches=list,
        tally=Tally(clock, {}, {}),
    )


def test_news_do_not_pile_up_while_the_queue_cannot_be_written(
    opened: OpenQueue, tmp_path: Path
) -> None:
    warnings: list[str] = []
    bulletin = bulletin_of(opened, tmp_path, warnings)
    goes_on = threading.Event()

    def hang(_: Connection) -> None:
        goes_on.wait(60)

    hanging = threading.Thread(target=opened.queue.change, args=(hang,))
    hanging.start()
    tracemalloc.start()
    try:
        for n in range(2000):
            warnings[:] = [f"{n}: {'x' * 10_000}"]
            bulletin.publish()
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        goes_on.set()
        hanging.join()

    def told() -> list[str]:
        bulletin.publish()
        noted = opened.queue.memory.noted("daemon")
        return list(noted["warnings"]) if noted else []

    wait_until(lambda: told() == warnings, timeout_s=60)
    assert grown < 2 * MB
