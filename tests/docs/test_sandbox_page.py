"""The page about the sandbox is complete, and what it shows is what happens."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from arcsecond.cli.sandbox import sandbox as command
from arcsecond.sandbox.app import SandboxApp
from arcsecond.sandbox.exchange import Record
from arcsecond.sandbox.faults import RULE_KEYS

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
OF_ALL_COMMANDS = {"--help", "--debug", "--version"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("recipe", blocks("json"))
def test_every_recipe_is_a_rule(sandbox: Sandbox, recipe: str) -> None:
    sandbox.rule(**json.loads(recipe))


@pytest.mark.parametrize("key", RULE_KEYS)
def test_every_key_of_a_rule_is_explained(key: str) -> None:
    assert f"`{key}`" in PAGE


@pytest.mark.parametrize("name", [one.name for one in fields(Record)])
def test_every_field_of_a_recorded_request_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_every_option_is_explained() -> None:
    text = CliRunner().invoke(command, ["--help"]).output
    options = set(re.findall(r"--[a-z-]+", text)) - OF_ALL_COMMANDS
    assert options
    assert [option for option in sorted(options) if f"`{option}" not in PAGE] == []


def test_every_path_is_listed() -> None:
    paths = {word for route in SandboxApp.routes for word in re.findall(r"[a-z-]{2,}", route.path)}
    assert [word for word in sorted(paths) if f"/{word}/" not in PAGE] == []


def test_every_path_is_listed_with_its_methods() -> None:
    """A row is about the paths that it names, and about the objects of a listing that stands alone."""
    rows = [
        (re.findall("`(.*?)`", re.sub("<[^>]*>", "{}", paths)), set(methods.split(", ")))
        for paths, methods in re.findall(r"^\| (`/.*`) \| ([A-Z, ]+) \|", PAGE, re.MULTILINE)
    ]
    row_of = {path: number for number, (paths, _) in enumerate(rows) for path in paths}
    there: dict[int, set[str]] = {}
    for route in SandboxApp.routes:
        number = row_of.get(route.path, row_of.get(route.path.removesuffix("{}/"), -1))
        assert number >= 0, f"{route.path} is not listed"
        there.setdefault(number, set()).update(route.views)
    assert [there.get(number) for number in range(len(rows))] == [methods for _, methods in rows]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples use curl")
def test_the_examples_do_what_the_page_shows(sandbox: Sandbox, tmp_path: Path) -> None:
    examples = [
        (example, shown)
        for block in blocks("console")
        for example, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]
    mark = "=== next ==="
    script = "\n".join(f"{example}\necho; echo '{mark}'" for example, _ in examples)
    said = subprocess.run(
        ["sh", "-eu", "-c", script],
        env={"PATH": os.environ["PATH"], "URL": sandbox.url, "KEY": sandbox.upload_key},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split(mark)
    for (example, shown), got in zip(examples, said, strict=False):
        pattern = re.escape(shown.strip()).replace("…", ".*")
        assert re.fullmatch(pattern, got.strip(), re.DOTALL), f"{example}\n{got}"
