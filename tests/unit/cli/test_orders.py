"""Which files `retry` and `skip` mean."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from oort.cli import orders
from oort.cli.main import run
from oort.values import Watch


def test_digits_are_an_id_and_all_else_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    asked = orders.which(["7", "./7", "a.fits", "٣"], [])

    assert [7] == asked["ids"]
    assert [str(tmp_path / name) for name in ("7", "a.fits", "٣")] == asked["paths"]


def test_a_file_whose_name_is_a_number_can_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert 0 == run(["pause"])

    assert 1 == run(["retry", "./7"])
    assert str(tmp_path / "7") in capsys.readouterr().err


def test_a_file_is_known_by_the_path_of_its_watch(tmp_path: Path) -> None:
    real, link = tmp_path / "disk", tmp_path / "data"
    real.mkdir()
    link.symlink_to(real)
    name = os.fsdecode(b"caf\xe9.fits")

    for watched in (real, link):
        watches = [Watch("dome", watched)]
        for typed in (real, link):
            assert str(watched / name) == orders.as_watched(str(typed / name), watches)
    assert "/elsewhere/a" == orders.as_watched("/elsewhere/a", [Watch("dome", real)])
    assert "/a" == orders.as_watched("/a", [Watch("all", Path("/"))])


@pytest.mark.parametrize("command", ["retry", "skip"])
def test_what_is_not_there_is_refused(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == run([command, str(tmp_path / "a.fits"), "9"])

    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Error: ")
    assert 2 == len(lines)
