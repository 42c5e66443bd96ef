"""The kinds of measure by the names that `make bench ONLY=` takes, in the order of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks import (
    bandwidth,
    burst,
    idle,
    known_files,
    large_files,
    latency,
    long_queue,
    refusing_server,
    slow_server,
    small_files,
    startup,
    thin_link,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.options import Options
    from benchmarks.results import Result

DRIVERS: Final[dict[str, Callable[[Options], Result]]] = {
    "small": small_files.measure,
    "fits": large_files.measure,
    "slow": slow_server.measure,
    "refusing": refusing_server.measure,
    "thin": thin_link.measure,
    "latency": latency.measure,
    "idle": idle.measure,
    "known": known_files.measure,
    "queue": long_queue.measure,
    "burst": burst.measure,
    "startup": startup.measure,
    "bwlimit": bandwidth.measure,
}
NEEDS_NO_SERVER: Final = frozenset({"startup"})
