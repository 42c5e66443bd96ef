"""The messages on the page of troubleshooting are messages that the program has."""

from __future__ import annotations

import ast
import errno
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"

_OF_THE_SYSTEM = [os.strerror(number) for number in errno.errorcode]
_OF_SERVERS = ["Not found.", "This field may not be blank."]
"""What the kernel and the server say in words of their own."""


def quoted() -> list[str]:
    """Return the messages in the first column of the page's tables of messages."""
    messages = []
    for table in re.findall(r"\| message \|.*\n\|.*\n((?:\|.*\n)+)", PAGE.read_text("utf-8")):
        for row in table.splitlines():
            messages += re.findall(r"`([^`]+)`", row.split("|")[1])
    return messages


def texts_of_the_program() -> str:
    """Return every string of both packages, those of a sentence that is put together joined."""
    texts = list(_OF_THE_SYSTEM)
    for package in ("arcsecond", "oort"):
        for path in (ROOT / package).rglob("*.py"):
            if "sandbox" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
                elif isinstance(node, ast.JoinedStr):
                    parts = [v.value if isinstance(v, ast.Constant) else "…" for v in node.values]
                    texts.append("".join(map(str, parts)))
    return "\n".join(texts)


TEXTS = texts_of_the_program()


def test_the_page_has_messages() -> None:
    assert len(quoted()) > 40


@pytest.mark.parametrize("message", sorted(set(quoted())))
def test_every_message_is_one_of_the_program(message: str) -> None:
    """What stands between names, and between the parts of a sentence, is found in the source."""
    parts = re.split(r"…|: (?=[A-Z])|, (?=and the key)", message)
    missing = [p for p in (part.strip(" :(),") for part in parts) if p and p not in TEXTS]

    assert missing == [] or message in _OF_SERVERS


def test_the_page_is_found_from_the_readme_and_the_commands() -> None:
    for page in (
        ROOT / "README.md",
        ROOT / "docs" / "commands.md",
        ROOT / "docs" / "quickstart.md",
    ):
        assert "troubleshooting.md" in page.read_text("utf-8"), page
