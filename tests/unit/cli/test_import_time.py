"""`oort -h` is asked for by people who wait: what is slow to import is imported when it is used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

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
