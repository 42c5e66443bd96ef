"""Run by test_event_limits: watch 30 folders, put a file into each, report what came of it."""

import json
import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import structlog

from oort.clock import SystemClock
from oort.daemon.intake import Intake
from oort.daemon.intake_values import Callbacks, IntakeOptions, Neighbours
from oort.policy.version import RelPath
from oort.queue.opening import OpenQueue
from oort.values import Watch
from tests.support.rows import sqlite_at
from tests.support.wait import wait_until


def main(base: Path) -> None:
    """Print one line of JSON."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    root = base / "root"
    for n in range(30):
        (root / str(n)).mkdir(parents=True)
    opened = OpenQueue(sqlite_at(base / "state" / "oort.db"), host="", clock=SystemClock())
    intake = Intake(
        Watch("w", root),
        opened.queue,
        SystemClock(),
        options=IntakeOptions(settle_s=0.1, settle_is_set=True, rescan_s=1, poll_s=1),
        neighbours=Neighbours(),
        callbacks=Callbacks(),
        first_scan=False,
    )
    intake.start()
    try:
        wait_until(lambda: intake.news.reason is not None)
        first = {"state": intake.news.state, "reason": intake.news.reason}
        for n in range(30):
            (root / str(n) / "a.txt").write_bytes(b"x")
        paths = [RelPath(b"%d/a.txt" % n) for n in range(30)]
        wait_until(lambda: len(opened.queue.known("w", paths)) == len(paths), timeout_s=60)
        found = len(opened.queue.known("w", paths))
    finally:
        intake.stop(20)
        opened.close()
    print(json.dumps({"first": first, "found": found}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
