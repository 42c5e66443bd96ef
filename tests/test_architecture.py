"""What holds for the code as a whole: it imports everywhere, knows no tests, and has its layers."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("oort", "arcsecond")
SOURCES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
EACH_SOURCE = pytest.mark.parametrize(
    "source", SOURCES, ids=lambda source: str(source.relative_to(ROOT))
)

IMPORT_EVERYTHING = """
import importlib
import pkgutil
import sys


class Blocked:
    names = {"fcntl", "pwd", "grp", "resource", "termios"}

    def find_spec(self, name, path=None, target=None):
        if name in self.names:
            raise ImportError(f"{name} is blocked")
        return None


for name in Blocked.names:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Blocked())
imported = 0
for package in map(importlib.import_module, sys.argv[1:]):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        runs_when_imported = module.name.endswith((".__main__", ".migrations.env"))
        if not runs_when_imported:
            try:
                importlib.import_module(module.name)
            except ImportError as error:
                print(f"{module.name}: {error}")
            imported += 1
print(imported)
"""


def test_every_module_imports_where_there_is_no_posix() -> None:
    """Many acquisition PCs run Windows: what is POSIX alone is asked for where it is used."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_EVERYTHING, *PACKAGES],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=ROOT,
        check=False,
    )

    *failed, imported = (done.stdout + done.stderr).splitlines()
    assert failed == []
    assert int(imported) > 0.9 * (len(SOURCES) - len(PACKAGES))


TESTING = re.compile(r"pytest|unittest|(^|_)(testing|tests?)(_|$)|_for_tests?$", re.IGNORECASE)
"""Names that only somebody who knows of tests would give."""


def names_in(tree: ast.AST) -> list[str]:
    """Return every name that a module gives, uses or imports, and every word that it compares or reads."""
    found: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                found.append(name)
            case ast.alias(name=name):
                found += name.split(".")
            case ast.ImportFrom(module=str(name)):
                found += name.split(".")
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.keyword(arg=str(name)):
                found.append(name)
            case ast.Constant(value=str(words)) if re.fullmatch(r"[\w-]+", words):
                found.append(words)
            case _:
                pass
    return found


@EACH_SOURCE
def test_no_product_code_knows_of_tests(source: Path) -> None:
    names = names_in(ast.parse(source.read_text(encoding="utf-8")))

    assert [name for name in names if TESTING.search(name)] == []


def test_every_variable_that_is_read_is_documented() -> None:
    read = {
        name
        for source in SOURCES
        for name in names_in(ast.parse(source.read_text(encoding="utf-8")))
        if re.fullmatch(r"(OORT|ARCSECOND)_[A-Z_]+", name)
    }
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))

    assert read
    assert sorted(name for name in read if name not in pages) == []


# -- layers -----------------------------------------------------------------------------------------


def contracts() -> dict[str, dict[str, Any]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {one["name"]: one for one in project["tool"]["importlinter"]["contracts"]}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_a_table_of_layers_that_leaves_out_none(package: str) -> None:
    table = contracts()[f"{package} points downwards"]

    assert table["type"] == "layers"
    assert table["exhaustive"]
    listed = {name for layer in table["layers"] for name in re.split(r"[^\w]+", layer) if name}
    there = {
        path.stem
        for path in (ROOT / package).iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert there - {"__init__", "__main__"} <= listed


@pytest.mark.parametrize(
    ("library", "doors"),
    [
        ("sqlalchemy", ["oort.queue"]),
        ("apscheduler", ["oort.daemon.jobs"]),
        ("watchdog", ["oort.detect.watcher"]),
        ("requests", ["arcsecond.transport"]),
        ("click", ["oort.cli", "arcsecond.cli"]),
        ("arcsecond", ["oort.remote", "oort.policy.state"]),
    ],
)
def test_every_library_has_its_door(library: str, doors: list[str]) -> None:
    door = contracts()[f"one door: {library}"]

    assert door["protected_modules"] == [library]
    assert door["allowed_importers"] == doors


def test_policy_is_pure_by_contract() -> None:
    forbidden = contracts()["policy is pure"]["forbidden_modules"]

    assert {"os", "io", "time", "threading", "socket", "sqlite3", "sqlalchemy"} <= set(forbidden)
