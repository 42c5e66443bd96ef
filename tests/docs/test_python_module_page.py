"""The code on the page of the Python module runs as it stands, but for the folder."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import arcsecond
from tests.support.client import log_in, stored, write_files

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

PAGE = Path(__file__).parents[2] / "docs" / "python-module.md"


def test_every_piece_of_code_on_the_page_runs(sandbox: Sandbox, tmp_path: Path) -> None:
    log_in(sandbox)
    folder = write_files(tmp_path / "data", {"a.fits": "aaa", "sub/b.fits": "bb"})
    pieces = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(pieces) == 5
    code = "\n".join(pieces).replace("/folder/path", str(folder))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("True Counter(")
    assert stored(sandbox, "night 1") == {"a.fits": 3, "b.fits": 2}
    path = f"/{sandbox.portal}/datasets/?name=M31%20in%20R"
    assert [one["description"] for one in sandbox.get(path).json()] == ["six nights"]


def test_every_public_name_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    names = [name for name in arcsecond.__all__ if not name.startswith("_")]
    assert [name for name in names if name not in page] == []
