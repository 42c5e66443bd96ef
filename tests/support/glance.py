"""What `oort status` and `oort uploads` would say, read in this process: a hundred times as quick.

For waiting and counting; that the commands say the same is tested with the commands.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from oort import status
from oort.locations import Locations
from oort.settings import load_last_good
from tests.support.wait import wait_until

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from tests.support.daemon import Home


class Glance:
    """Looks at one home."""

    def __init__(self, home: Home) -> None:
        folder = Path(home.environment["OORT_HOME"])
        self._home = home
        self._locations = Locations(config_folder=folder, state_folder=folder)

    def status(self) -> dict[str, Any]:
        """Return the document of `oort status`."""
        return status.overview(self._locations, load_last_good(self._locations))

    def of_path(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        """Return the document of `oort status PATH`."""
        return status.of_path(self._locations, load_last_good(self._locations), path)

    def rows(self) -> list[dict[str, Any]]:
        """Return every row, as `oort uploads --limit 0` does."""
        return status.uploads(self._locations, load_last_good(self._locations), limit=0)

    def rows_of(self, name: str) -> list[dict[str, Any]]:
        """Return the rows whose path ends with `name`."""
        return [row for row in self.rows() if row["path"].endswith(name)]

    def watch(self, name: str) -> dict[str, Any]:
        """Return one watch of the status document."""
        (found,) = [one for one in self.status()["watches"] if one["name"] == name]
        return found

    def until(self, predicate: Callable[[], object], timeout_s: float = 60.0) -> None:
        """Wait until something is true; fail with the rows and what the daemon said."""
        wait_until(predicate, timeout_s=timeout_s, every_s=0.1, what=self.tell)

    def until_rows(self, timeout_s: float = 60.0, **by_status: int) -> None:
        """Wait until there are exactly so many rows in each status named (`OK=3`)."""
        self.until(
            lambda: by_status.items() <= self.status()["queue"]["by_status"].items(),
            timeout_s,
        )

    def until_watch(self, name: str, state: str, timeout_s: float = 60.0) -> str:
        """Wait until a watch is in a state; return the reason."""
        self.until(lambda: self.watch(name)["state"] == state, timeout_s)
        return str(self.watch(name)["reason"])

    def tell(self) -> str:
        """Return all there is to know for whoever reads a failure."""
        rows = [
            (row["path"], row["status"], row["substatus"], row["error"]) for row in self.rows()[:40]
        ]
        watches = [(one["name"], one["state"], one["reason"]) for one in self.status()["watches"]]
        return f"{watches}\n{rows}\n{self._home.told()}"
