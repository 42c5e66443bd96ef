"""A sandbox for a module's tests, and the `arcsecond` command that knows it as `box`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.command import Command
from tests.support.sandbox import Sandbox, running_sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def arcsecond(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)


@pytest.fixture(scope="module")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "storage") as sandbox:
        yield sandbox


@pytest.fixture
def server(shared_sandbox: Sandbox, arcsecond: Command) -> Sandbox:
    """A sandbox that is registered as `box` and chosen."""
    shared_sandbox.clear()
    shared_sandbox.forget_requests()
    assert arcsecond("api", "add", "box", shared_sandbox.url) == 0
    assert arcsecond("api", "use", "box") == 0
    return shared_sandbox


@pytest.fixture
def logged_in(server: Sandbox, arcsecond: Command) -> Sandbox:
    code = arcsecond(
        "login", "-u", server.username, "--access-key", "-", stdin=f"{server.access_key}\n"
    )
    assert code == 0, arcsecond.err
    return server
