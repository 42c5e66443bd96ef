"""The `arcsecond` command in the test's own process: exit code, and what it printed."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

from arcsecond.cli.main import main

if TYPE_CHECKING:
    import pytest


class Command:
    """Runs `arcsecond` in this process; holds what it printed last."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self.out = self.err = ""

    def __call__(self, *arguments: str, stdin: str = "") -> int:
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        self._capsys.readouterr()
        code = main(arguments)
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *arguments: str) -> object:
        assert self(*arguments, "--json") == 0, self.err
        return json.loads(self.out)
