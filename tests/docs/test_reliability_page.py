"""The page that says which test shows what names tests that are there, and leaves none out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`((?:\w+/)?test_\w+\.py)`", PAGE))


def test_every_test_that_the_page_names_is_there() -> None:
    assert NAMED
    assert sorted(name for name in NAMED if not (TESTS / name).is_file()) == []


@pytest.mark.parametrize("folder", ["promises", "faults"])
def test_every_test_of_promises_and_faults_is_named(folder: str) -> None:
    there = {f"{folder}/{path.name}" for path in (TESTS / folder).glob("test_*.py")}

    assert sorted(there - NAMED) == []
