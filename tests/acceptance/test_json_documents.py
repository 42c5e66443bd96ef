"""docs/json-output.md names every field of the documents that commands print, and no other.

The documents are those of a real night: a file that is stored, one that needs somebody, and one that
is being sent. The night's report has its own test (tests/docs/test_json_output_page.py).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import json_page
from tests.support.files import make_fits
from tests.support.json_page import documented
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

BY_NAME = {"by_status"}
"""Their keys are words that are listed elsewhere."""

pytestmark = pytest.mark.slow


def fields_of(document: Any) -> set[str]:
    return json_page.fields_of(document, by_name=BY_NAME)


def test_every_field_is_documented(home: Home, sandbox: Sandbox, tmp_path: Path) -> None:
    images = tmp_path / "images"
    make_fits(images / "stored.fits")
    home.watch(images)
    home.configure({"truncated_after_s": "1"})
    home.start()
    home.wait_for(OK=1)
    (images / "cut.fits").write_bytes((images / "stored.fits").read_bytes()[:3000])
    home.wait_for(Error=1)
    sandbox.rule(method="POST", path="/datafiles/", delay_s=30)
    make_fits(images / "sent.fits", salt=2)
    status = wait_until(
        lambda: (found := home.status())["active"] and found,
        timeout_s=30,
        what=home.told,
    )

    assert fields_of(status) == documented("oort status --json")
    watches = {f"watches[].{name}" for name in fields_of(home.json("folders"))}
    assert watches == {
        name for name in documented("oort status --json") if name.startswith("watches[].")
    }
    assert fields_of(home.json("status", images)) == documented("oort status FOLDER --json")
    of_file = documented("oort status FILE --json")
    assert fields_of(home.json("status", images / "stored.fits")) == of_file
    assert fields_of(home.json("status", images / "cut.fits")) == of_file
    assert fields_of(home.json("uploads")) == {
        name for name in of_file if not name.startswith("history")
    }
    assert fields_of(home.json("service", "status")) == documented("oort service status --json")
    assert fields_of(list(home.json("config").values())) == documented("oort config --json")
    apis = home.run("arcsecond", "api", "--json").stdout
    assert fields_of(json.loads(apis)) == documented("arcsecond api --json")
    verified = home.run("oort", "verify", "--json", check=False).stdout
    assert fields_of(json.loads(verified)) == documented("oort verify --json")
