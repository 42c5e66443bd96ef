"""A long night with random faults: the daemon needs as much of the machine at its end as before."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.campaign import Cameras, Trouble
from tests.support.nights import all_there_once, drained, needs_nobody
from tests.support.vitals import Monitor, Vitals

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

# `make soak MINUTES=60` takes longer.
MINUTES: Final = float(os.environ.get("OORT_TEST_SOAK_MINUTES", "20"))
FILES_PER_S: Final = 5
WRITERS: Final = 4
SETTLE_S: Final = 1.0
MORE_THAN_BEFORE: Final = 1.05
"""Memory is flat where the last quarter's median is within this of the third quarter's.

Before that the page caches of the queue's connections fill up (2 MB each, sqlite.org/pragma.html
on `cache_size`): measured with 12,000 files, 78 MB grew to 90 MB within 5,000 and stayed there.
"""

MB: Final = 1024 * 1024


@pytest.mark.soak
@pytest.mark.timeout(int(MINUTES * 60) + 600)
def test_memory_and_open_files_stay_flat(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """Through a night of faults memory, open files and threads of the daemon stay as they were.

    1. Four cameras write five files a second for twenty minutes.
    2. The server's mood changes every second; the daemon is never ended.
    3. Memory in the last quarter of the time is what it was in the third, and so are open files
       and threads; afterwards every file is safe, once and whole.
    """
    folder = tmp_path / "dome"
    folder.mkdir()
    home.configure({"max_attempts": "1000", "settle_s": str(SETTLE_S)})
    home.watch(folder)
    home.start()
    assert home.daemon is not None
    over_s = MINUTES * 60
    cameras = Cameras(folder, 1, files=round(over_s * FILES_PER_S), over_s=over_s, threads=WRITERS)
    with (
        Trouble(home, sandbox, 1, kills_s=None) as trouble,
        Monitor(home.daemon.pid, every_s=5.0) as monitor,
    ):
        cameras.start()
        cameras.join()

    rows = drained(home, len(cameras.written), lambda: str(trouble.said[-30:]))
    quarter = len(monitor.looks) // 4
    parts = [slice(n * quarter, (n + 1) * quarter) for n in range(4)]
    figures = {
        name: [round(monitor.median(part, what), 1) for part in parts]
        for name, what in FIGURES.items()
    }
    cpu_s = monitor.looks[-1].cpu_s - monitor.looks[0].cpu_s
    print(  # noqa: T201  # the result
        f"{len(rows)} files, medians of the four quarters: {figures}, processor time {cpu_s:.0f} s"
    )

    needs_nobody(rows, cameras, settle_s=SETTLE_S)
    all_there_once(sandbox, cameras)
    assert figures["MB"][3] < figures["MB"][2] * MORE_THAN_BEFORE, figures
    for name in ("files", "threads"):
        assert figures[name][3] <= figures[name][1] + 2, figures
    assert home.stop() == 0


FIGURES: Final[dict[str, Callable[[Vitals], float]]] = {
    "MB": lambda look: look.rss_bytes / MB,
    "files": lambda look: look.files,
    "threads": lambda look: look.threads,
}
