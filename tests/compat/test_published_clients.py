"""docs/compatibility.md is what the published clients do with the sandbox, and with our config.ini."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.compat import page
from tests.compat.measure import measure
from tests.compat.published import ACTIONS, CLIENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.compat.published import Client

_WRITE = os.environ.get("OORT_TEST_WRITE") == "compatibility"  # before a test's clean environment


@pytest.mark.compat
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.folder)
def test_a_published_client_does_what_the_page_says(
    client: Client, install: Callable[[Client], Path], tmp_path: Path
) -> None:
    results, transcript = measure(client, install(client), tmp_path)
    line = page.row(client.name, results)
    print("\n".join([line, *transcript]))  # noqa: T201  # shown by pytest where the row differs
    if _WRITE:
        page.write_row(client.name, line)
    assert page.rows(page.PAGE.read_text(encoding="utf-8"))[client.name] == line


def test_the_page_has_every_client_and_explains_every_column() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert list(page.rows(text)) == [client.name for client in CLIENTS]
    assert "\n".join(page.head()) in text
    for action, meaning in ACTIONS.items():
        assert f"| {action} | {meaning} |" in text
