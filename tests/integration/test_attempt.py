"""One attempt against a real server process: what is sent, asked and concluded."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from oort.policy.outcome import Stored
from tests.support.attempts import Night, log_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox


@pytest.fixture
def night(sandbox: Sandbox, tmp_path: Path) -> Night:
    log_in(sandbox)
    return Night(tmp_path / "dome")


def test_a_file_is_stored_whole_with_its_hash_and_tags(sandbox: Sandbox, night: Night) -> None:
    content = bytes(range(256)) * 1000
    carried = night.bring("L/M31_0001.fits", content)
    outcome = carried.outcome
    assert isinstance(outcome, Stored), outcome
    (stored,) = sandbox.files()
    assert stored["sha256"] == outcome.sha256 == hashlib.sha256(content).hexdigest()
    assert stored["name"] == outcome.remote_name == "M31_0001.fits"
    assert stored["tags"] == [
        f"arcsecond|sha256|{outcome.sha256}",
        f"oort|root|{night.watch.path}",
        "oort|folder|dome/L",
        "oort|origin|dome-pc",
        "oort|uploader|stargazer",
        "oort|version|5.0.0",
    ]
