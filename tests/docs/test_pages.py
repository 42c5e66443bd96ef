"""The pages agree with the code and with each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from docs.generate import PAGES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EVERY_PAGE = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_what_the_code_says(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_another_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))

    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    missing = [link for link in local if not (page.parent / link).exists()]

    assert missing == []


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        re.split(r"[\[<>=]", requirement)[0]
        for group in (project["dependencies"], *project["optional-dependencies"].values())
        for requirement in group
    ]
    page = (DOCS / "decisions" / "0012-dependencies.md").read_text(encoding="utf-8")

    assert [name for name in wanted if name not in page] == []


def test_every_decision_is_listed_and_says_when_and_why() -> None:
    index = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")

    for page in sorted((DOCS / "decisions").glob("0*.md")):
        text = page.read_text(encoding="utf-8")
        assert f"({page.name})" in index
        assert re.search(r"^Date: \d{4}-\d\d-\d\d\. Status: ", text, re.MULTILINE), page.name
        for heading in ("## Context", "## Decision", "## Consequences"):
            assert heading in text, page.name


def test_the_readme_can_be_read_in_a_minute() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize("package", ["oort", "arcsecond"])
def test_every_module_has_its_layer(package: str) -> None:
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    parts = [
        f"{path.name}/" if path.is_dir() else path.name
        for path in sorted((ROOT / package).iterdir())
        if (path / "__init__.py").exists() or (path.suffix == ".py" and path.name[0] != "_")
    ]

    assert [part for part in parts if f"`{part}`" not in page] == []


def test_every_check_of_the_doctor_is_in_the_table_of_operations() -> None:
    from oort.doctor import CHECKS

    page = (DOCS / "operations.md").read_text(encoding="utf-8")
    table = re.search(r"\| check \|.*\n\|.*\n((?:\|.*\n)+)", page)
    assert table is not None
    listed = [row.split("|")[1].strip(" `").removesuffix(" NAME") for row in table[1].splitlines()]

    assert listed == [check.name for check in CHECKS]
