"""`oort -h` is asked for by people who wait: what is slow to import is imported when it is used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SLOW = (
    "alembic",
    "apscheduler",
    "jinja2",
    "pathspec",
    "platformdirs",
    "prometheus_client",
    "requests",
    "rich",
    "sqlalchemy",
    "starlette",
    "structlog",
    "tomlkit",
    "urllib3",
    "watchdog",
)

ASK = """
import json, sys
from oort.cli.main import run
code = run({arguments})
print(json.dumps([code, sorted(sys.modules)]))
"""


@pytest.mark.parametrize(
    "arguments", [["-h"], ["-V"], ["status", "-h"], ["uploads", "-h"], ["config", "path"]]
)
def test_asking_for_help_loads_nothing_slow(arguments: list[str]) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", ASK.format(arguments=arguments)],
        capture_output=True,
        check=True,
        text=True,
    )

    code, modules = json.loads(answer.stdout.splitlines()[-1])

    assert 0 == code
    assert not [name for name in SLOW if name in modules]


def test_reading_settings_loads_no_editor() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", "import sys, oort.settings; print(*sys.modules)"],
        capture_output=True,
        check=True,
        text=True,
    )

    assert not set(answer.stdout.split()) & set(SLOW)


def test_a_daemon_loads_no_more_than_it_needs() -> None:
    """It runs for months: what it does not need would lie in memory as long."""
    script = """
import sys
from oort.log import load_structlog
load_structlog()
import oort.daemon.app
loaded = set(sys.modules)
import rich.console
print(*loaded)
"""
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )

    unneeded = {"alembic", "click", "jinja2", "pathspec", "prometheus_client", "rich", "starlette"}
    assert not (unneeded | {"sqlalchemy.dialects.postgresql"}) & set(answer.stdout.split())


def test_asking_how_it_is_loads_no_more_than_it_needs(tmp_path: Path) -> None:
    """What `oort status` needs is SQLAlchemy with one dialect, and rich: a third of it is enough."""
    home = {"OORT_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    queue = "from oort.queue.database import Database\nfrom oort.queue.opening import OpenQueue\n"
    queue += "from oort.clock import SystemClock\nfrom oort.locations import locate\n"
    queue += "at = Database.at(f'sqlite:///{locate().state_folder}/oort.db')\n"
    queue += "OpenQueue(at, host='', clock=SystemClock()).close()"
    subprocess.run([sys.executable, "-c", queue], env=home, check=True)
    answer = subprocess.run(
        [sys.executable, "-c", ASK.format(arguments=["status", "--json"])],
        env=home,
        capture_output=True,
        check=True,
        text=True,
    )

    _code, modules = json.loads(answer.stdout.splitlines()[-1])

    assert "sqlalchemy" in modules, answer.stdout
    unneeded = {*SLOW, "sqlalchemy.dialects.postgresql", "sqlalchemy.orm"} - {
        "sqlalchemy",
        "platformdirs",
    }
    assert not unneeded & set(modules)
