"""The public names of the module: all there, sorted, and each where it says."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import arcsecond
import oort


def test_the_public_names_are_sorted_and_all_there() -> None:
    assert arcsecond.__all__ == sorted(arcsecond.__all__)
    assert set(arcsecond._HOMES) == set(arcsecond.__all__) - {"__version__"}
    assert set(arcsecond.__all__) <= set(dir(arcsecond))


@pytest.mark.parametrize("name", arcsecond._HOMES)
def test_each_public_name_loads(name: str) -> None:
    value = getattr(arcsecond, name)

    assert value.__name__ == name
    assert value.__doc__


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = arcsecond.no_such_name  # type: ignore[attr-defined]  # that is the point


def test_both_packages_have_the_version_of_the_distribution() -> None:
    pyproject = Path(__file__).parents[3] / "pyproject.toml"
    version = tomllib.loads(pyproject.read_text())["project"]["version"]

    assert arcsecond.__version__ == oort.__version__ == version
