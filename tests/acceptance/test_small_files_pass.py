"""A new small file does not wait behind large ones on a thin link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.client import write_files
from tests.support.daemon import QUICK
from tests.support.proxy import Plan, Proxy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

LARGE = 20_000_000


def test_a_small_file_is_stored_while_all_workers_have_large_ones(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Each connection carries 200 kB/s: a large file takes longer than the test."""
    folder = tmp_path / "dome"
    write_files(folder, {f"large_{n}.dat": str(n) * LARGE for n in range(6)})
    home.configure(QUICK)
    home.watch(folder)
    with Proxy(sandbox.port) as proxy:
        proxy.plan = Plan(bytes_per_s=200_000)
        home.readdress(proxy.url)
        home.start()
        home.wait_for(Uploading=4)
        write_files(folder, {"small.dat": "small"})

        status = home.wait_for(OK=1)

        assert home.row("small.dat")["substatus"] == "done"
        assert status["queue"]["by_status"]["Uploading"] >= 4
        assert home.stop() == 0
