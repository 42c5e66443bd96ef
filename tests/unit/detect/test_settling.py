"""The table of files that settle, without a disk: what it keeps, and for how long."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

from oort.detect.bounds import Bounds, Glances
from oort.detect.inspector import Inspector
from oort.detect.settling import Settling
from oort.policy.settle import Patience
from oort.policy.version import FileVersion, RelPath

if TYPE_CHECKING:
    from pathlib import Path


def test_plans_that_hold_no_more_are_not_kept(tmp_path: Path) -> None:
    settling = Settling(
        Bounds(tmp_path),
        Patience(),
        Inspector("w", lambda: None),
        Glances(),
        check_structure=True,
        root_is_healthy=lambda: True,
    )
    path = RelPath(b"a.fits")
    settling.add(FileVersion(path, 1, 1, 1), 0.0, closed=False, ask_first=False)
    tracemalloc.start()
    try:
        for n in range(20_000):
            settling.hint(path, 1000.0 - n / 1000, closed=False)
            settling.hint(path, 2000.0 + n, closed=False)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert grown < 1024 * 1024
    assert settling.next_due_at() == 21_999.0
