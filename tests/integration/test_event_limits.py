"""Where the kernel gives too few watches, or none, scans do the work; in a namespace of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent.parent / "support" / "limited_watch.py"


def limited(tmp_path: Path, limit: str, value: int) -> Any:
    """Run the script where that limit of inotify holds, and return what it reports."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare (util-linux) is not there")
    shell = f'echo {value} > /proc/sys/user/{limit} && exec "$0" "$@"'
    done = subprocess.run(
        [unshare, "-Ur", "sh", "-c", shell, sys.executable, str(SCRIPT), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=SCRIPT.parent.parent.parent,
    )
    if "unshare failed" in done.stderr or "Permission denied" in done.stderr:
        pytest.skip("no user namespaces here")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.linux
def test_folders_without_a_watch_are_told_and_scanned(tmp_path: Path) -> None:
    told = limited(tmp_path, "max_inotify_watches", 10)

    assert told["found"] == 30
    assert told["first"] == {
        "state": "watching",
        "reason": "events come from 10 of 31 folders only: raise fs.inotify.max_user_watches",
    }


@pytest.mark.linux
def test_without_any_observer_the_watch_polls(tmp_path: Path) -> None:
    told = limited(tmp_path, "max_inotify_instances", 0)

    assert told["found"] == 30
    assert told["first"]["state"] == "polling"
    assert told["first"]["reason"].endswith("raise fs.inotify.max_user_instances")
