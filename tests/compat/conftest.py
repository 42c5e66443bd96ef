"""The published clients, each installed from PyPI in a virtual environment of its own."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.compat.published import Client

FOLDER_VARIABLE = "OORT_TEST_CLIENTS"
"""Where the virtual environments are kept; default: in pytest's cache."""
_INSTALL_S = 900
_FOLDER = os.environ.get(FOLDER_VARIABLE)  # read before a test's clean environment forgets it
_ENVIRONMENT = dict(os.environ)


@pytest.fixture(scope="session")
def install(request: pytest.FixtureRequest) -> Callable[[Client], Path]:
    """Return what installs a client once for all runs, and returns the path of its program."""
    kept = Path(_FOLDER) if _FOLDER else request.config.cache.mkdir("published-clients")

    def installed(client: Client) -> Path:
        python = _python(client)
        kept.mkdir(parents=True, exist_ok=True)
        folder = kept / client.folder
        with (kept / f"{client.folder}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = folder / "installed"
            if not (done.exists() and done.read_text() == _what(client, python)):
                shutil.rmtree(folder, ignore_errors=True)
                _install(client, python, folder)
                done.write_text(_what(client, python))
        return folder / "bin" / client.program

    return installed


def _what(client: Client, python: str) -> str:
    return f"{python} {' '.join(client.requirements)}\n"


def _python(client: Client) -> str:
    """Return a Python that the client asks for, or this one where there is none."""
    if sys.version_info >= client.python:
        return sys.executable
    named = [_ENVIRONMENT["PY312"]] if "PY312" in _ENVIRONMENT else []
    for name in (*named, "python3.14", "python3.13", "python3.12"):
        found = shutil.which(name)
        if found is None:
            continue
        tried = [found, "-c", "import venv, ensurepip"]
        if subprocess.run(tried, check=False, stderr=subprocess.DEVNULL).returncode == 0:
            return found
    return sys.executable


def _install(client: Client, python: str, folder: Path) -> None:
    """Install a client; without PyPI the test is skipped, or fails where CI is true."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True, env=_ENVIRONMENT)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    pip += ["--disable-pip-version-check", "--retries", "1"]
    if python == sys.executable and sys.version_info < client.python:
        pip.append("--ignore-requires-python")
    done = subprocess.run(
        [*pip, *client.requirements],
        check=False,
        capture_output=True,
        text=True,
        env=_ENVIRONMENT,
        timeout=_INSTALL_S,
    )
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        words = f"{client.name} cannot be installed from PyPI: {said[-1] if said else done.stderr}"
        if _ENVIRONMENT.get("CI") == "true":
            pytest.fail(f"{words} (with CI=true it may not be skipped; CI=false allows it)")
        pytest.skip(words)
