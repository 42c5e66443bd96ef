"""`workers` in config.toml: a number, or as many as the server's answers are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.client import write_files
from tests.support.daemon import QUICK
from tests.support.proxy import Proxy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

FILES = 200


def most_connections(home: Home, sandbox: Sandbox, folder: Path, workers: str) -> int:
    """Have the daemon send many small files to a slow server; return how many came at a time."""
    sandbox.rule(method="POST", path="/datafiles/", delay_s=0.3)
    write_files(folder, {f"{n:03}.fits": f"{n}" for n in range(FILES)})
    home.configure({**QUICK, "workers": workers})
    home.watch(folder)
    with Proxy(sandbox.port) as proxy:
        home.readdress(proxy.url)
        home.start()
        home.wait_for(OK=FILES, timeout_s=100)
        assert home.stop() == 0
        return proxy.most_at_once


def test_where_answers_take_long_there_are_more(
    home: Home, sandbox: Sandbox, tmp_path: Path
) -> None:
    assert most_connections(home, sandbox, tmp_path / "dome", "auto") >= 12


@pytest.mark.nightly
def test_a_number_that_is_set_is_kept(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    """One connection more may be there: it asks whether the server knows this account."""
    assert most_connections(home, sandbox, tmp_path / "dome", "3") in (3, 4)
